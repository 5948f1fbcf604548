//! Memory of products and rotations, kept from one to the next: fresh pages cost about as much as
//! what is computed on them.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use crate::kernel::Aligned;

/// Memory that products and rotations leave for those after them, for who makes one
/// [`Rotator`](crate::Rotator) after the other; clones share it.
#[derive(Debug, Clone, Default)]
pub struct RotationMemory(pub(crate) Arc<WordPool>);

/// Memory that nobody uses at the moment, of sizes that are powers of two.
#[derive(Default)]
pub(crate) struct WordPool {
    free: Mutex<Vec<Aligned>>,
}

impl std::fmt::Debug for WordPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WordPool(..)")
    }
}

/// Words of a pool, to which they return when dropped.
pub(crate) struct Words<'p> {
    pool: &'p WordPool,
    aligned: Aligned,
    len: usize,
}

impl WordPool {
    /// Returns so many words; what they hold is unspecified.
    pub(crate) fn words(&self, len: usize) -> Words<'_> {
        let size = len.next_power_of_two();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let number = free.iter().position(|aligned| aligned.words().len() == size);
        let kept = number.map(|number| free.swap_remove(number));
        drop(free);
        // Pages beyond `len` are never touched, and so never there.
        Words { pool: self, aligned: kept.unwrap_or_else(|| Aligned::zeros(size)), len }
    }

    /// All words that it has while nobody uses any.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.free.lock().unwrap().iter().map(|aligned| aligned.words().len()).sum()
    }
}

impl Deref for Words<'_> {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.aligned.words()[..self.len]
    }
}

impl DerefMut for Words<'_> {
    fn deref_mut(&mut self) -> &mut [u64] {
        &mut self.aligned.words_mut()[..self.len]
    }
}

impl Drop for Words<'_> {
    fn drop(&mut self) {
        let mut free = self.pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(std::mem::take(&mut self.aligned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_return_to_where_they_came_from() {
        let pool = WordPool::default();
        let mut first = pool.words(100);
        let second = pool.words(100);
        first[99] = 7;
        assert_eq!((first.len(), second.len()), (100, 100));
        drop(first);
        let (again, other) = (pool.words(120), pool.words(1000));
        assert_eq!((again.len(), again[99]), (120, 7), "of the same power of two");
        assert_eq!(other.len(), 1000);
        drop((second, again, other));
        assert_eq!(pool.free.lock().unwrap().len(), 3);
    }
}
