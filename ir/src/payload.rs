//! The numbers behind a file's header: read one array after the other, and hashed with the header.

use serde::Serialize;

use crate::{Error, Result};

/// Digits of a fingerprint.
const FINGERPRINT: usize = 64;

/// Reads little-endian numbers from bytes that may be anybody's.
pub(crate) struct PayloadReader<'a> {
    operation: &'static str,
    bytes: &'a [u8],
}

impl<'a> PayloadReader<'a> {
    /// Starts at the first byte; `operation` goes into messages.
    pub(crate) fn new(operation: &'static str, bytes: &'a [u8]) -> Self {
        Self { operation, bytes }
    }

    /// Takes `count` numbers of `W` bytes; nothing is allocated before the bytes are known to be
    /// there.
    ///
    /// # Errors
    /// If fewer bytes are left.
    pub(crate) fn numbers<const W: usize>(
        &mut self,
        count: usize,
    ) -> Result<impl Iterator<Item = [u8; W]> + use<'a, W>> {
        let Some((head, tail)) = count.checked_mul(W).and_then(|n| self.bytes.split_at_checked(n)) else {
            let found = format!("{} bytes left", self.bytes.len());
            return Err(Error::malformed(self.operation, found, format!("{count} numbers of {W} bytes")));
        };
        self.bytes = tail;
        Ok(head.as_chunks::<W>().0.iter().copied())
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// If bytes are left.
    pub(crate) fn finish(self) -> Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        Err(Error::malformed(self.operation, format!("{} bytes too many", self.bytes.len()), "weights only"))
    }
}

/// Where each row of a sparse matrix starts, from the lengths of the rows; one entry more.
///
/// # Errors
/// If the entries of all rows cannot be counted.
pub(crate) fn row_starts(operation: &'static str, lengths: impl Iterator<Item = u64>) -> Result<Vec<usize>> {
    let mut starts = vec![0];
    let mut total = 0_usize;
    for length in lengths {
        total = usize::try_from(length).ok().and_then(|l| total.checked_add(l)).ok_or_else(|| {
            Error::malformed(operation, format!("a row of {length} weights"), "rows that fit in memory")
        })?;
        starts.push(total);
    }
    Ok(starts)
}

/// Refuses what is no [`fingerprint`].
///
/// # Errors
/// [`Error::Malformed`] unless it is 64 hexadecimal digits, as small letters.
pub(crate) fn expect_fingerprint(operation: &'static str, found: &str) -> Result<()> {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if found.len() == FINGERPRINT && found.bytes().all(digit) {
        return Ok(());
    }
    let found = format!("a fingerprint of {} other characters", found.chars().count());
    Err(Error::malformed(operation, found, "64 hexadecimal digits"))
}

/// The BLAKE3 hash of a header as JSON and of the payload behind it, hexadecimal.
pub(crate) fn fingerprint<H: Serialize>(header: &H, payload: &[u8]) -> String {
    let json =
        serde_json::to_vec(header).unwrap_or_else(|error| unreachable!("a header of plain data is no JSON: {error}"));
    let mut hash = blake3::Hasher::new();
    hash.update(&json);
    hash.update(payload);
    hash.finalize().to_hex().to_string()
}
