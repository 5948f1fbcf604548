//! The steps inside key switching and rescaling, one at a time, for measuring: they are no use alone. Must never be
//! called by anything that computes a result.

use crate::kernel::{self, Kernel};
use crate::primes::ntt_primes;
use crate::ring::modulus::Modulus;
use crate::ring::ntt::Transform;
use crate::{Error, Result};

/// One pass over the N residues of one limb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Coefficients to values.
    Forward,
    /// Values to coefficients.
    Inverse,
    /// Coefficients modulo one prime to residues modulo another.
    Lift,
    /// Sum of products of residues, as with an evaluation key.
    MultiplyAdd,
}

impl Pass {
    /// Every pass.
    pub const ALL: [Self; 4] = [Self::Forward, Self::Inverse, Self::Lift, Self::MultiplyAdd];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward transform",
            Self::Inverse => "inverse transform",
            Self::Lift => "lift to another prime",
            Self::MultiplyAdd => "multiply and add",
        }
    }
}

/// Two primes and three polynomials to work on.
pub struct Probe {
    kernel: Kernel,
    transforms: [Transform; 2],
    values: [Vec<u64>; 3],
}

impl Probe {
    /// For a degree, primes of `bits` bits, and an arithmetic path.
    pub fn new(degree: usize, bits: u32, kernel: Kernel) -> Result<Self> {
        let primes = ntt_primes(degree, bits, 2, &[])?;
        let fail = || Error::Parameters {
            found: format!("the {kernel:?} path at degree {degree}"),
            expected: "a path that this processor has and a degree with a transform".into(),
        };
        let transform = |i: usize| {
            let q = primes.get(i).copied().filter(|_| kernel.available())?;
            Transform::try_new(degree, Modulus::new(q), kernel)
        };
        let transforms = [transform(0).ok_or_else(fail)?, transform(1).ok_or_else(fail)?];
        let smaller = primes.iter().copied().min().unwrap_or(1);
        let spread =
            |seed: u64| (0..degree as u64).map(move |j| (j + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) % smaller);
        let values = [1, 2, 3].map(|seed| spread(seed).collect());
        Ok(Self { kernel, transforms, values })
    }

    /// Does the pass once.
    pub fn run(&mut self, pass: Pass) {
        let [first, second] = &self.transforms;
        let [a, b, c] = &mut self.values;
        match pass {
            Pass::Forward => first.forward(a),
            Pass::Inverse => first.inverse(a),
            Pass::Lift => kernel::base_extend(self.kernel, first.modulus(), second.modulus(), a, b),
            Pass::MultiplyAdd => kernel::multiply_add(self.kernel, first.modulus(), c, a, a),
        }
        // Nobody reads the result: without this the optimiser may leave out the work.
        std::hint::black_box(&mut self.values);
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Probe({:?}, {:?})", self.kernel, self.transforms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_those_of_the_scheme() {
        for kernel in Kernel::ALL.into_iter().filter(|k| k.available()) {
            let mut probe = Probe::new(64, 30, kernel).unwrap();
            let before = probe.values.clone();
            probe.run(Pass::Forward);
            assert_ne!(probe.values, before);
            probe.run(Pass::Inverse);
            assert_eq!(probe.values, before, "{kernel:?}");
            probe.run(Pass::MultiplyAdd);
            let q = probe.transforms[0].modulus();
            for ((&now, &a), &c) in probe.values[2].iter().zip(&before[0]).zip(&before[2]) {
                assert_eq!(now, q.add(c, q.mul(a, a)));
            }
        }
    }
}
