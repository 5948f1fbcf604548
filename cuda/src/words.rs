//! Numbers of 32 bits as words.

/// Two numbers in each word, the first one in the lower half; a word even if there is no number.
pub(crate) fn pairs(numbers: impl ExactSizeIterator<Item = u32>) -> Vec<u64> {
    let mut words = vec![0; numbers.len().div_ceil(2).max(1)];
    for (i, number) in numbers.enumerate() {
        words[i / 2] |= u64::from(number) << (32 * (i % 2));
    }
    words
}
