//! Encoding of constants that repeat after some slots: elements of a smaller ring.
//!
//! Rotations by the period leave such an element as it is, so that it is a polynomial in `Y = X^r`
//! with `r = N / period`: an element of the conjugate-invariant ring of that degree, whose slots in
//! rotation order are one period. It is encoded and transformed there. The root of a value of the
//! large ring, to the power of r, is a root of the small one, which its exponent modulo 4 period
//! tells; in bit-reversed order r values from a multiple of r on have the same.

use super::order::rotation_order;
use crate::ring::ntt::Transform;
use crate::{Encoder, Parameters, Result};

/// Slots of the shortest period that is stored: shorter ones are repeated up to it, for the
/// transforms are not made for less.
pub const SHORTEST_PERIOD: usize = 32;

/// Encodes constants of one period for the primes of some limbs and the special ones.
pub(super) struct PeriodicEncoder<'p> {
    parameters: &'p Parameters,
    /// Slots that the caller knows.
    written: usize,
    encoder: Encoder,
    /// Slots of one period in rotation order.
    order: Vec<u32>,
    /// Of each prime.
    primes: Vec<PeriodicPrime>,
}

/// How the values modulo one prime are found.
struct PeriodicPrime {
    /// Number among all primes.
    number: usize,
    /// That of the small ring, and which of its values each run of the large one has; none where
    /// both rings are the same.
    small: Option<(Transform, Vec<u32>)>,
}

/// What one thread needs to encode a constant.
pub(super) struct Workspace {
    by_position: Vec<f64>,
    /// First the slots, then the coefficients.
    slots: Vec<f64>,
    scratch: Vec<f64>,
    coefficients: Vec<i64>,
    /// In the order of the small ring's transform.
    values: Vec<u64>,
}

impl<'p> PeriodicEncoder<'p> {
    /// # Panics
    /// When the period is no power of two, or more than N.
    pub(super) fn new(parameters: &'p Parameters, limbs: usize, period: usize) -> Self {
        let n = parameters.degree();
        assert!(period.is_power_of_two() && period <= n, "constants that repeat after {period} of {n} slots");
        let longer = period.max(SHORTEST_PERIOD.min(n));
        let of_prime = |number| PeriodicPrime { number, small: small_ring(parameters, number, longer) };
        let (encoder, order) = (Encoder::new(longer), rotation_order(longer));
        Self {
            parameters,
            written: period,
            encoder,
            order,
            primes: parameters.switching_primes(limbs).map(of_prime).collect(),
        }
    }

    /// Values of one constant modulo one prime.
    pub(super) fn period(&self) -> usize {
        self.order.len()
    }

    pub(super) fn workspace(&self) -> Workspace {
        let period = self.period();
        Workspace {
            by_position: vec![0.0; period],
            slots: vec![0.0; period],
            scratch: self.encoder.scratch(),
            coefficients: vec![0; period],
            values: vec![0; period],
        }
    }

    /// Encodes what `write` writes to slots that are zero, rotated to the right by `giant` slots:
    /// `[prime][period]`, a value for each run of the transform's.
    ///
    /// # Errors
    /// When a value is not finite or too large.
    pub(super) fn encode(
        &self,
        workspace: &mut Workspace,
        giant: usize,
        write: impl FnOnce(&mut [f64]),
        out: &mut [u64],
    ) -> Result<()> {
        let Workspace { by_position, slots, scratch, coefficients, values } = workspace;
        let (first, others) = by_position.split_at_mut(self.written);
        first.fill(0.0);
        write(first);
        others.chunks_exact_mut(self.written).for_each(|again| again.copy_from_slice(first));
        // The sum is rotated by the giant step, and its constants with it.
        let (first, rest) = self.order.split_at(giant % self.period());
        for (&slot, &value) in rest.iter().chain(first).zip(&*by_position) {
            slots[slot as usize] = value;
        }
        self.encoder.encode_in_place(slots, 1.0, scratch)?;
        coefficients.iter_mut().zip(&*slots).for_each(|(c, &v)| *c = v as i64);
        let largest = coefficients.iter().map(|c| c.unsigned_abs()).fold(0, u64::max);
        for (prime, out) in self.primes.iter().zip(out.chunks_exact_mut(self.period())) {
            let t = &self.parameters.all_transforms()[prime.number];
            let q = t.modulus();
            let to = if prime.small.is_some() { &mut values[..] } else { &mut *out };
            // Nearly always: constants have far fewer bits than primes.
            if largest < q.value() {
                to.iter_mut().zip(&*coefficients).for_each(|(v, &c)| *v = q.lift(c));
            } else {
                to.iter_mut().zip(&*coefficients).for_each(|(v, &c)| *v = q.reduce_i64(c));
            }
            match &prime.small {
                None => t.forward(to),
                Some((small, runs)) => {
                    small.forward(to);
                    out.iter_mut().zip(runs).for_each(|(v, &run)| *v = values[run as usize]);
                }
            }
        }
        Ok(())
    }
}

/// The transform of the ring of degree `period` modulo one of the primes, and which of its values
/// each run of the large ring's has.
fn small_ring(parameters: &Parameters, number: usize, period: usize) -> Option<(Transform, Vec<u32>)> {
    let (n, large) = (parameters.degree(), &parameters.all_transforms()[number]);
    if period == n {
        return None;
    }
    let small = Transform::try_new(period, large.modulus(), parameters.kernel());
    let Some(small) = small else { unreachable!("a prime that is 1 modulo {} but not modulo {}", 4 * n, 4 * period) };
    // The values of Y + 1/Y in both: every one of the small ring's is another.
    let [mut of_large, mut of_small] = [(n, n / period), (period, 1)].map(|(degree, power)| {
        let mut element = vec![0; degree];
        element[power] = 1;
        element
    });
    large.forward(&mut of_large);
    small.forward(&mut of_small);
    let mut sorted: Vec<(u64, u32)> = of_small.into_iter().zip(0..).collect();
    sorted.sort_unstable();
    let run = |values: &[u64]| {
        assert!(values.iter().all(|v| *v == values[0]), "values of a run differ");
        let (found, index) = sorted[sorted.partition_point(|(v, _)| *v < values[0])];
        assert_eq!(found, values[0], "a value of the small ring");
        index
    };
    let runs = of_large.chunks_exact(n / period).map(run).collect();
    Some((small, runs))
}
