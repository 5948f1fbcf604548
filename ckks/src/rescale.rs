//! Division by the last primes, with rounding: leaves the pointwise world for coefficients and
//! comes back.

use crate::base_conversion::Division;
use crate::batch::BatchShape;
use crate::kernel::Aligned;
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
    let limbs = limbs_after(parameters, batch.limbs(), divisions)?;
    let division = Division::new(parameters, limbs, (limbs..batch.limbs()).collect());
    let n = parameters.degree();
    let seconds = ThreadSeconds::default();
    let shape = BatchShape { limbs, components: batch.components(), len: batch.len() };
    let workspace = || (Aligned::zeros(batch.limbs() * n), Aligned::zeros(n));
    let result = Batch::build_with(parameters, shape, workspace, |(values, scratch), element, out| {
        let mut laps = Laps::start();
        for (component, out) in out.chunks_exact_mut(limbs * n).enumerate() {
            for (limb, values) in values.words_mut().chunks_exact_mut(n).enumerate() {
                batch.read(element, component, limb, values);
            }
            division.divide(values.words_mut(), scratch.words_mut());
            out.copy_from_slice(&values.words()[..limbs * n]);
        }
        laps.add_to(&seconds);
        Ok(())
    })?;
    Ok(Rescaled { batch: result, seconds: seconds.seconds() })
}

/// Limbs after so many divisions of `before` limbs.
///
/// # Errors
/// When there is no limb more than divisions.
pub(crate) fn limbs_after(parameters: &Parameters, before: usize, divisions: usize) -> Result<usize> {
    before.checked_sub(divisions).filter(|&l| l > 0).ok_or_else(|| {
        let allowed = divisions.saturating_add(1)..=parameters.max_limbs();
        Error::Limbs { operation: "rescaling", found: before, allowed }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{N, integer, parameters, random};

    /// The integers that the coefficients of a ciphertext stand for.
    fn integers(p: &Parameters, batch: &Batch, element: usize, component: usize) -> Vec<i128> {
        let mut residues = vec![0; batch.limbs() * N];
        for (limb, (t, values)) in p.transforms(batch.limbs()).iter().zip(residues.chunks_exact_mut(N)).enumerate() {
            batch.read(element, component, limb, values);
            t.inverse(values);
        }
        (0..N).map(|i| integer(p, 0..batch.limbs(), |limb| residues[limb * N + i])).collect()
    }

    #[test]
    fn rescaling_is_division_with_rounding() {
        let p = parameters(0);
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
        for special in 0..=3 {
            let p = parameters(special);
            let before = random(&p, 3, 3);
            let once = rescale(&p, &before, 1).unwrap().batch;
            assert!(rescale(&p, &before, 2).unwrap().batch == rescale(&p, &once, 1).unwrap().batch);
            assert!(rescale(&p, &before, 0).unwrap().batch == before);
        }
    }

    #[test]
    fn too_few_limbs_are_refused_with_both_numbers() {
        let p = parameters(0);
        let error = rescale(&p, &random(&p, 2, 3), 2).unwrap_err();
        assert_eq!(error, Error::Limbs { operation: "rescaling", found: 2, allowed: 3..=3 });
        assert!(rescale(&p, &random(&p, 2, 2), usize::MAX).is_err());
    }

    #[test]
    fn a_batch_of_other_primes_is_refused() {
        let batch = random(&parameters(0), 3, 2);
        assert!(rescale(&crate::testing::other_primes(), &batch, 1).is_err());
    }
}
