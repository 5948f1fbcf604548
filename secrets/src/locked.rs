//! Memory for secrets: on pages of its own, which are kept out of swap and of core dumps as far as
//! the system allows, and wiped when dropped.

use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use memmap2::MmapMut;
use zeroize::Zeroize;

/// A slice of secrets. Its pages hold nothing else, so that unlocking them never unlocks another
/// secret: that happens with the end of the mapping.
pub struct Locked<T: Pod> {
    storage: Storage<T>,
    len: usize,
    locked: bool,
}

enum Storage<T> {
    Pages(MmapMut),
    /// Where the system gives no pages, as with too many mappings.
    Heap(Vec<T>),
}

impl<T: Pod> Locked<T> {
    /// `len` zeros, locked in memory if the system allows it ([`Self::is_locked`]).
    pub fn zeroed(len: usize) -> Self {
        let Ok(pages) = MmapMut::map_anon((len * size_of::<T>()).max(1)) else {
            return Self { storage: Storage::Heap(vec![T::zeroed(); len]), len, locked: false };
        };
        #[cfg(target_os = "linux")]
        // Older kernels do not know the advice; dumps are forbidden for the whole process, too.
        let _ = pages.advise(memmap2::Advice::DontDump);
        #[cfg(unix)]
        let locked = pages.lock().is_ok();
        #[cfg(not(unix))]
        let locked = false;
        Self { storage: Storage::Pages(pages), len, locked }
    }

    /// `len` secrets, which never lie anywhere else.
    ///
    /// # Panics
    /// If there are more or fewer.
    pub fn collect(len: usize, secrets: impl Iterator<Item = T>) -> Self {
        let mut found = Self::zeroed(len);
        let mut count = 0;
        for secret in secrets {
            found[count] = secret;
            count += 1;
        }
        assert_eq!(count, len, "secrets");
        found
    }

    /// Whether the system keeps these secrets out of swap.
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    fn bytes(&mut self) -> &mut [u8] {
        match &mut self.storage {
            Storage::Pages(pages) => pages,
            Storage::Heap(values) => bytemuck::cast_slice_mut(values),
        }
    }
}

impl<T: Pod> Deref for Locked<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.storage {
            Storage::Pages(pages) => bytemuck::cast_slice(&pages[..self.len * size_of::<T>()]),
            Storage::Heap(values) => values,
        }
    }
}

impl<T: Pod> DerefMut for Locked<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.storage {
            Storage::Pages(pages) => bytemuck::cast_slice_mut(&mut pages[..self.len * size_of::<T>()]),
            Storage::Heap(values) => values,
        }
    }
}

impl<T: Pod> Drop for Locked<T> {
    fn drop(&mut self) {
        self.bytes().zeroize();
    }
}

impl<T: Pod> std::fmt::Debug for Locked<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Locked({} secrets)", self.len)
    }
}

/// Bytes that this process may lock in memory (`ulimit -l`); none if nothing limits it, or nothing
/// can be locked here at all.
#[cfg(unix)]
pub fn lock_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Memlock).current
}

/// Nothing is locked on such systems.
#[cfg(not(unix))]
pub fn lock_limit() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_what_was_put_in_and_are_not_printed() {
        let mut numbers = Locked::collect(1000, 0_u64..1000);
        assert!(numbers.iter().copied().eq(0..1000));
        numbers[3] = 7;
        assert_eq!((numbers[3], numbers.len()), (7, 1000));
        assert_eq!(format!("{numbers:?}"), "Locked(1000 secrets)");
        assert!(Locked::<u8>::zeroed(0).is_empty());
        numbers.bytes().zeroize();
        assert!(numbers.iter().all(|&n| n == 0));
    }

    #[test]
    fn the_heap_serves_where_there_are_no_pages() {
        let mut heap = Locked { storage: Storage::Heap(vec![5_i8; 3]), len: 3, locked: false };
        heap[1] = -1;
        assert_eq!(*heap, [5, -1, 5]);
        heap.bytes().zeroize();
        assert_eq!(*heap, [0; 3]);
    }

    #[test]
    #[should_panic(expected = "secrets")]
    fn fewer_secrets_than_announced_are_a_bug() {
        Locked::collect(2, std::iter::once(1_u8));
    }
}
