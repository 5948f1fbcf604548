//! What resizing takes: between its two passes, rows first, every pixel is four numbers of four
//! bytes, in as many columns as before and as many rows as after. A narrow picture of few bytes and
//! a low one can be gigabytes together.

use std::path::Path;

use beaa_memory::Need;

use crate::error::Error;

const BYTES_PER_PIXEL: u64 = 16;

/// Bytes that it takes beside the pictures before and after, whose sizes are rows and columns.
pub(crate) fn resizing_bytes([_, columns]: [usize; 2], [rows_after, _]: [usize; 2]) -> u64 {
    BYTES_PER_PIXEL.saturating_mul(columns as u64).saturating_mul(rows_after as u64)
}

/// Refuses work on single pictures that takes so many bytes in each thread, where there are fewer.
///
/// # Errors
/// [`Error::Memory`] with both numbers.
pub(crate) fn afford_on_threads(operation: String, bytes: u64) -> Result<(), Error> {
    let threads = rayon::current_num_threads() as u64;
    Ok(Need::new(operation, bytes.saturating_mul(threads), "give smaller pictures, or fewer --threads").check()?)
}

/// Refuses to resize a picture where there is less memory than that takes.
///
/// # Errors
/// [`Error::Memory`] with both numbers.
pub(crate) fn afford_resizing(file: &Path, before: [usize; 2], after: [usize; 2]) -> Result<(), Error> {
    let [[rows, columns], [rows_after, columns_after]] = [before, after];
    let operation = format!("resizing {} of {rows} x {columns} to {rows_after} x {columns_after}", file.display());
    afford_on_threads(operation, resizing_bytes(before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_picture_and_a_high_one_are_gigabytes_between() {
        assert_eq!(resizing_bytes([1, 1 << 14], [1 << 14, 1]), 1 << 32);
        assert_eq!(resizing_bytes([1 << 14, 1], [1, 1 << 14]), 16);
    }
}
