//! Random ring elements: secret ones (ternary, centred binomial) from ChaCha20, public uniform ones
//! from AES in counter mode, so that no stream serves both.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes256, Block};
use beaa_secrets::Locked;
use rand::rngs::SysRng;
use rand::{Rng, SeedableRng, TryRng};
use rand_chacha::ChaCha20Rng;
use zeroize::{Zeroize, Zeroizing};

#[cfg(target_arch = "x86_64")]
use crate::kernel::ifma::{Vbmi, unpack::mask_words};
use crate::ring::modulus::Modulus;
use crate::{Error, Result};

/// Variance of the error: a centred binomial with 21 coins a side (standard deviation 3.24), the
/// default of SEAL.
pub(crate) const ERROR_VARIANCE: f64 = 10.5;
/// The largest absolute value of an error.
pub(crate) const LARGEST_ERROR: u64 = 21;
/// Variance of a ternary secret's coefficients, uniform over -1, 0, 1.
pub(crate) const SECRET_VARIANCE: f64 = 2.0 / 3.0;

/// Random words drawn at once.
const WORDS: usize = 128;

/// The seed of a public uniform element or of a family of them.
pub type PublicSeed = [u8; 32];

/// A source of secret randomness.
pub struct SecretRng(ChaCha20Rng);

impl std::fmt::Debug for SecretRng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretRng(..)")
    }
}

impl SecretRng {
    /// Makes a source seeded by the operating system.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn from_os() -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        SysRng.try_fill_bytes(seed.as_mut()).map_err(|e| Error::Randomness(e.to_string()))?;
        Ok(Self(ChaCha20Rng::from_seed(*seed)))
    }

    /// Makes an INSECURE source: the same seed gives the same keys and the same noise. For tests
    /// and for reproducing figures. Sources for different purposes (the first 24 bytes count) are
    /// independent.
    pub fn insecure(seed: u64, purpose: &str) -> Self {
        let mut full = [0; 32];
        for (to, from) in full.iter_mut().zip(seed.to_le_bytes().into_iter().chain(purpose.bytes())) {
            *to = from;
        }
        Self(ChaCha20Rng::from_seed(full))
    }

    /// Makes an INSECURE source of 32 bytes that somebody may know, as [`Self::insecure`] does.
    pub fn insecure_of(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Draws a number of the normal distribution of mean 0 and variance 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        // Both in steps of 2^-53; never 0, so that the logarithm is finite.
        let unit = |bits: u64| ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        let (radius, angle) = (unit(self.0.next_u64()), unit(self.0.next_u64()));
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// Draws a whole number from 0 to below `bound`, each as likely as any other.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "a number below 0");
        let bound = bound as u64;
        // The largest multiple of the bound; what is above it would favour small numbers.
        let even = u64::MAX - u64::MAX % bound;
        loop {
            let drawn = self.0.next_u64();
            if drawn < even {
                return (drawn % bound) as usize;
            }
        }
    }

    /// Draws a seed that may be published.
    pub fn public_seed(&mut self) -> PublicSeed {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }

    /// Draws a family of independent sources, for parallel tasks.
    pub fn split(&mut self) -> SecretRngs {
        let mut seed = Zeroizing::new([0; 32]);
        self.0.fill_bytes(seed.as_mut());
        SecretRngs(seed)
    }

    /// Adds one error sample to every coefficient.
    pub(crate) fn add_error(&mut self, coefficients: &mut [i64]) {
        let mut words = Zeroizing::new([0_u8; 8 * WORDS]);
        for coefficients in coefficients.chunks_mut(WORDS) {
            let bytes = &mut words[..8 * coefficients.len()];
            self.0.fill_bytes(bytes);
            for (c, word) in coefficients.iter_mut().zip(bytes.as_chunks::<8>().0) {
                // Heads of 21 coins and tails of 21 others, less 21: the first less the second.
                let coins = (u64::from_le_bytes(*word) ^ ((1 << 21) - 1) << 21) & ((1 << 42) - 1);
                *c += i64::from(coins.count_ones()) - 21;
            }
        }
    }

    /// Draws `n` secret bits, each as likely 0 as 1.
    pub fn bits(&mut self, n: usize) -> Locked<u64> {
        let mut out = Locked::zeroed(n);
        for bits in out.chunks_mut(64) {
            let mut word = self.0.next_u64();
            for (shift, bit) in bits.iter_mut().enumerate() {
                *bit = word >> shift & 1;
            }
            word.zeroize();
        }
        out
    }

    /// Draws a number of 128 bits: the seed of another generator.
    pub fn seed(&mut self) -> u128 {
        let mut bytes = Zeroizing::new([0; 16]);
        self.0.fill_bytes(bytes.as_mut());
        u128::from_le_bytes(*bytes)
    }

    /// `n` coefficients uniform over -1, 0, 1.
    pub(crate) fn ternary(&mut self, n: usize) -> Locked<i8> {
        let mut out = Locked::zeroed(n);
        let mut drawn = 0;
        while drawn < n {
            let mut word = self.0.next_u64();
            for _ in 0..32 {
                let two = word & 3;
                word >>= 2;
                // Four equally likely values; one is thrown away.
                if two < 3 && drawn < n {
                    out[drawn] = two as i8 - 1;
                    drawn += 1;
                }
            }
            word.zeroize();
        }
        out
    }
}

