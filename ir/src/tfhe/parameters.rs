//! The parameter sets of the `tfhe` backend and how noisy its operations are. Numbers of the sets
//! are those that the `tfhe` crate publishes; none of our own may be added, since their security is
//! the crate's promise.

use super::program::Parameters;
use crate::{Error, Result};

/// A published set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterSet {
    /// The name in the `tfhe` crate.
    pub name: &'static str,
    /// Dimension n of the key that linear sums are switched to before bootstrapping.
    pub lwe_dimension: usize,
    /// Degree N of the ring; tables and outputs of bootstrapping are under a key of as many bits
    /// (one polynomial).
    pub polynomial_size: usize,
    /// Standard deviation of fresh noise under the key of n bits, as a fraction of the torus.
    pub lwe_std: f64,
    /// Standard deviation of fresh noise of the ring, as a fraction of the torus.
    pub glwe_std: f64,
    /// log2 of the base of key switching's decomposition.
    pub switch_base_log: usize,
    /// Its digits.
    pub switch_levels: usize,
}

/// The set in use: 128 bits of security by the lattice estimator, failure of one look-up of 4 bits
/// below 2^-128 in the crate's use.
pub const PARAMETER_SET: ParameterSet = ParameterSet {
    name: "V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_GAUSSIAN_2M128",
    lwe_dimension: 866,
    polynomial_size: 2048,
    lwe_std: 2.046_151_696_979_124e-6,
    glwe_std: 2.845_267_479_601_915e-15,
    switch_base_log: 3,
    switch_levels: 5,
};

/// Decompositions of bootstrapping that may be asked for, `(base_log, levels)`, from the fastest to
/// the most precise. The first is the set's own.
pub const DECOMPOSITIONS: [(usize, usize); 3] = [(23, 1), (15, 2), (11, 3)];

impl Parameters {
    /// The set in use with one of [`DECOMPOSITIONS`].
    pub fn new((base_log, levels): (usize, usize)) -> Self {
        Self { set: PARAMETER_SET.name.into(), base_log, levels }
    }

    /// Finds the set that is named, if it is one that this release knows and promises 128 bits for.
    ///
    /// # Errors
    /// If it is not, since other parameters may not be secure.
    pub fn known(&self) -> Result<ParameterSet> {
        if self.set == PARAMETER_SET.name && DECOMPOSITIONS.contains(&(self.base_log, self.levels)) {
            return Ok(PARAMETER_SET);
        }
        Err(Error::Malformed {
            operation: "checking parameters of the tfhe backend",
            found: format!("set {}, base 2^{}, {} levels", self.set, self.base_log, self.levels),
            expected: format!("{} with one of the bases and levels {DECOMPOSITIONS:?}", PARAMETER_SET.name),
            remedy: "other parameters may not be secure; compile the model again with `beaa compile --backend tfhe`",
        })
    }

    /// Variance of the noise that bootstrapping leaves, as a fraction of the torus squared
    /// (Chillotti et al., "Improved programmable bootstrapping with larger precision", Asiacrypt
    /// 2021, theorem 4: k = 1, binary keys).
    pub fn bootstrap_variance(&self) -> f64 {
        let (n, big) = (PARAMETER_SET.lwe_dimension as f64, PARAMETER_SET.polynomial_size as f64);
        let base = (self.base_log as f64).exp2();
        let digits = self.levels as f64;
        let keys = n * digits * 2.0 * big * (base * base + 2.0) / 12.0 * PARAMETER_SET.glwe_std.powi(2);
        let rounding = n * (1.0 + big / 2.0) / (24.0 * base.powi(2 * self.levels as i32));
        keys + rounding
    }
}

impl ParameterSet {
    /// Variance that switching from the key of N bits to that of n adds.
    pub fn switch_variance(&self) -> f64 {
        let (big, base) = (self.polynomial_size as f64, (self.switch_base_log as f64).exp2());
        let keys = big * self.switch_levels as f64 * self.lwe_std.powi(2) * (base * base + 2.0) / 12.0;
        keys + big / (24.0 * base.powi(2 * self.switch_levels as i32))
    }

    /// Variance of rounding to multiples of 1/2N, centred for a binary key (Bernard et al.,
    /// "Drifting towards better error probabilities", 2024).
    pub fn rounding_variance(&self) -> f64 {
        (self.lwe_dimension as f64 / 48.0 + 1.0 / 12.0) / (2.0 * self.polynomial_size as f64).powi(2)
    }
}
