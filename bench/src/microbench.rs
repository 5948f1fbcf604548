//! The steps inside key switching and rescaling, one at a time, for measuring them.

use beaa_ckks::bench_support::{base_extend, forward, inverse, multiply_add};
use beaa_ckks::primes::ntt_primes;
use beaa_ckks::{Kernel, Parameters, ParametersLiteral, Result};

/// One operation on the N residues of one limb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolyOp {
    /// Coefficients to values.
    Forward,
    /// Values to coefficients.
    Inverse,
    /// Coefficients modulo one prime to residues modulo another.
    BaseExtend,
    /// Sum of products of residues, as in encryption.
    MultiplyAdd,
}

impl PolyOp {
    /// Every operation.
    pub(crate) const ALL: [Self; 4] = [Self::Forward, Self::Inverse, Self::BaseExtend, Self::MultiplyAdd];

    /// Returns the name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward transform",
            Self::Inverse => "inverse transform",
            Self::BaseExtend => "lift to another prime",
            Self::MultiplyAdd => "multiply and add",
        }
    }
}

/// Two primes and three polynomials to work on.
#[derive(Debug)]
pub(crate) struct Microbench {
    parameters: Parameters,
    values: [Vec<u64>; 3],
}

impl Microbench {
    /// Prepares polynomials of a degree, modulo primes of `bits` bits, for an arithmetic path.
    ///
    /// # Errors
    /// When there are no two such primes for the degree.
    pub(crate) fn new(degree: usize, bits: u32, kernel: Kernel) -> Result<Self> {
        let moduli = ntt_primes(degree, bits, 2, &[])?;
        // Primes descend.
        let smaller = moduli[1];
        let literal = ParametersLiteral { degree, moduli, special: vec![], security: 128 };
        let parameters = Parameters::with_kernel(literal, kernel)?;
        let spread =
            |seed: u64| (0..degree as u64).map(move |j| (j + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) % smaller);
        let values = [1, 2, 3].map(|seed| spread(seed).collect());
        Ok(Self { parameters, values })
    }

    /// Does the operation once.
    pub(crate) fn run(&mut self, op: PolyOp) {
        let p = &self.parameters;
        let [a, b, c] = &mut self.values;
        match op {
            PolyOp::Forward => forward(p, 0, a),
            PolyOp::Inverse => inverse(p, 0, a),
            PolyOp::BaseExtend => base_extend(p, 0, 1, a, b),
            PolyOp::MultiplyAdd => multiply_add(p, 0, c, a, a),
        }
        // Nobody reads the result: without this the optimiser may leave out the work.
        std::hint::black_box(&mut self.values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_those_of_the_scheme() {
        for kernel in Kernel::available() {
            let mut bench = Microbench::new(64, 30, kernel).unwrap();
            let before = bench.values.clone();
            bench.run(PolyOp::Forward);
            assert_ne!(bench.values, before);
            bench.run(PolyOp::Inverse);
            assert_eq!(bench.values, before, "{kernel:?}");
            bench.run(PolyOp::MultiplyAdd);
            let q = u128::from(bench.parameters.literal().moduli[0]);
            for ((&now, &a), &c) in bench.values[2].iter().zip(&before[0]).zip(&before[2]) {
                assert_eq!(u128::from(now), (u128::from(c) + u128::from(a) * u128::from(a)) % q, "{kernel:?}");
            }
        }
    }
}