/// Sources of secret randomness by number; the same number gives the same source.
pub struct SecretRngs(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for SecretRngs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretRngs(..)")
    }
}

impl SecretRngs {
    /// Returns source number `index`: a separate stream under the common key.
    pub fn get(&self, index: u64) -> SecretRng {
        let mut rng = ChaCha20Rng::from_seed(*self.0);
        rng.set_stream(index);
        SecretRng(rng)
    }
}

/// The uniform elements that a public seed stands for: AES-256 in counter mode with the seed as its
/// key, as FrodoKEM expands its matrix. Any slot can be had without those before it. The same on
/// every machine: part of the file format.
pub(crate) struct Uniform {
    cipher: Aes256,
    /// Where the processor takes bits of eight words at a time.
    #[cfg(target_arch = "x86_64")]
    wide: Option<Vbmi>,
}

impl Uniform {
    pub(crate) fn new(seed: &PublicSeed) -> Self {
        Self {
            cipher: Aes256::new(seed.into()),
            #[cfg(target_arch = "x86_64")]
            wide: Vbmi::try_new(),
        }
    }

    /// Fills `out` with the slots from the given one on of element `index`.
    pub(crate) fn fill(&self, slots: LimbSlots, index: u64, out: &mut [u64]) {
        for (part, out) in out.chunks_mut(2 * PARALLEL).enumerate() {
            let slots = LimbSlots { first: slots.first + part * 2 * PARALLEL, ..slots };
            let mut blocks = [[0; BLOCK]; PARALLEL];
            let blocks = &mut blocks[..out.len().div_ceil(2)];
            slots.count(index, blocks);
            self.cipher.encrypt_blocks(Block::cast_slice_from_core_mut(blocks));
            self.extract(slots, index, blocks, out);
        }
    }

    /// Fills a tile of `slots_of_tile` slots for each of several elements, all with the same slots:
    /// that of element `index` begins at `start(index)` in `out`.
    pub(crate) fn fill_tiles(
        &self,
        slots: LimbSlots,
        slots_of_tile: usize,
        indices: &[u64],
        out: &mut [u64],
        start: impl Fn(u64) -> usize,
    ) {
        let blocks_of_tile = slots_of_tile / 2;
        let mut blocks = [[0; BLOCK]; PARALLEL];
        for indices in indices.chunks((PARALLEL / blocks_of_tile).max(1)) {
            let blocks = &mut blocks[..indices.len() * blocks_of_tile];
            for (&index, blocks) in indices.iter().zip(blocks.chunks_exact_mut(blocks_of_tile)) {
                slots.count(index, blocks);
            }
            self.cipher.encrypt_blocks(Block::cast_slice_from_core_mut(blocks));
            for (&index, blocks) in indices.iter().zip(blocks.chunks_exact(blocks_of_tile)) {
                let start = start(index);
                self.extract(slots, index, blocks, &mut out[start..start + slots_of_tile]);
            }
        }
    }

    /// As many bits of each word as q has.
    fn extract(&self, slots: LimbSlots, index: u64, blocks: &[[u8; BLOCK]], out: &mut [u64]) {
        assert!(out.len() <= 2 * blocks.len(), "{} slots from {} blocks", out.len(), blocks.len());
        let words = &blocks.as_flattened().as_chunks().0[..out.len()];
        if self.take_bits(words, (1 << slots.modulus.bits()) - 1, out) >= slots.modulus.value() {
            self.replace(slots, index, out);
        }
    }

