//! Division by the last primes, with rounding: leaves the pointwise world for coefficients and
//! comes back.

use crate::batch::BatchShape;
use crate::kernel::{Aligned, BaseChange};
use crate::ring::modulus::Factor;
use crate::timing::{Laps, ThreadSeconds};
use crate::{Batch, Error, Parameters, Result};

/// A batch after divisions.
#[derive(Debug)]
pub struct Rescaled {
    /// The result, with a limb less for each division.
    pub batch: Batch,
    /// Seconds of all divisions, summed over threads.
    pub seconds: f64,
}

/// Divides by the last prime, with rounding, and drops its limb; so many times as `divisions` says.
/// All at once give the same bits as one after the other.
///
/// # Errors
/// When the batch belongs to other parameters, or has no limb more than divisions.
pub fn rescale(parameters: &Parameters, batch: &Batch, divisions: usize) -> Result<Rescaled> {
    batch.expect("rescaling", parameters, batch.components())?;
    let plan = RescalePlan::new(parameters, batch.limbs(), divisions)?;
    let n = parameters.degree();
    let seconds = ThreadSeconds::default();
    let shape = BatchShape { limbs: plan.limbs, components: batch.components(), len: batch.len() };
    let workspace = || (Aligned::zeros(batch.limbs() * n), Aligned::zeros(n));
    let result = Batch::build_with(parameters, shape, workspace, |(values, extended), element, out| {
        let mut laps = Laps::start();
        for (component, out) in out.chunks_exact_mut(plan.limbs * n).enumerate() {
            for (limb, values) in values.words_mut().chunks_exact_mut(n).enumerate() {
                batch.read(element, component, limb, values);
            }
            plan.divide(values.words_mut(), extended.words_mut());
            out.copy_from_slice(&values.words()[..plan.limbs * n]);
        }
        laps.add_to(&seconds);
        Ok(())
    })?;
    Ok(Rescaled { batch: result, seconds: seconds.seconds() })
}

/// Divisions of polynomials by the primes from number `limbs` on, with what all polynomials share.
pub(crate) struct RescalePlan<'p> {
    parameters: &'p Parameters,
    /// Limbs afterwards.
    pub(crate) limbs: usize,
    /// Limbs before.
    before: usize,
    /// For each limb that stays, the inverse of the product of the dropped primes.
    inverses: Vec<Factor>,
}

impl<'p> RescalePlan<'p> {
    pub(crate) fn new(parameters: &'p Parameters, before: usize, divisions: usize) -> Result<Self> {
        let Some(limbs) = before.checked_sub(divisions).filter(|&l| l > 0) else {
            let allowed = divisions.saturating_add(1)..=parameters.max_limbs();
            return Err(Error::Limbs { operation: "rescaling", found: before, allowed });
        };
        let inverse = |limb: usize, q: crate::Modulus| {
            let inverses = (limbs..before).map(|dropped| parameters.residue(dropped, limb).inverse.value());
            q.factor(inverses.fold(1, |product, inverse| q.mul(product, inverse)))
        };
        let inverses = parameters.moduli(limbs).enumerate().map(|(limb, q)| inverse(limb, q)).collect();
        Ok(Self { parameters, limbs, before, inverses })
    }

