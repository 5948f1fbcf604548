//! Memory for many words that are written whole: what one holder gives back, the next one gets,
//! whatever the sizes of both. Pages that enter the kernel for the first time cost about as much
//! as what is computed on them.
//!
//! Large memory consists of blocks of pages, and a process that keeps them moves them to where the
//! next memory is wanted: so that nothing is lost between pieces of different sizes, there are
//! never more of them than were in use at once. (Huge pages would be filled with zeros at once:
//! where a virtual machine gives free memory back to its host, that took longer than what they
//! saved.)
#![allow(unsafe_code, reason = "maps pages, and moves them to other addresses")]

use std::alloc::{Layout, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that move together, at an address that is a multiple of them: the kernel then moves one
/// entry of its tables, that of a table of pages.
const BLOCK: usize = 2 << 20;
/// Fewer words than this are left to the allocator: the last block of others is at most a
/// sixteenth of them.
const FEWEST: usize = 16 * BLOCK / size_of::<u64>();

/// Bytes of all blocks that are mapped.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

static POOL: Mutex<Pool> = Mutex::new(Pool { keepers: 0, idle: Vec::new() });

/// Blocks that nobody uses.
struct Pool {
    /// How many want them to be kept.
    keepers: usize,
    idle: Vec<Blocks>,
}

/// Keeps pages that [`Words`] give back for as long as it lives.
#[derive(Debug)]
pub struct PageKeeper(());

/// Makes this process keep the pages of [`Words`] that are dropped for those that are made next,
/// until what is returned is dropped. Together they are no more than were in use at once.
#[must_use = "pages are kept only as long as this lives"]
pub fn keep_pages() -> PageKeeper {
    pool().keepers += 1;
    PageKeeper(())
}

/// Bytes of pages that [`Words`] of this process have or that are kept for them; the allocator does
/// not know of these.
pub fn mapped_bytes() -> usize {
    MAPPED.load(Ordering::Relaxed)
}

impl Drop for PageKeeper {
    fn drop(&mut self) {
        let mut pool = pool();
        pool.keepers -= 1;
        if pool.keepers == 0 {
            let idle = std::mem::take(&mut pool.idle);
            drop(pool);
            drop(idle);
        }
    }
}

fn pool() -> MutexGuard<'static, Pool> {
    // Whoever panics elsewhere leaves the list whole.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// Idle blocks, `count` of them if there are as many: in one piece where one is just as large.
    fn take(&mut self, count: usize) -> Vec<Blocks> {
        if let Some(number) = self.idle.iter().position(|blocks| blocks.count == count) {
            return vec![self.idle.swap_remove(number)];
        }
        let (mut found, mut missing) = (Vec::new(), count);
        while missing > 0 {
            let Some(last) = self.idle.last_mut() else { break };
            let piece =
                if last.count > missing { last.split_off(missing) } else { self.idle.swap_remove(self.idle.len() - 1) };
            missing -= piece.count;
            found.push(piece);
        }
        found
    }
}

/// Words of memory; each thread may have them, as with a vector.
#[derive(Debug)]
pub struct Words(Memory);

#[derive(Debug)]
enum Memory {
    Allocated(Vec<u64>),
    Mapped { blocks: Option<Blocks>, len: usize },
}

impl Words {
    /// `len` words that hold anything, for those who write all of them: zeros, or what an earlier
    /// holder wrote.
    ///
    /// Aborts where there is no such memory, as vectors do.
    #[must_use]
    pub fn unset(len: usize) -> Self {
        if cfg!(not(target_os = "linux")) || len < FEWEST {
            return Self(Memory::Allocated(vec![0; len]));
        }
        let count = (len * size_of::<u64>()).div_ceil(BLOCK);
        Self(Memory::Mapped { blocks: Some(joined(count)), len })
    }

    /// The same words in memory of their own.
    #[must_use]
    pub fn copy_of(words: &[u64]) -> Self {
        let mut copy = Self::unset(words.len());
        copy.copy_from_slice(words);
        copy
    }
}