    /// The bits of `mask` of each word; returns the largest number.
    fn take_bits(&self, words: &[[u8; 8]], mask: u64, out: &mut [u64]) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.wide {
            return mask_words(token, words, mask, out);
        }
        for (v, word) in out.iter_mut().zip(words) {
            *v = u64::from_le_bytes(*word) & mask;
        }
        out.iter().fold(0, |most, &v| most.max(v))
    }

    /// Draws again what is not below q, which keeps it exactly uniform.
    #[cold]
    fn replace(&self, slots: LimbSlots, index: u64, out: &mut [u64]) {
        let q = slots.modulus;
        let mask = (1_u64 << q.bits()) - 1;
        for (slot, v) in (slots.first..).zip(out) {
            let mut attempt = 0;
            while *v >= q.value() {
                attempt += 1;
                let mut block = counter(index, slots.limb, slot / 2, attempt).into();
                self.cipher.encrypt_block(&mut block);
                let [even, odd] = words(&block);
                *v = if slot % 2 == 0 { even } else { odd } & mask;
            }
        }
    }
}

/// Where in an element something is: from an even slot on, in one limb.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LimbSlots {
    pub(crate) modulus: Modulus,
    pub(crate) limb: usize,
    pub(crate) first: usize,
}

impl LimbSlots {
    /// The counters of the first draws of element `index`.
    fn count(self, index: u64, blocks: &mut [[u8; BLOCK]]) {
        for (block, pair) in blocks.iter_mut().zip(self.first / 2..) {
            *block = counter(index, self.limb, pair, 0);
        }
    }
}

/// Bytes of a block.
const BLOCK: usize = 16;
/// Blocks encrypted at once: as many as the widest AES units take together.
const PARALLEL: usize = 64;

/// Index, limb, attempt, and the number of the pair of slots: no two draws share one.
fn counter(index: u64, limb: usize, pair: usize, attempt: u16) -> [u8; BLOCK] {
    let position = (limb as u128) << 64 | u128::from(attempt) << 80 | (pair as u128) << 96;
    (u128::from(index) | position).to_le_bytes()
}

