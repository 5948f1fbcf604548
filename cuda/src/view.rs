//! Polynomials in memory of a device, as kernels see them.

use crate::{Argument, Memory};

/// Polynomials in memory: number `item` of `limb` begins at word
/// `offset + limb * limb_stride + item * item_stride`.
#[derive(Debug)]
pub struct View<'m, M> {
    /// Where they lie.
    pub memory: &'m M,
    /// Where the first one begins.
    pub offset: usize,
    /// Words from a limb to the next.
    pub limb_stride: usize,
    /// Words from an item to the next.
    pub item_stride: usize,
}

impl<M> Clone for View<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for View<'_, M> {}

/// How many polynomials a kernel sees, and the words of each item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) limbs: usize,
    pub(crate) items: usize,
    pub(crate) words: usize,
}

impl<'m, M: Memory> View<'m, M> {
    /// Polynomials of `degree` words without gaps, `[limb][item][N]`.
    pub fn dense(memory: &'m M, items: usize, degree: usize) -> Self {
        Self { memory, offset: 0, limb_stride: items * degree, item_stride: degree }
    }

    /// The view that begins so many words later.
    #[must_use]
    pub fn after(self, words: usize) -> Self {
        Self { offset: self.offset + words, ..self }
    }

    /// The argument of a kernel that sees `extent`; stops if that is not all within memory.
    pub(crate) fn argument(self, extent: Extent) -> Argument {
        let Extent { limbs, items, words } = extent;
        assert!(limbs > 0 && items > 0, "{limbs} limbs of {items} items");
        let last = self.offset + (limbs - 1) * self.limb_stride + (items - 1) * self.item_stride;
        let available = self.memory.words();
        assert!(last + words <= available, "{extent:?} end at word {}, there are {available}", last + words);
        let start = self.memory.address() + (self.offset * size_of::<u64>()) as u64;
        Argument::new([start, self.limb_stride as u64, self.item_stride as u64])
    }
}
