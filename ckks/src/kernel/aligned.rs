//! Words that begin with a cache line, so that no vector straddles two.

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;
const WORDS: usize = LINE / size_of::<u64>();

/// Words, the first at the beginning of a cache line.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    data: Vec<u64>,
    start: usize,
    len: usize,
}

impl Aligned {
    pub(crate) fn zeros(len: usize) -> Self {
        let mut result = Self::default();
        result.reserve(len);
        result
    }

    /// At least `len` words; what they hold afterwards is unspecified.
    pub(crate) fn reserve(&mut self, len: usize) {
        if len > self.len {
            self.data = vec![0; len + WORDS - 1];
            // An offset that cannot be found costs time, not correctness.
            self.start = Some(self.data.as_ptr().align_offset(LINE)).filter(|&s| s < WORDS).unwrap_or(0);
            self.len = len;
        }
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.data[self.start..self.start + self.len]
    }

    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.data[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_begins_with_a_line() {
        let mut words = Aligned::default();
        assert!(words.words().is_empty());
        for len in [1, 31, 32, 1000, 200_000] {
            words.reserve(len);
            assert_eq!(words.words_mut().len(), len);
            assert_eq!(words.words().as_ptr() as usize % LINE, 0);
        }
        words.reserve(5);
        assert_eq!(words.words().len(), 200_000, "nothing is given back");
    }
}