impl From<Vec<u64>> for Words {
    fn from(words: Vec<u64>) -> Self {
        Self(Memory::Allocated(words))
    }
}

impl Clone for Words {
    fn clone(&self) -> Self {
        Self::copy_of(self)
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Words {}

impl Deref for Words {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        match &self.0 {
            Memory::Allocated(words) => words,
            Memory::Mapped { blocks: None, .. } => &[],
            // SAFETY: the blocks are mapped for as long as they live, readable, initialised by the
            // kernel or an earlier holder, aligned, of `len` words at least, and nobody else's.
            Memory::Mapped { blocks: Some(blocks), len } => unsafe {
                std::slice::from_raw_parts(blocks.start.cast().as_ptr(), *len)
            },
        }
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut [u64] {
        match &mut self.0 {
            Memory::Allocated(words) => words,
            Memory::Mapped { blocks: None, .. } => &mut [],
            // SAFETY: as above, and writable.
            Memory::Mapped { blocks: Some(blocks), len } => unsafe {
                std::slice::from_raw_parts_mut(blocks.start.cast().as_ptr(), *len)
            },
        }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        let Memory::Mapped { blocks, .. } = &mut self.0 else { return };
        let mut pool = pool();
        if pool.keepers > 0 {
            pool.idle.extend(blocks.take());
        }
    }
}

/// `count` blocks one after the other, as many as possible from the pool.
fn joined(count: usize) -> Blocks {
    let mut idle = pool().take(count);
    if let [one] = &*idle
        && one.count == count
        && let Some(one) = idle.pop()
    {
        return one;
    }
    let whole = Blocks::reserved(count).and_then(|target| {
        let moved = target.fill(idle);
        let mapped = target.map(moved);
        MAPPED.fetch_add((count - moved) * BLOCK, Ordering::Relaxed);
        mapped.then_some(target)
    });
    whole.unwrap_or_else(|| {
        let all = Layout::from_size_align(count * BLOCK, BLOCK);
        all.map_or_else(|_| unreachable!("{count} blocks, which is no size"), |layout| handle_alloc_error(layout))
    })
}

/// Addresses of blocks, unmapped when dropped.
#[derive(Debug)]
struct Blocks {
    start: NonNull<u8>,
    count: usize,
}

// SAFETY: addresses belong to the process; who holds them is alone in using them.
unsafe impl Send for Blocks {}
// SAFETY: as above; through a shared reference they are only read.
unsafe impl Sync for Blocks {}

#[cfg(target_os = "linux")]
impl Blocks {
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

    /// Moves `pieces` here, and says how many blocks that made.
    fn fill(&self, pieces: Vec<Self>) -> usize {
        let mut moved = 0;
        for mut piece in pieces {
            while piece.count > 0 && moved < self.count {
                let block = piece.split_off(1);
                let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
                // SAFETY: `block` is a mapped block of ours; what is at the target is of ours,
                // too, and nobody uses it.
                let result = unsafe {
                    let target = self.start.byte_add(moved * BLOCK).as_ptr();
                    libc::mremap(block.start.as_ptr().cast(), BLOCK, BLOCK, flags, target)
                };
                if result == libc::MAP_FAILED {
                    // A process has only so many maps; the rest of the pieces goes back.
                    return moved;
                }
                // Nothing is left where it was.
                std::mem::forget(block);
                moved += 1;
            }
        }
        moved
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

    /// Takes the last `count` pages away.
    fn split_off(&mut self, count: usize) -> Self {
        assert!(count <= self.count, "{count} of {} blocks", self.count);
        self.count -= count;
        // SAFETY: within these addresses, or at their end.
        Self { start: unsafe { self.start.byte_add(self.count * BLOCK) }, count }
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
    fn reserved(_: usize) -> Option<Self> {
        None
    }

    fn fill(&self, _: Vec<Self>) -> usize {
        0
    }

    fn map(&self, _: usize) -> bool {
        false
    }

    fn split_off(&mut self, _: usize) -> Self {
        unreachable!("blocks where none are mapped")
    }
}

#[cfg(test)]
mod tests;
