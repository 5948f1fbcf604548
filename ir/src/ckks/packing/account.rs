//! What the checker finds out of a packed program: the layout of each value, and what its linear
//! maps compute with.

use super::{Layout, Packing};

/// What a packed linear map computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MapSize {
    /// Ciphertexts that are read, over all terms.
    pub inputs: usize,
    /// Those of them that are rotated.
    pub decomposed: usize,
    /// Ciphertexts of the result.
    pub outputs: usize,
    /// Vectors of weights, over all terms.
    pub diagonals: usize,
    /// Inputs after baby steps, over all terms; those that are not rotated among them.
    pub rotated: usize,
    /// The most of them that one input has.
    pub babies: usize,
    /// Sums before giant steps; those that are not rotated among them.
    pub sums: usize,
    /// Those of them that are rotated.
    pub giants: usize,
    /// Rotations of inputs, sums and folds, each of one ciphertext.
    pub rotations: usize,
}

/// What the checker found out of a packed program.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::ckks) struct PackedAccount {
    /// For each value the number of the map whose layout it has; none for that of the input.
    pub(in crate::ckks) layouts: Vec<Option<usize>>,
    /// Of each map.
    pub(in crate::ckks) sizes: Vec<MapSize>,
}

impl Packing {
    /// The layout of the result of a map, or of the input.
    pub(in crate::ckks) fn layout(&self, map: Option<usize>) -> &Layout {
        map.map_or(&self.input, |map| &self.maps[map].layout)
    }
}
