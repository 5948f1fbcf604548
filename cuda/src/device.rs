//! What runs kernels: something with memory of words, into which the processor copies and out of
//! which it copies back.

use crate::{Kernel, Result};

/// Memory of a device.
pub trait Memory: Send + Sync {
    /// Words of 64 bits.
    fn words(&self) -> usize;

    /// Where kernels find the first one.
    fn address(&self) -> u64;
}

/// Runs kernels, one after the other: what one has written the next may read.
pub trait Device: Sync {
    /// Its memory, which is free again once it is dropped.
    type Memory: Memory;

    /// Allocates words, all zero.
    ///
    /// # Errors
    /// When there is too little memory, or the device fails.
    fn allocate(&self, words: usize) -> Result<Self::Memory>;

    /// Copies words to the device.
    ///
    /// # Errors
    /// When there is too little memory, or the device fails.
    fn upload(&self, words: &[u64]) -> Result<Self::Memory>;

    /// Copies words back, once all kernels before have run.
    ///
    /// # Errors
    /// When the device fails, in one of these kernels maybe.
    fn download(&self, memory: &Self::Memory) -> Result<Vec<u64>>;

    /// Bytes of its memory that nobody uses; none where it does not say.
    ///
    /// # Errors
    /// When the device fails.
    fn free_bytes(&self) -> Result<Option<u64>>;

    /// Waits until all kernels so far have run.
    ///
    /// # Errors
    /// When one of them failed.
    fn synchronise(&self) -> Result<()>;

    /// Runs a kernel.
    ///
    /// # Errors
    /// When the device fails.
    fn launch(&self, kernel: Kernel, grid: Grid, arguments: &[Argument]) -> Result<()>;
}

/// How many blocks run a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Blocks for each limb.
    pub blocks: u32,
    /// Limbs, times components where a kernel works on one of these.
    pub limbs: u32,
}

impl Grid {
    /// The most that a card takes.
    const MOST: Self = Self { blocks: u32::MAX >> 1, limbs: 0xffff };

    /// A grid with room for all that is counted.
    pub(crate) fn new(blocks: usize, limbs: usize) -> Self {
        match (u32::try_from(blocks), u32::try_from(limbs)) {
            (Ok(blocks), Ok(limbs)) if blocks <= Self::MOST.blocks && limbs <= Self::MOST.limbs => {
                Self { blocks, limbs }
            }
            _ => unreachable!("{blocks} blocks for each of {limbs} limbs, at most {:?}", Self::MOST),
        }
    }
}

/// An argument of a kernel: a structure of up to eight words, of which the kernel reads as many as
/// its own has. Only this crate makes them, of addresses within memory of the device.
#[derive(Debug, Clone, Copy)]
pub struct Argument([u64; 8]);

impl Argument {
    pub(crate) fn new<const N: usize>(words: [u64; N]) -> Self {
        let mut all = [0; 8];
        all[..N].copy_from_slice(&words);
        Self(all)
    }

    /// The address of memory.
    pub(crate) fn memory(memory: &impl Memory) -> Self {
        Self::new([memory.address()])
    }

    /// The words.
    pub fn words(&self) -> &[u64; 8] {
        &self.0
    }
}
