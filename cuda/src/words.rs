//! Numbers of 32 bits, and bytes, as words.

/// Two numbers in each word, the first one in the lower half; a word even if there is no number.
pub(crate) fn pairs(numbers: impl ExactSizeIterator<Item = u32>) -> Vec<u64> {
    let mut words = vec![0; numbers.len().div_ceil(2).max(1)];
    for (i, number) in numbers.enumerate() {
        words[i / 2] |= u64::from(number) << (32 * (i % 2));
    }
    words
}

/// Bytes as little-endian words, the last one filled up with zeros, and one word more.
pub(crate) fn of_bytes(bytes: &[u8]) -> Vec<u64> {
    let (whole, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let ends = [u64::from_le_bytes(last), 0];
    whole.iter().map(|bytes| u64::from_le_bytes(*bytes)).chain(ends).collect()
}
