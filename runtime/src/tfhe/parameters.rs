//! What the `tfhe` crate is asked for: parameters, sources of randomness, integers as points of the
//! torus.

use beaa_ckks::SecretRng;
use beaa_ir::tfhe::{PARAMETER_SET, Parameters};
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::prelude::*;

use crate::Result;

pub(super) type Ciphertext = LweCiphertextOwned<u64>;

/// The ring's modulus: that of 64-bit words.
pub(super) fn modulus() -> CiphertextModulus<u64> {
    CiphertextModulus::new_native()
}

/// Dimension of the key that sums are switched to before bootstrapping.
pub(super) fn small() -> LweDimension {
    LweDimension(PARAMETER_SET.lwe_dimension)
}

/// Dimension of the key that bootstrapping's results are under.
pub(super) fn large() -> LweDimension {
    LweDimension(PARAMETER_SET.polynomial_size)
}

pub(super) fn degree() -> PolynomialSize {
    PolynomialSize(PARAMETER_SET.polynomial_size)
}

pub(super) fn small_noise() -> Gaussian<f64> {
    Gaussian::from_dispersion_parameter(StandardDev(PARAMETER_SET.lwe_std), 0.0)
}

pub(super) fn large_noise() -> Gaussian<f64> {
    Gaussian::from_dispersion_parameter(StandardDev(PARAMETER_SET.glwe_std), 0.0)
}

pub(super) fn bootstrap_decomposition(p: &Parameters) -> (DecompositionBaseLog, DecompositionLevelCount) {
    (DecompositionBaseLog(p.base_log), DecompositionLevelCount(p.levels))
}

pub(super) fn switch_decomposition() -> (DecompositionBaseLog, DecompositionLevelCount) {
    (DecompositionBaseLog(PARAMETER_SET.switch_base_log), DecompositionLevelCount(PARAMETER_SET.switch_levels))
}

/// The seeds of all generators of the `tfhe` crate, drawn from our source of randomness. Its own
/// would be an instruction of the processor, which the lint `disallowed_methods` keeps away.
pub(super) struct Seeds(pub(super) SecretRng);

impl Seeder for Seeds {
    fn seed(&mut self) -> Seed {
        Seed(self.0.seed())
    }

    fn is_available() -> bool {
        true
    }
}

/// The point of the torus that `value` of `2 * slots` is.
pub(super) fn point(value: i64, slots: u64) -> u64 {
    // Exact up to the last bit; slots are below 2^37, so that nothing overflows.
    ((i128::from(value) << 63).div_euclid(i128::from(slots.max(1)))) as u64
}

/// Refuses parameters that are not known to be secure.
pub(super) fn check(parameters: &Parameters) -> Result<()> {
    parameters.known()?;
    Ok(())
}
