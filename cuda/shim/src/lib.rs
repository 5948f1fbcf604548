//! For tests: the kernels of beaa-cuda, compiled for the processor, as a device. It computes what a
//! graphics card would, block after block and thread after thread, and says nothing of speed.

mod test_device;

pub use test_device::{TestDevice, TestMemory, devices};

use std::ffi::{CString, c_char, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use beaa_cuda::{Argument, Device, Grid, Kernel, Memory, Result};

// SAFETY: the signature is that of shim.cpp.
#[allow(unsafe_code, reason = "the kernels are C++")]
unsafe extern "C" {
    fn beaa_shim_launch(
        kernel: *const c_char,
        blocks: u32,
        limbs: u32,
        order: u32,
        arguments: *const *const c_void,
    ) -> bool;
}

/// In which order the threads of a block run each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadOrder {
    /// From the first to the last.
    Ascending,
    /// The first, then from the last to the second.
    Descending,
    /// Neighbours far apart.
    Scattered,
}

impl ThreadOrder {
    /// All orders.
    pub const ALL: [Self; 3] = [Self::Ascending, Self::Descending, Self::Scattered];

    /// What threads are numbered anew by: odd, so that each of 256 comes up once.
    fn stride(self) -> u32 {
        match self {
            Self::Ascending => 1,
            Self::Descending => 255,
            Self::Scattered => 77,
        }
    }
}

/// The processor as a device.
#[derive(Debug, Clone, Copy)]
pub struct Shim {
    /// Of the threads in each phase.
    pub order: ThreadOrder,
}

/// Words that kernels read and write.
#[derive(Debug)]
pub struct ShimMemory(Box<[AtomicU64]>);

impl Memory for ShimMemory {
    fn words(&self) -> usize {
        self.0.len()
    }

    fn address(&self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }
}

impl Device for Shim {
    type Memory = ShimMemory;

    fn allocate(&self, words: usize) -> Result<ShimMemory> {
        Ok(ShimMemory((0..words).map(|_| AtomicU64::new(0)).collect()))
    }

    fn upload(&self, words: &[u64]) -> Result<ShimMemory> {
        Ok(ShimMemory(words.iter().map(|&w| AtomicU64::new(w)).collect()))
    }

    fn download(&self, memory: &ShimMemory) -> Result<Vec<u64>> {
        Ok(memory.0.iter().map(|w| w.load(Ordering::Relaxed)).collect())
    }

    fn free_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    fn synchronise(&self) -> Result<()> {
        Ok(())
    }

    fn launch(&self, kernel: Kernel, grid: Grid, arguments: &[Argument]) -> Result<()> {
        let pointers: Vec<*const c_void> = arguments.iter().map(|a| a.words().as_ptr().cast()).collect();
        let Ok(name) = CString::new(kernel.name()) else { unreachable!("{} has a zero byte", kernel.name()) };
        let order = self.order.stride();
        // SAFETY: the arguments are those of the kernel, in its order, and all words that it reads
        // and writes lie in memory of this device: no crate but beaa-cuda makes arguments, and that
        // asserts where they end. Words that are written are atomic, so that no shared reference
        // says they stay as they are.
        #[allow(unsafe_code, reason = "the kernels are C++")]
        let known = unsafe { beaa_shim_launch(name.as_ptr(), grid.blocks, grid.limbs, order, pointers.as_ptr()) };
        assert!(known, "the shim has no kernel {}", kernel.name());
        Ok(())
    }
}
