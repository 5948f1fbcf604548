//! Ciphertexts and matrices to measure with, of residues and weights that look random. Must never be fewer or narrower than
//! what networks have, or kernels would look better than they are.

use beaa_ckks::primes::ntt_primes;
use beaa_ckks::{Batch, Kernel, Panels, Parameters, ParametersLiteral};

use crate::Result;

/// Bits of primes; compiled networks have about as many.
pub(crate) const PRIME_BITS: u32 = 34;
/// Bits of the primes that are wide, and of those that are narrow.
const WIDE_BITS: u32 = 37;
const NARROW_BITS: u32 = 30;
/// Bits of a signed weight.
const WEIGHT_BITS: u32 = 12;
/// Primes that serve this degree serve all smaller ones, too.
const DEGREE: usize = 8192;

/// Parameters of any degree; not secure, as nothing here is secret.
pub(crate) fn parameters(kernel: Kernel, degree: usize, limbs: usize) -> Result<Parameters> {
    parameters_of(kernel, degree, limbs, PRIME_BITS)
}

/// A wide and a narrow prime by turns, as compiled networks have them: some paths take longer for wide ones.
pub(crate) fn mixed_parameters(kernel: Kernel, degree: usize, limbs: usize) -> Result<Parameters> {
    let of = |bits: u32| ntt_primes(degree.max(DEGREE), bits, limbs.div_ceil(2), &[]);
    let (wide, narrow) = (of(WIDE_BITS)?, of(NARROW_BITS)?);
    let moduli = wide.into_iter().zip(narrow).flat_map(|(a, b)| [a, b]).take(limbs).collect();
    Ok(Parameters::with_kernel(ParametersLiteral { degree, moduli, special: vec![], security: 128 }, kernel)?)
}

/// The same with primes of `bits` bits alone.
pub(crate) fn parameters_of(kernel: Kernel, degree: usize, limbs: usize, bits: u32) -> Result<Parameters> {
    let moduli = ntt_primes(degree.max(DEGREE), bits, limbs, &[])?;
    Ok(Parameters::with_kernel(ParametersLiteral { degree, moduli, special: vec![], security: 128 }, kernel)?)
}

/// Ciphertexts.
pub(crate) fn residues(parameters: &Parameters, limbs: usize, components: usize, len: usize) -> Result<Batch> {
    let n = parameters.degree();
    let smallest = parameters.moduli(limbs).map(|q| q.value()).min().unwrap_or(2);
    Ok(Batch::build(parameters, limbs, components, len, |element, out| {
        for (j, o) in out.iter_mut().enumerate() {
            *o = ((element * n + j) as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % smallest;
        }
        Ok(())
    })?)
}

/// A matrix of which one entry in `every` is left.
pub(crate) fn matrix(kernel: Kernel, rows: usize, columns: usize, every: usize) -> Result<Panels> {
    let all: Vec<(Vec<u32>, Vec<i32>)> = (0..rows).map(|r| row(r, columns, every)).collect();
    Ok(Panels::new(kernel, rows, columns, |r| all.get(r).map_or((&[], &[]), |(c, w)| (c, w)))?)
}

/// Columns and weights of one row.
pub(crate) fn row(r: usize, columns: usize, every: usize) -> (Vec<u32>, Vec<i32>) {
    let noise = |c: u32| (((r * columns) as u64 + u64::from(c) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as u32;
    let largest = (1_u32 << (WEIGHT_BITS - 1)) - 1;
    let kept = (0..columns as u32).filter(|&c| every == 1 || (noise(c) as usize).is_multiple_of(every));
    let kept: Vec<u32> = kept.collect();
    let weight = |&c: &u32| match ((noise(c) >> 8) % (2 * largest + 1)).cast_signed() - largest.cast_signed() {
        0 => 1,
        w => w,
    };
    let weights = kept.iter().map(weight).collect();
    (kept, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_rows_differ_and_keep_one_in_so_many() {
        let rows: Vec<_> = (0..100).map(|r| row(r, 845, 10).0).collect();
        let kept: usize = rows.iter().map(Vec::len).sum();
        assert!((kept as f64 / 84_500.0 - 0.1).abs() < 0.01, "{kept}");
        assert!(rows.windows(2).all(|w| w[0] != w[1]));
        assert!(row(3, 845, 1).1.iter().all(|w| *w != 0 && w.abs() < 2048));
    }
}
