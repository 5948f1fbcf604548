//! Division by primes one after the other, with rounding: the bits of the processor's, which
//! divides by all of them at once.

use std::ops::Range;

use crate::prime::inverse as inverse_of;
use crate::view::Extent;
use crate::{Argument, Device, Grid, Kernel, Limbs, Memory, Result, Ring, View};

use super::{forward, inverse};

/// Division of some limbs by other primes, the last one first, with what all polynomials share.
#[derive(Debug)]
pub(super) struct Division<M> {
    /// By each of the primes, the first one first.
    steps: Vec<DivisionStep<M>>,
    /// Items at a time.
    count: usize,
    /// Coefficients modulo a prime, `[item][N]`.
    digit: M,
    /// Their values modulo the others, `[limb][item][N]`.
    extended: M,
    /// What is between two divisions, `[limb][item][N]`; none for one alone.
    between: Option<M>,
}

impl<M: Memory> Division<M> {
    /// Divides the first limbs, so many, by the primes of these numbers.
    pub(super) fn new<D: Device<Memory = M>>(
        ring: &Ring<'_, D>,
        limbs: usize,
        divisors: Range<usize>,
        count: usize,
    ) -> Result<Self> {
        let n = ring.degree();
        let limbs_of = |prime: usize| Limbs { ordinary: limbs, next: divisors.start, more: prime - divisors.start };
        let steps = divisors.clone().map(|prime| DivisionStep::new(ring, prime, limbs_of(prime)));
        let words = (limbs + divisors.len() - 1) * count * n;
        Ok(Self {
            steps: steps.collect::<Result<_>>()?,
            count,
            digit: ring.device.allocate(count * n)?,
            extended: ring.device.allocate(words)?,
            between: if divisors.len() > 1 { Some(ring.device.allocate(words)?) } else { None },
        })
    }

    /// `to = from / primes`; `from` has the limbs and then the primes that it is divided by.
    pub(super) fn run<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        (to, from): (View<'_, M>, View<'_, M>),
        items: usize,
    ) -> Result<()> {
        assert!(items <= self.count, "{items} items, at most {}", self.count);
        let dense = |memory| View::dense(memory, self.count, ring.degree());
        let scratch = [&self.digit, &self.extended].map(dense);
        let mut from = from;
        for (number, step) in self.steps.iter().enumerate().rev() {
            let to = self.between.as_ref().filter(|_| number > 0).map_or(to, dense);
            let top = from.after(step.limbs.count() * from.limb_stride);
            step.run(ring, (to, from), top, scratch, items)?;
            from = to;
        }
        Ok(())
    }
}

/// Polynomials of one limb that dividing one polynomial takes beside it and the result.
pub(crate) fn dividing_words(limbs: usize, divisors: usize) -> usize {
    let most = limbs + divisors - 1;
    1 + most + if divisors > 1 { most } else { 0 }
}

/// Words of the constants of a division.
pub(crate) fn dividing_constants(limbs: usize, divisors: usize) -> usize {
    (0..divisors).map(|more| 2 * (limbs + more)).sum()
}

/// Division by one prime.
#[derive(Debug)]
pub(super) struct DivisionStep<M> {
    /// Number of the prime.
    prime: usize,
    /// Those that are divided.
    limbs: Limbs,
    /// `[limb]`.
    inverses: M,
}

impl<M: Memory> DivisionStep<M> {
    pub(super) fn new<D: Device<Memory = M>>(ring: &Ring<'_, D>, prime: usize, limbs: Limbs) -> Result<Self> {
        let inverses = ring.factors(limbs, |q| inverse_of(ring.primes[prime] % q, q))?;
        Ok(Self { prime, limbs, inverses })
    }

    /// `to = (from - top) / prime`, where `top` holds the values modulo the prime, whose
    /// coefficients go to `digit`; `extended` is scratch for the limbs.
    pub(super) fn run<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        (to, from): (View<'_, M>, View<'_, M>),
        top: View<'_, M>,
        [digit, extended]: [View<'_, M>; 2],
        items: usize,
    ) -> Result<()> {
        let digit = View { limb_stride: 0, ..digit };
        inverse(ring, (digit, top), items, Limbs::one(self.prime))?;
        forward(ring, (extended, digit), items, self.limbs, Some(self.prime))?;
        let extent = Extent { limbs: self.limbs.count(), items, words: ring.degree() };
        let [to, from, extended] = [to, from, extended].map(|view| view.argument(extent));
        let arguments = [to, from, extended, ring.argument(self.limbs), Argument::memory(&self.inverses)];
        ring.device.launch(Kernel::Divide, Grid::new(items * ring.blocks(), self.limbs.count()), &arguments)
    }
}
