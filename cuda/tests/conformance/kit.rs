//! Parameters of chosen primes, random residues, and the devices to test.

use beaa_ckks::{Batch, Parameters, ParametersLiteral, primes};
use beaa_cuda::{Device as _, DeviceValue, Ring, operations};
use beaa_cuda_shim::{TestDevice, TestMemory};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// All degrees that the toolchain offers.
pub(crate) const DEGREES: [usize; 5] = beaa_ckks::security::DEGREES;

/// The devices to test: the shim in every order of threads, or a card.
pub(crate) fn devices() -> Vec<TestDevice> {
    beaa_cuda_shim::devices().unwrap_or_else(|e| panic!("{e}"))
}

/// One of the devices, another one for each number.
pub(crate) fn device(number: usize) -> TestDevice {
    let mut all = devices();
    let count = all.len();
    all.swap_remove(number % count)
}

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A prime of each of these widths, and special ones of these.
pub(crate) fn parameters(degree: usize, widths: &[u32], special: &[u32]) -> Parameters {
    let mut moduli: Vec<u64> = Vec::new();
    for &bits in widths.iter().chain(special) {
        moduli.extend(primes::ntt_primes(degree, bits, 1, &moduli).unwrap());
    }
    let special = moduli.split_off(widths.len());
    Parameters::without_security(ParametersLiteral { degree, moduli, special, security: 128 }).unwrap()
}

/// A prime of every width that has one at this degree.
pub(crate) fn every_width(degree: usize) -> Parameters {
    let has_one = |bits: &u32| primes::ntt_primes(degree, *bits, 1, &[]).is_ok();
    let widths: Vec<u32> = (primes::MIN_BITS..=primes::MAX_BITS).filter(has_one).collect();
    assert!(widths.len() > 25, "{} widths at degree {degree}", widths.len());
    parameters(degree, &widths, &[])
}

/// Residues of which some are the largest and some are zero.
pub(crate) fn fill(q: u64, rng: &mut ChaCha8Rng, out: &mut [u64]) {
    out.fill_with(|| match rng.random_range(0..16) {
        0 => 0,
        1 => q - 1,
        2 => q / 2,
        3 => q / 2 + 1,
        _ => rng.random_range(0..q),
    });
}

/// Ciphertexts of random residues.
pub(crate) fn random(p: &Parameters, limbs: usize, components: usize, len: usize, seed: u64) -> Batch {
    let moduli: Vec<u64> = p.moduli(limbs).map(|q| q.value()).collect();
    Batch::build(p, limbs, components, len, |element, out| {
        let mut rng = rng(seed + 1000 * element as u64);
        for (i, polynomial) in out.chunks_mut(p.degree()).enumerate() {
            fill(moduli[i % limbs], &mut rng, polynomial);
        }
        Ok(())
    })
    .unwrap()
}

/// Ciphertexts in memory of the ring's device.
pub(crate) fn upload(ring: &Ring<'_, TestDevice>, batch: &Batch) -> DeviceValue<TestMemory> {
    operations::upload(ring, batch).unwrap()
}

/// Stops unless a value holds what the processor computed.
pub(crate) fn same(ring: &Ring<'_, TestDevice>, value: &DeviceValue<TestMemory>, expected: &Batch, what: &str) {
    let found = operations::download(ring, value).unwrap();
    assert!(found == *expected, "{what}: other residues than those of the engine");
}

/// The words of memory.
pub(crate) fn words(device: &TestDevice, memory: &TestMemory) -> Vec<u64> {
    device.download(memory).unwrap()
}
