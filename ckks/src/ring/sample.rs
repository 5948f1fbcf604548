//! Random ring elements: ternary and centred binomial from ChaCha20, public uniform ones from AES in counter mode. Must
//! never draw a secret and a public element from the same stream.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes256, Block};
use rand::rngs::SysRng;
use rand::{Rng, SeedableRng, TryRng};
use rand_chacha::ChaCha20Rng;
use zeroize::{Zeroize, Zeroizing};

use crate::ring::modulus::Modulus;
use crate::{Error, Result};

/// Variance of the error: a centred binomial with 21 coins a side (standard deviation 3.24), the default of SEAL.
pub const ERROR_VARIANCE: f64 = 10.5;
/// Variance of a ternary secret's coefficients, uniform over -1, 0, 1.
pub const SECRET_VARIANCE: f64 = 2.0 / 3.0;

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
    /// Seeded by the operating system.
    pub fn from_os() -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        SysRng.try_fill_bytes(seed.as_mut()).map_err(|e| Error::Randomness(e.to_string()))?;
        Ok(Self(ChaCha20Rng::from_seed(*seed)))
    }

    /// INSECURE: the same seed gives the same keys and the same noise. For tests and for reproducing figures. Sources
    /// for different purposes (the first 24 bytes count) are independent.
    pub fn insecure(seed: u64, purpose: &str) -> Self {
        let mut full = [0; 32];
        for (to, from) in full.iter_mut().zip(seed.to_le_bytes().into_iter().chain(purpose.bytes())) {
            *to = from;
        }
        Self(ChaCha20Rng::from_seed(full))
    }

    /// A number uniform between -1 and 1.
    pub fn symmetric(&mut self) -> f64 {
        // 53 bits fill the mantissa.
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// A seed that may be published.
    pub fn public_seed(&mut self) -> PublicSeed {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }

    /// Independent sources for many parallel tasks.
    pub fn split(&mut self) -> SecretRngs {
        let mut seed = Zeroizing::new([0; 32]);
        self.0.fill_bytes(seed.as_mut());
        SecretRngs(seed)
    }

    /// Adds one error sample to every coefficient.
    pub(crate) fn add_error(&mut self, coefficients: &mut [i64]) {
        let mut words = Zeroizing::new(vec![0_u8; coefficients.len() * 8]);
        self.0.fill_bytes(&mut words);
        for (c, bytes) in coefficients.iter_mut().zip(words.as_chunks::<8>().0) {
            let w = u64::from_le_bytes(*bytes);
            let mask = (1 << 21) - 1;
            *c += i64::from((w & mask).count_ones()) - i64::from((w >> 21 & mask).count_ones());
        }
    }

    /// `n` coefficients uniform over -1, 0, 1.
    pub(crate) fn ternary(&mut self, n: usize) -> Zeroizing<Vec<i64>> {
        let mut out = Zeroizing::new(Vec::with_capacity(n));
        while out.len() < n {
            let mut word = self.0.next_u64();
            for _ in 0..32 {
                let two = word & 3;
                word >>= 2;
                // Four equally likely values; one is thrown away.
                if two < 3 && out.len() < n {
                    out.push(two.cast_signed() - 1);
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
    /// Source number `index`: a stream of its own under the common key.
    pub fn get(&self, index: u64) -> SecretRng {
        let mut rng = ChaCha20Rng::from_seed(*self.0);
        rng.set_stream(index);
        SecretRng(rng)
    }
}

/// The uniform elements that a public seed stands for: AES-256 in counter mode with the seed as its key, as FrodoKEM
/// expands its matrix. Any slot can be had without those before it. The same on every machine: part of the file format.
pub(crate) struct Uniform(Aes256);

impl Uniform {
    pub(crate) fn new(seed: &PublicSeed) -> Self {
        Self(Aes256::new(seed.into()))
    }

    /// Fills `out` with slots `first..` (an even number) of element `index`, limb `limb`.
    pub(crate) fn fill(&self, q: Modulus, (index, limb): (u64, usize), first: usize, out: &mut [u64]) {
        for (part, out) in out.chunks_mut(2 * PARALLEL).enumerate() {
            let first = first + part * 2 * PARALLEL;
            let mut blocks = [[0; BLOCK]; PARALLEL];
            let blocks = blocks.get_mut(..out.len().div_ceil(2)).unwrap_or_default();
            count(index, limb, first, blocks);
            self.0.encrypt_blocks(Block::cast_slice_from_core_mut(blocks));
            self.take(q, (index, limb), first, blocks, out);
        }
    }

    /// The same tile of slots `first..` of several elements: fills `tiles`, one after the other.
    pub(crate) fn fill_tiles<const SLOTS: usize>(
        &self,
        q: Modulus,
        (indices, limb): (&[u64], usize),
        first: usize,
        tiles: &mut [[u64; SLOTS]],
    ) {
        let each = SLOTS / 2;
        let at_once = (PARALLEL / each).max(1);
        for (indices, tiles) in indices.chunks(at_once).zip(tiles.chunks_mut(at_once)) {
            let mut blocks = [[0; BLOCK]; PARALLEL];
            for (&index, blocks) in indices.iter().zip(blocks.chunks_exact_mut(each)) {
                count(index, limb, first, blocks);
            }
            self.0.encrypt_blocks(Block::cast_slice_from_core_mut(&mut blocks));
            for ((&index, blocks), tile) in indices.iter().zip(blocks.chunks_exact(each)).zip(tiles) {
                self.take(q, (index, limb), first, blocks, tile);
            }
        }
    }

    /// As many bits of each word as q has.
    fn take(&self, q: Modulus, place: (u64, usize), first: usize, blocks: &[[u8; BLOCK]], out: &mut [u64]) {
        let (mask, last) = ((1_u64 << q.bits()) - 1, q.value() - 1);
        let mut beyond = 0;
        for (v, word) in out.iter_mut().zip(blocks.as_flattened().as_chunks().0) {
            *v = u64::from_le_bytes(*word) & mask;
            // The top bit tells whether q is reached; comparing takes longer on vectors.
            beyond |= last.wrapping_sub(*v);
        }
        if beyond >> 63 != 0 {
            self.replace(q, place, first, out);
        }
    }

    /// Draws again what is not below q, which keeps it exactly uniform.
    #[cold]
    fn replace(&self, q: Modulus, (index, limb): (u64, usize), first: usize, out: &mut [u64]) {
        let mask = (1_u64 << q.bits()) - 1;
        for (slot, v) in (first..).zip(out) {
            let mut attempt = 0;
            while *v >= q.value() {
                attempt += 1;
                let mut block = counter(index, limb, slot / 2, attempt).into();
                self.0.encrypt_block(&mut block);
                let [even, odd] = words(&block);
                *v = if slot % 2 == 0 { even } else { odd } & mask;
            }
        }
    }
}

/// Bytes of a block.
const BLOCK: usize = 16;
/// Blocks encrypted at once: as many as the widest AES units take together.
const PARALLEL: usize = 64;

/// The first draws of the slots from `first` on.
fn count(index: u64, limb: usize, first: usize, blocks: &mut [[u8; BLOCK]]) {
    for (block, pair) in blocks.iter_mut().zip(first / 2..) {
        *block = counter(index, limb, pair, 0);
    }
}

/// Index, limb, attempt, and the number of the pair of slots: no two draws share one.
fn counter(index: u64, limb: usize, pair: usize, attempt: u16) -> [u8; BLOCK] {
    let place = (limb as u128) << 64 | u128::from(attempt) << 80 | (pair as u128) << 96;
    (u128::from(index) | place).to_le_bytes()
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
    fn secrets_are_ternary_and_balanced() {
        let s = SecretRng::insecure(2, "test").ternary(30_000);
        for value in -1..=1 {
            let count = s.iter().filter(|&&v| v == value).count() as f64;
            assert!((count - 10_000.0).abs() < 5.0 * (30_000.0 * 2.0 / 9.0_f64).sqrt());
        }
        assert_eq!(s.len(), 30_000);
    }

    #[test]
    fn uniform_elements_differ_by_index_and_repeat_by_seed() {
        let q = Modulus::new(1_099_511_480_321);
        let draw = |seed: u8, index| {
            let mut out = vec![0; 2000];
            Uniform::new(&[seed; 32]).fill(q, (index, 0), 0, &mut out);
            out
        };
        let mut later = vec![0; 40];
        Uniform::new(&[1; 32]).fill(q, (5, 0), 96, &mut later);
        assert_eq!(later, draw(1, 5)[96..136], "any slot can be had alone");
        let mut other = vec![0; 2000];
        Uniform::new(&[1; 32]).fill(q, (5, 1), 0, &mut other);
        assert_ne!(other, draw(1, 5), "limbs differ");
        assert_eq!(draw(1, 5), draw(1, 5));
        assert_ne!(draw(1, 5), draw(1, 6));
        assert_ne!(draw(1, 5), draw(2, 5));
        let mean = draw(1, 5).iter().map(|&v| v as f64).sum::<f64>() / 2000.0 / q.value() as f64;
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * 2000.0_f64).sqrt());
    }

    /// A prime little above a power of two refuses nearly half of what is drawn.
    #[test]
    fn refused_draws_leave_it_uniform() {
        let q = Modulus::new(1_048_583);
        let mut out = vec![0; 20_000];
        Uniform::new(&[3; 32]).fill(q, (0, 0), 0, &mut out);
        assert!(out.iter().all(|&v| v < q.value()));
        let below = out.iter().filter(|&&v| v < q.value() / 2).count() as f64;
        assert!((below - 10_000.0).abs() < 5.0 * 5_000.0_f64.sqrt(), "{below}");
    }

    /// Counter 0 under an all-zero key: the first block of AES-256, as published with the cipher's test vectors.
    #[test]
    fn the_stream_is_the_standard_cipher() {
        let q = Modulus::new((1 << 50) - 27);
        let mut out = vec![0; 2];
        Uniform::new(&[0; 32]).fill(q, (0, 0), 0, &mut out);
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
