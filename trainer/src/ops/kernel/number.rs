//! The numbers that products are made of.

use std::borrow::Cow;
use std::fmt::Debug;

use half::bf16;

#[cfg(target_arch = "x86_64")]
use super::bfloat16;

/// A number that products are made of; their sums are always `f32`.
pub(in super::super) trait Number: Copy + Debug + Default + PartialEq + Send + Sync + 'static {
    /// So many adjacent elements of a row are multiplied and added by one instruction: rows of
    /// images consist of whole groups, and lines of panels are interleaved, that many at a time.
    const GROUP: usize;

    /// The nearest such number, ties to even.
    fn rounded(v: f32) -> Self;

    /// As [`Self::rounded`] for each number; what is smaller than any with a full exponent may
    /// become 0.
    fn round(numbers: &[f32]) -> Cow<'_, [Self]>;

    /// What it stands for, exactly.
    fn value(self) -> f32;
}

impl Number for f32 {
    const GROUP: usize = 1;

    fn rounded(v: f32) -> Self {
        v
    }

    fn round(numbers: &[f32]) -> Cow<'_, [Self]> {
        Cow::Borrowed(numbers)
    }

    fn value(self) -> f32 {
        self
    }
}

impl Number for bf16 {
    const GROUP: usize = 2;

    fn rounded(v: f32) -> Self {
        Self::from_f32(v)
    }

    fn round(numbers: &[f32]) -> Cow<'_, [Self]> {
        let mut rounded = vec![Self::default(); numbers.len()];
        #[cfg(target_arch = "x86_64")]
        if let Some(instructions) = bfloat16::Instructions::detect() {
            instructions.round(numbers, &mut rounded);
            return Cow::Owned(rounded);
        }
        rounded.iter_mut().zip(numbers).for_each(|(to, from)| *to = Self::from_f32(*from));
        Cow::Owned(rounded)
    }

    fn value(self) -> f32 {
        self.to_f32()
    }
}
