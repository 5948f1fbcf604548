//! Choices of a mutator, the same for the same seed everywhere.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers at which sizes, counts and conversions change their behaviour.
const BORDERS: [u64; 30] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    16,
    31,
    32,
    63,
    64,
    127,
    128,
    255,
    256,
    4095,
    4096,
    65_535,
    65_536,
    (1 << 24) + 1,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 40,
    (1 << 53) + 1,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// A stream of choices.
pub struct Choices(ChaCha8Rng);

impl Choices {
    /// The choices for one input of one reader.
    pub fn new(seed: u64, reader: &str, number: u64) -> Self {
        let mut hash = blake3::Hasher::new();
        hash.update(&seed.to_le_bytes());
        hash.update(&number.to_le_bytes());
        hash.update(reader.as_bytes());
        Self(ChaCha8Rng::from_seed(*hash.finalize().as_bytes()))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `n`, or 0 if there is none.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.bits() % n as u64) as usize }
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `items`, which are some.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A number that may be at a border of what is allowed: a border, one beside it, or `near` with
    /// a small change.
    pub fn number(&mut self, near: u64) -> u64 {
        match self.below(6) {
            0 => near.wrapping_add(1),
            1 => near.wrapping_sub(1),
            2 => near ^ (1 << self.below(64)),
            3 => self.pick(&BORDERS).wrapping_neg(),
            4 => self.bits() >> self.below(64),
            _ => *self.pick(&BORDERS),
        }
    }
}
