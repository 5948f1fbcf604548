//! Memory for many words that are written whole: what one holder gives back, the next one gets,
//! whatever the sizes of both. Pages that enter the kernel for the first time cost about as much
//! as what is computed on them.
//!
//! Large memory consists of blocks of pages, and a process that keeps them moves them to where the
//! next memory is wanted: so that nothing is lost between pieces of different sizes, there are
//! never more of them than were in use at once. (Huge pages would be filled with zeros at once:
//! where a virtual machine gives free memory back to its host, that took longer than what they
//! saved.)
#![allow(unsafe_code, reason = "looks at mapped pages as words")]

mod blocks;

use std::alloc::{Layout, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use blocks::mapped_bytes;
use blocks::{BLOCK, Blocks};

/// Fewer words than this are left to the allocator: the last block of others is at most a
/// sixteenth of them.
const FEWEST: usize = 16 * BLOCK / size_of::<u64>();

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
        if let Some(number) = self.idle.iter().position(|blocks| blocks.count() == count) {
            return vec![self.idle.swap_remove(number)];
        }
        let (mut found, mut missing) = (Vec::new(), count);
        while missing > 0 {
            let Some(last) = self.idle.last_mut() else { break };
            let piece = if last.count() > missing {
                last.split_off(missing)
            } else {
                self.idle.swap_remove(self.idle.len() - 1)
            };
            missing -= piece.count();
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
    Mapped { blocks: Blocks, len: usize },
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
        Self(Memory::Mapped { blocks: joined(count), len })
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
            // SAFETY: the blocks are mapped for as long as they live, readable, initialised by the
            // kernel or an earlier holder, aligned, of `len` words at least, and nobody else's.
            Memory::Mapped { blocks, len } => unsafe {
                std::slice::from_raw_parts(blocks.start().cast().as_ptr(), *len)
            },
        }
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut [u64] {
        match &mut self.0 {
            Memory::Allocated(words) => words,
            // SAFETY: as above, and writable.
            Memory::Mapped { blocks, len } => unsafe {
                std::slice::from_raw_parts_mut(blocks.start().cast().as_ptr(), *len)
            },
        }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        let Memory::Mapped { blocks, .. } = &mut self.0 else { return };
        let mut pool = pool();
        if pool.keepers > 0 {
            pool.idle.push(std::mem::replace(blocks, Blocks::none()));
        }
    }
}

/// `count` blocks one after the other, as many as possible from the pool.
fn joined(count: usize) -> Blocks {
    let mut idle = pool().take(count);
    if let [one] = &*idle
        && one.count() == count
        && let Some(one) = idle.pop()
    {
        return one;
    }
    Blocks::from_pieces(count, idle).unwrap_or_else(|| {
        let all = Layout::from_size_align(count * BLOCK, BLOCK);
        all.map_or_else(|_| unreachable!("{count} blocks, which is no size"), |layout| handle_alloc_error(layout))
    })
}

#[cfg(test)]
mod tests;
