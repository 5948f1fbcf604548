//! Switching keys on a device: the evaluation key, and those of rotations.

use std::collections::BTreeMap;

use beaa_ckks::{EvaluationKey, GaloisKeys, KeySwitcher, KeyedRotation, Rotator};

use crate::{Argument, Device, Limbs, Memory, Ring, words};

/// A switching key in memory of a device, the evaluation key for example. Holds no secret.
#[derive(Debug)]
pub struct DeviceKey<M> {
    /// `[digit][prime][half][N]`, the special primes last.
    memory: M,
    limbs: usize,
    digits: usize,
    /// Words of a digit.
    digit: usize,
}

/// Keys of rotations in memory of a device, by slots. They hold no secret.
#[derive(Debug)]
pub struct DeviceGaloisKeys<M>(BTreeMap<usize, DeviceGaloisKey<M>>);

/// The key of a rotation.
#[derive(Debug)]
pub(crate) struct DeviceGaloisKey<M> {
    pub(crate) key: DeviceKey<M>,
    /// What it does to values, `[prime][N]` numbers of 32 bits, the special primes last.
    sources: M,
}

impl<M: Memory> DeviceKey<M> {
    /// Copies an evaluation key to the device of its ring.
    ///
    /// # Errors
    /// When the key belongs to other parameters, or the device fails.
    pub fn new<D: Device<Memory = M>>(ring: &Ring<'_, D>, key: &EvaluationKey) -> beaa_runtime::Result<Self> {
        // What binds a key on the processor refuses one of other parameters.
        KeySwitcher::new(&ring.parameters, key)?;
        Ok(Self::of_halves(ring, ring.parameters.max_limbs(), |digit, prime| key.halves(digit, prime))?)
    }

    fn of_halves<'k, D: Device<Memory = M>>(
        ring: &Ring<'_, D>,
        limbs: usize,
        halves: impl Fn(usize, usize) -> [&'k [u64]; 2],
    ) -> crate::Result<Self> {
        let digit = 2 * ring.switching(limbs).count() * ring.degree();
        let digits = limbs.div_ceil(ring.digit_width());
        let mut words = Vec::with_capacity(digits * digit);
        for number in 0..digits {
            for prime in (0..limbs).chain(ring.special()) {
                words.extend(halves(number, prime).into_iter().flatten());
            }
        }
        Ok(Self { memory: ring.device.upload(&words)?, limbs, digits, digit })
    }

    /// Where a digit begins, and the entry of the first special prime: arguments of the kernel.
    /// `limbs` are those of what is switched.
    pub(crate) fn arguments(&self, digit: usize, limbs: Limbs) -> [Argument; 2] {
        assert!(limbs.ordinary <= self.limbs && digit < self.digits, "digit {digit} of {limbs:?}, of {}", self.limbs);
        let start = self.memory.address() + (digit * self.digit * size_of::<u64>()) as u64;
        [Argument::new([start]), Argument::new([self.limbs as u64])]
    }
}

impl<M: Memory> DeviceGaloisKeys<M> {
    /// Copies the keys of `needed` rotations to the device of their ring, for as many limbs as
    /// these say.
    ///
    /// # Errors
    /// When there is no such key, the keys belong to other parameters, or the device fails.
    pub fn new<D: Device<Memory = M>>(
        ring: &Ring<'_, D>,
        keys: &GaloisKeys,
        needed: &[KeyedRotation],
    ) -> beaa_runtime::Result<Self> {
        Rotator::new(&ring.parameters, keys)?;
        let mut all = BTreeMap::new();
        for rotation in needed {
            let found = keys.rotations().binary_search_by_key(&rotation.slots, |r| r.slots).ok();
            let number = found.filter(|&number| keys.rotations()[number].limbs >= rotation.limbs);
            let number = number.ok_or_else(|| missing(rotation.slots, rotation.limbs))?;
            let key = DeviceKey::of_halves(ring, rotation.limbs, |digit, prime| keys.halves(number, digit, prime))?;
            let primes = (0..rotation.limbs).chain(ring.special());
            let sources: Vec<u32> = primes.flat_map(|prime| keys.sources(number, prime)).collect();
            let sources = ring.device.upload(&words::pairs(sources.into_iter()))?;
            all.insert(rotation.slots, DeviceGaloisKey { key, sources });
        }
        Ok(Self(all))
    }

    /// The key of a rotation of what has so many limbs.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn key(&self, rotation: usize, limbs: usize) -> beaa_runtime::Result<&DeviceGaloisKey<M>> {
        let found = self.0.get(&rotation).filter(|key| key.key.limbs >= limbs);
        Ok(found.ok_or_else(|| missing(rotation, limbs))?)
    }
}

impl<M: Memory> DeviceGaloisKey<M> {
    /// Where its sources are, and the entry of the first special prime: arguments of the kernel.
    pub(crate) fn sources(&self) -> [Argument; 2] {
        [Argument::memory(&self.sources), Argument::new([self.key.limbs as u64])]
    }
}

pub(crate) fn missing(rotation: usize, limbs: usize) -> beaa_ckks::Error {
    beaa_ckks::Error::MissingGaloisKey { operation: "rotating on a graphics card", rotation, limbs }
}