    /// Divides one polynomial, `[limb][N]` values: the first limbs hold the result, the others are
    /// used up. `extended` is scratch of N words.
    ///
    /// What the dropped primes have in common is worked out on coefficients, as digits to the base
    /// of these primes, and carried to each of the others once: `d_m + ...` stands for `d_last +
    /// p_last (d_(last-1) + p_(last-1) (...))`.
    pub(crate) fn divide(&self, values: &mut [u64], extended: &mut [u64]) {
        let Self { parameters, limbs, before, .. } = *self;
        let (n, kernel) = (parameters.degree(), parameters.kernel());
        assert_eq!(values.len(), before * n, "values of a polynomial of {before} limbs");
        let transforms = parameters.transforms(before);
        let modulus = |prime: usize| transforms[prime].modulus();
        let (rest, tops) = values.split_at_mut(limbs * n);
        for (t, top) in transforms[limbs..].iter().zip(tops.chunks_exact_mut(n)) {
            t.inverse(top);
        }
        for last in (limbs + 1..before).rev() {
            let (below, digits) = tops.split_at_mut((last - limbs) * n);
            for (prime, top) in (limbs..last).zip(below.chunks_exact_mut(n)) {
                let change = BaseChange { from: modulus(last), to: modulus(prime) };
                kernel.base_extend(change, &digits[..n], extended);
                kernel.mod_down_step(change.to, top, extended, parameters.residue(last, prime).inverse);
            }
        }
        if limbs == before {
            return;
        }
        let (lowest, digits) = tops.split_at(n);
        // One more polynomial would do as well; the digit's extension is added while it is
        // computed.
        for (limb, values) in rest.chunks_exact_mut(n).enumerate() {
            let q = modulus(limb);
            kernel.base_extend(BaseChange { from: modulus(limbs), to: q }, lowest, extended);
            for (dropped, digit) in (limbs + 1..before).zip(digits.chunks_exact(n)) {
                let change = BaseChange { from: modulus(dropped), to: q };
                kernel.scale_add_extended(change, extended, parameters.residue(dropped, limb).value, digit);
            }
            transforms[limb].forward(extended);
            kernel.mod_down_step(q, values, extended, self.inverses[limb]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{N, parameters, random};

    /// The integers of least absolute value with the coefficients' residues: Chinese remainders in
    /// 128 bits.
    fn integers(p: &Parameters, batch: &Batch, element: usize, component: usize) -> Vec<i128> {
        let product: i128 = p.moduli(batch.limbs()).map(|q| i128::from(q.value())).product();
        let mut sums = vec![0_i128; N];
        for (i, t) in p.transforms(batch.limbs()).iter().enumerate() {
            let mut values = vec![0; N];
            batch.read(element, component, i, &mut values);
            t.inverse(&mut values);
            let q = t.modulus();
            let rest = product / i128::from(q.value());
            let inverse = q.inverse(q.reduce_i128(rest));
            for (s, &v) in sums.iter_mut().zip(&values) {
                *s = (*s + rest * i128::from(q.mul(v, inverse))) % product;
            }
        }
        sums.into_iter().map(|s| if s > product / 2 { s - product } else { s }).collect()
    }

    #[test]
    fn rescaling_is_division_with_rounding() {
        let p = parameters(false);
        let before = random(&p, 3, 3);
        let after = rescale(&p, &before, 1).unwrap().batch;
        let last = i128::from(p.literal().moduli[2]);
        for element in 0..3 {
            for component in 0..3 {
                let (x, y) = (integers(&p, &before, element, component), integers(&p, &after, element, component));
                for (x, y) in x.into_iter().zip(y) {
                    assert_eq!(y, (x + (x.signum() * last) / 2) / last, "{x} / {last}");
                }
            }
        }
    }

    #[test]
    fn two_divisions_are_one_after_the_other_to_the_last_bit() {
        for special in [false, true] {
            let p = parameters(special);
            let before = random(&p, 3, 3);
            let once = rescale(&p, &before, 1).unwrap().batch;
            assert!(rescale(&p, &before, 2).unwrap().batch == rescale(&p, &once, 1).unwrap().batch);
            assert!(rescale(&p, &before, 0).unwrap().batch == before);
        }
    }

    #[test]
    fn too_few_limbs_are_refused_with_both_numbers() {
        let p = parameters(false);
        let error = rescale(&p, &random(&p, 2, 3), 2).unwrap_err();
        assert_eq!(error, Error::Limbs { operation: "rescaling", found: 2, allowed: 3..=3 });
        assert!(rescale(&p, &random(&p, 2, 2), usize::MAX).is_err());
    }

    #[test]
    fn a_batch_of_other_primes_is_refused() {
        let batch = random(&parameters(false), 3, 2);
        assert!(rescale(&crate::testing::other_primes(), &batch, 1).is_err());
    }
}
