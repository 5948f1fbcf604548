//! The evaluation key on a device.

use beaa_ckks::EvaluationKey;

use crate::{Device, Ring};

/// An evaluation key in memory of a device: `[digit][prime][half][N]`. Holds no secret.
#[derive(Debug)]
pub struct DeviceKey<M> {
    pub(crate) memory: M,
}

impl<M> DeviceKey<M> {
    /// Copies a key to the device of its ring.
    ///
    /// # Errors
    /// When the key belongs to other parameters, or the device fails.
    pub fn new<D: Device<Memory = M>>(ring: &Ring<'_, D>, key: &EvaluationKey) -> beaa_runtime::Result<Self> {
        // What binds a key on the processor refuses one of other parameters.
        beaa_ckks::KeySwitcher::new(&ring.parameters, key)?;
        let mut words = Vec::with_capacity(ring.parameters.max_limbs() * digit_words(ring));
        for digit in 0..ring.parameters.max_limbs() {
            for prime in 0..ring.primes.len() {
                words.extend(key.halves(digit, prime).into_iter().flatten());
            }
        }
        Ok(Self { memory: ring.device.upload(&words)? })
    }
}

/// Words of a digit.
pub(crate) fn digit_words<D: Device>(ring: &Ring<'_, D>) -> usize {
    2 * ring.primes.len() * ring.degree()
}
