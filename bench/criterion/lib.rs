//! Operands for the benches: parameters, ciphertexts of residues that look random, matrices.

use beaa_ckks::primes::ntt_primes;
use beaa_ckks::{Batch, Kernel, Panels, Parameters, ParametersLiteral, Result};

#[path = "../src/microbench.rs"]
pub mod microbench;
#[path = "../src/peak_throughput.rs"]
pub mod peak_throughput;

/// Parameters with primes of 34 bits; not secure, as nothing here is secret.
pub fn parameters(kernel: Kernel, degree: usize, limbs: usize) -> Result<Parameters> {
    let moduli = ntt_primes(degree.max(8192), 34, limbs, &[])?;
    Parameters::with_kernel(ParametersLiteral { degree, moduli, special: vec![], security: 128 }, kernel)
}

/// As many ciphertexts.
pub fn residues(parameters: &Parameters, components: usize, len: usize) -> Result<Batch> {
    let limbs = parameters.max_limbs();
    let smallest = parameters.moduli(limbs).map(|q| q.value()).min().unwrap_or(2);
    Batch::build(parameters, limbs, components, len, |element, out| {
        for (j, o) in out.iter_mut().enumerate() {
            *o = (element as u64 + j as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % smallest;
        }
        Ok(())
    })
}

/// A matrix of 12-bit weights of which one in `every` is left.
pub fn matrix(kernel: Kernel, rows: usize, columns: usize, every: u64) -> Result<Panels> {
    let noise = |r: usize, c: u32| ((r * columns) as u64 + u64::from(c) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    let all: Vec<(Vec<u32>, Vec<i32>)> = (0..rows)
        .map(|r| {
            let kept: Vec<u32> =
                (0..columns as u32).filter(|&c| every == 1 || noise(r, c).is_multiple_of(every)).collect();
            let weights = kept.iter().map(|&c| ((noise(r, c) >> 8) % 4095) as i32 - 2047).map(|w| w | 1).collect();
            (kept, weights)
        })
        .collect();
    Panels::new(kernel, rows, columns, |r| all.get(r).map_or((&[], &[]), |(c, w)| (c, w)))
}