fn words(block: &Block) -> [u64; 2] {
    let both = u128::from_le_bytes((*block).into());
    [both as u64, (both >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_stated_variance_and_no_bias() {
        let mut samples = vec![0; 1 << 16];
        SecretRng::insecure(1, "test").add_error(&mut samples);
        let n = samples.len() as f64;
        let mean = samples.iter().sum::<i64>() as f64 / n;
        let variance = samples.iter().map(|v| (v * v) as f64).sum::<f64>() / n;
        // Five standard deviations of the estimates.
        assert!(mean.abs() < 5.0 * (ERROR_VARIANCE / n).sqrt(), "{mean}");
        assert!((variance / ERROR_VARIANCE - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{variance}");
        assert!(samples.iter().all(|v| v.abs() <= 21));
    }

    #[test]
    fn errors_are_heads_of_one_half_of_the_coins_less_those_of_the_other() {
        let mut samples = vec![1000; 300];
        SecretRng::insecure(1, "test").add_error(&mut samples);
        let mut words = vec![0; 300 * 8];
        SecretRng::insecure(1, "test").0.fill_bytes(&mut words);
        for (sample, word) in samples.iter().zip(words.as_chunks::<8>().0) {
            let heads = |from: usize| (from..from + 21).filter(|i| word[i / 8] >> (i % 8) & 1 == 1).count() as i64;
            assert_eq!(*sample, 1000 + heads(0) - heads(21));
        }
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_distribution() {
        let mut rng = SecretRng::insecure(3, "test");
        let numbers: Vec<f64> = (0..1 << 16).map(|_| rng.normal()).collect();
        let moment = |k: i32| numbers.iter().map(|v| v.powi(k)).sum::<f64>() / numbers.len() as f64;
        // Five standard deviations of the estimates: 1, 2, 15 and 96 over the number.
        for (k, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0_f64)] {
            assert!((moment(k) - expected).abs() < 5.0 * (variance / numbers.len() as f64).sqrt(), "{k}");
        }
    }

    #[test]
    fn numbers_below_a_bound_are_as_likely_as_any_other() {
        let mut rng = SecretRng::insecure(4, "test");
        let mut counts = [0_u32; 7];
        (0..70_000).for_each(|_| counts[rng.below(7)] += 1);
        assert!(counts.iter().all(|&c| (f64::from(c) - 10_000.0).abs() < 5.0 * 10_000_f64.sqrt()), "{counts:?}");
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn secrets_are_ternary_and_balanced() {
        let s = SecretRng::insecure(2, "test").ternary(30_000);
        for value in -1..=1 {
            let count = s.iter().filter(|&&v| v == value).count() as f64;
            assert!((count - 10_000.0).abs() < 5.0 * (30_000.0 * 2.0 / 9.0_f64).sqrt());
        }
        assert_eq!(s.len(), 30_000);
    }

    #[test]
    fn bits_are_balanced_and_seeds_differ() {
        let mut rng = SecretRng::insecure(5, "test");
        let bits = rng.bits(30_001);
        let ones = bits.iter().sum::<u64>() as f64;
        assert!(bits.iter().all(|&b| b < 2) && (ones - 15_000.5).abs() < 5.0 * (30_001.0 / 4.0_f64).sqrt(), "{ones}");
        assert_ne!(rng.seed(), rng.seed());
    }

    #[test]
    fn uniform_elements_differ_by_index_and_repeat_by_seed() {
        let q = Modulus::new(1_099_511_480_321);
        let draw = |seed: u8, index| {
            let mut out = vec![0; 2000];
            Uniform::new(&[seed; 32]).fill(LimbSlots { modulus: q, limb: 0, first: 0 }, index, &mut out);
            out
        };
        let mut later = vec![0; 40];
        Uniform::new(&[1; 32]).fill(LimbSlots { modulus: q, limb: 0, first: 96 }, 5, &mut later);
        assert_eq!(later, draw(1, 5)[96..136], "any slot can be had without the others");
        let mut other = vec![0; 2000];
        Uniform::new(&[1; 32]).fill(LimbSlots { modulus: q, limb: 1, first: 0 }, 5, &mut other);
        assert_ne!(other, draw(1, 5), "limbs differ");
        assert_eq!(draw(1, 5), draw(1, 5));
        assert_ne!(draw(1, 5), draw(1, 6));
        assert_ne!(draw(1, 5), draw(2, 5));
        let mean = draw(1, 5).iter().map(|&v| v as f64).sum::<f64>() / 2000.0 / q.value() as f64;
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * 2000.0_f64).sqrt());
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn wide_and_narrow_paths_draw_the_same() {
        for q in [1_048_583, 1_099_511_480_321] {
            for len in [1, 7, 8, 9, 64, 2000] {
                let draw = |uniform: Uniform| {
                    let mut out = vec![0; len];
                    uniform.fill(LimbSlots { modulus: Modulus::new(q), limb: 1, first: 4 }, 3, &mut out);
                    out
                };
                let narrow = Uniform { wide: None, ..Uniform::new(&[9; 32]) };
                assert_eq!(draw(Uniform::new(&[9; 32])), draw(narrow), "{len} modulo {q}");
            }
        }
    }

    /// A prime little above a power of two refuses nearly half of what is drawn.
    #[test]
    fn refused_draws_leave_it_uniform() {
        let q = Modulus::new(1_048_583);
        let mut out = vec![0; 20_000];
        Uniform::new(&[3; 32]).fill(LimbSlots { modulus: q, limb: 0, first: 0 }, 0, &mut out);
        assert!(out.iter().all(|&v| v < q.value()));
        let below = out.iter().filter(|&&v| v < q.value() / 2).count() as f64;
        assert!((below - 10_000.0).abs() < 5.0 * 5_000.0_f64.sqrt(), "{below}");
    }

    /// Counter 0 under an all-zero key: the first block of AES-256, as published with the cipher's
    /// test vectors.
    #[test]
    fn the_stream_is_the_standard_cipher() {
        let q = Modulus::new((1 << 50) - 27);
        let mut out = vec![0; 2];
        Uniform::new(&[0; 32]).fill(LimbSlots { modulus: q, limb: 0, first: 0 }, 0, &mut out);
        let block = 0xdc95_c078_a240_8989_ad48_a214_9284_2087_u128.to_be_bytes();
        let mask = (1 << 50) - 1;
        let expected: Vec<u64> = block.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b) & mask).collect();
        assert_eq!(out, expected);
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", SecretRng::insecure(3, "test")), "SecretRng(..)");
    }
}
