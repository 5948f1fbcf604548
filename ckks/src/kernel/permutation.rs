//! Permutations of values that move whole vectors of eight, and values within them.

use super::layout::LANES;

/// Which vector each vector of the result comes from, and which of its values each value.
#[derive(Debug, Clone)]
pub(crate) struct Permutation {
    pub(crate) vectors: Vec<u32>,
    pub(crate) lanes: Vec<[u8; LANES]>,
}

impl Permutation {
    /// Takes for each value of the result where it comes from.
    ///
    /// # Panics
    /// If the values of a vector do not all come from one.
    pub(crate) fn new(sources: &[u32]) -> Self {
        let lanes = LANES as u32;
        assert!(sources.len().is_multiple_of(LANES), "{} values are not whole vectors of {LANES}", sources.len());
        let sources = sources.as_chunks::<LANES>().0;
        let vector = |sources: &[u32; LANES]| {
            let vector = sources[0] / lanes;
            assert!(sources.iter().all(|s| s / lanes == vector), "{sources:?} are not of one vector");
            vector
        };
        Self {
            vectors: sources.iter().map(vector).collect(),
            lanes: sources.iter().map(|sources| sources.map(|s| (s % lanes) as u8)).collect(),
        }
    }

    /// Where each value of the result comes from.
    pub(crate) fn sources(&self) -> Vec<u32> {
        let vectors = self.vectors.iter().zip(&self.lanes);
        vectors.flat_map(|(vector, lanes)| lanes.map(|lane| vector * LANES as u32 + u32::from(lane))).collect()
    }
}
