//! New lists, written by all threads at once.
#![expect(unsafe_code, reason = "the length is set after every element has been written")]

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// `len` numbers in chunks of `size`, each chunk zeroed and then passed to `fill` with its number,
/// by whichever thread is free: the memory of large lists is touched by many threads, once.
pub(super) fn chunks<T: Copy + Default + Send>(
    len: usize,
    size: usize,
    fill: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let mut all: Vec<T> = Vec::with_capacity(len);
    assert!(size > 0 || len == 0, "{len} numbers in chunks of {size}");
    let target = &mut all.spare_capacity_mut()[..len];
    target.par_chunks_mut(size.max(1)).enumerate().for_each(|(k, chunk)| {
        chunk.fill(MaybeUninit::new(T::default()));
        // SAFETY: every element of the chunk has just been written.
        fill(k, unsafe { chunk.assume_init_mut() });
    });
    // SAFETY: the slice above had `len` elements of the capacity, and its chunks, all filled, have
    // covered every one.
    unsafe { all.set_len(len) };
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_zeroed_and_filled_in_its_place() {
        for (len, size) in [(0, 4), (1, 4), (10, 4), (4096, 7), (0, 0)] {
            let found = chunks(len, size, |k, chunk: &mut [f32]| {
                assert!(chunk.iter().all(|v| *v == 0.0));
                chunk[0] = k as f32 + 1.0;
            });
            let expected = |i: usize| if i.is_multiple_of(size) { (i / size + 1) as f32 } else { 0.0 };
            assert!(found.len() == len && found.iter().enumerate().all(|(i, &v)| v == expected(i)));
        }
    }
}
