//! Blocks of pages at addresses of this process, and their moving from one address to another.
#![allow(unsafe_code, reason = "maps pages, and moves them to other addresses")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that move together, at an address that is a multiple of them: the kernel then moves one
/// entry of its tables, that of a table of pages.
pub(super) const BLOCK: usize = 2 << 20;

/// Bytes of all blocks that are mapped.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// Bytes of pages that [`Words`](super::Words) of this process have or that are kept for them; the
/// allocator does not know of these.
pub fn mapped_bytes() -> usize {
    MAPPED.load(Ordering::Relaxed)
}

/// Addresses of blocks, unmapped when dropped.
#[derive(Debug)]
pub(super) struct Blocks {
    start: NonNull<u8>,
    count: usize,
}

// SAFETY: addresses belong to the process; who holds them is alone in using them.
unsafe impl Send for Blocks {}
// SAFETY: as above; through a shared reference they are only read.
unsafe impl Sync for Blocks {}

impl Blocks {
    /// No block, at no address.
    pub(super) fn none() -> Self {
        Self { start: NonNull::dangling(), count: 0 }
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Takes the last `count` blocks away.
    pub(super) fn split_off(&mut self, count: usize) -> Self {
        assert!(count <= self.count, "{count} of {} blocks", self.count);
        self.count -= count;
        // SAFETY: within these addresses, or at their end.
        Self { start: unsafe { self.start.byte_add(self.count * BLOCK) }, count }
    }
}

#[cfg(target_os = "linux")]
impl Blocks {
    /// `count` blocks one after the other: `pieces`, which are no more, and fresh ones. None where
    /// there is no memory.
    pub(super) fn from_pieces(count: usize, pieces: Vec<Self>) -> Option<Self> {
        let mut target = Self::reserved(count)?;
        let mut moved = pieces.iter().map(Self::count).sum();
        if let Err(done) = target.fill(pieces) {
            // A process has only so many maps. Where the next block was to be, the kernel may have
            // unmapped what was reserved, and somebody may be there: these addresses are given up.
            std::mem::forget(target.split_off(count - done));
            (target, moved) = (Self::reserved(count)?, 0);
        }
        let mapped = target.map(moved);
        MAPPED.fetch_add((count - moved) * BLOCK, Ordering::Relaxed);
        mapped.then_some(target)
    }

    /// Addresses alone: what is there can be neither read nor written. None where there are not as
    /// many.
    fn reserved(count: usize) -> Option<Self> {
        let bytes = count.checked_add(1)?.checked_mul(BLOCK)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new map, wherever the kernel likes.
        let found = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
        if found == libc::MAP_FAILED {
            return None;
        }
        let before = found.addr().next_multiple_of(BLOCK) - found.addr();
        // SAFETY: what lies before and behind the aligned part of this map, which nobody uses.
        unsafe {
            let start = found.byte_add(before);
            if before > 0 {
                libc::munmap(found, before);
            }
            if before < BLOCK {
                libc::munmap(start.byte_add(count * BLOCK), BLOCK - before);
            }
            Some(Self { start: NonNull::new(start.cast())?, count })
        }
    }

    /// Moves `pieces` here, which are no more; how many blocks came, if not all.
    fn fill(&self, pieces: Vec<Self>) -> Result<(), usize> {
        let mut moved = 0;
        for mut piece in pieces {
            while piece.count > 0 {
                assert!(moved < self.count, "more than {} blocks", self.count);
                let block = piece.split_off(1);
                let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
                // SAFETY: `block` is a mapped block of ours; what is at the target is of ours,
                // too, and nobody uses it.
                let result = unsafe {
                    let target = self.start.byte_add(moved * BLOCK).as_ptr();
                    libc::mremap(block.start.as_ptr().cast(), BLOCK, BLOCK, flags, target)
                };
                if result == libc::MAP_FAILED {
                    return Err(moved);
                }
                // Nothing is left where it was.
                std::mem::forget(block);
                moved += 1;
            }
        }
        Ok(())
    }

    /// Maps fresh pages, for all but the first `moved`; false where there is no memory.
    fn map(&self, moved: usize) -> bool {
        let bytes = (self.count - moved) * BLOCK;
        if bytes == 0 {
            return true;
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: at addresses that are reserved and that nobody uses.
        unsafe {
            let start = self.start.byte_add(moved * BLOCK).as_ptr().cast();
            let found = libc::mmap(start, bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            if found == libc::MAP_FAILED {
                return false;
            }
        }
        true
    }
}

#[cfg(target_os = "linux")]
impl Drop for Blocks {
    fn drop(&mut self) {
        if self.count > 0 {
            // SAFETY: addresses of ours, which nobody uses any more.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.count * BLOCK) };
            MAPPED.fetch_sub(self.count * BLOCK, Ordering::Relaxed);
        }
    }
}

/// Elsewhere all memory comes from the allocator.
#[cfg(not(target_os = "linux"))]
impl Blocks {
    pub(super) fn from_pieces(_: usize, _: Vec<Self>) -> Option<Self> {
        None
    }
}
