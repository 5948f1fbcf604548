//! Packing of several elements into a ciphertext, for batches that leave slots unused: where each
//! element goes and by which rotations each linear map is computed, of least predicted cost.
//!
//! With `block` positions for each image, block packing lies between one element of every image in
//! a ciphertext (1) and a whole feature map of one image in it (N).

mod candidates;
mod choice;
mod dense;
mod grid;
mod inputs;
mod noise;
mod offsets;
mod search;

use beaa_ir::ckks::{Layout, PackedMap};

pub use choice::Packing;
pub(crate) use noise::{PackedSummary, mean_square};
pub(crate) use search::{PackingTask, pack};

use crate::cost::ops::RotationCounts;
use crate::network::graph::NodeId;

/// Layouts of all nodes of a graph.
#[derive(Debug, Clone)]
pub(crate) struct PackedGraph {
    /// Positions of an image in each ciphertext.
    pub(crate) block: usize,
    /// Of every element of an image, whether anything reads it; the input's layout is of those.
    pub(crate) read: Vec<bool>,
    /// In the order of the nodes.
    pub(crate) nodes: Vec<PackedNode>,
}

/// The layout of a node.
#[derive(Debug, Clone)]
pub(crate) struct PackedNode {
    pub(crate) layout: Layout,
    /// How it is computed, if it is an affine map.
    pub(crate) map: Option<ChosenMap>,
    /// The nodes that it reads, in the order of its terms.
    pub(crate) inputs: Vec<usize>,
}

/// An affine map by rotations.
#[derive(Debug, Clone)]
pub(crate) struct ChosenMap {
    pub(crate) map: PackedMap,
    pub(crate) counts: RotationCounts,
}

/// Positions of each image in a ciphertext, and how many images there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    positions: usize,
    images: usize,
}

impl Block {
    /// The map to `layout` by all `offsets`, modulo the block where an image is alone. Where it is
    /// not, what lies beyond one end of the block is found from the other side, by another offset.
    fn map(self, layout: Layout, offsets: impl IntoIterator<Item = i32>) -> PackedMap {
        let (positions, mut all) = (self.positions as i32, Vec::new());
        for offset in offsets.into_iter().map(|offset| offset.rem_euclid(positions)) {
            all.push(offset);
            all.extend(Some(offset - positions).filter(|_| self.images > 1 && offset > 0));
        }
        PackedMap { layout, images: self.images, offsets: all, giant: 1, folds: Vec::new(), unmasked: false }
    }
}

impl ChosenMap {
    /// Whether positions that hold no element of the result are zero.
    pub(crate) fn leaves_nothing_else(&self) -> bool {
        self.map.folds.is_empty() && !self.map.unmasked
    }
}

impl PackedGraph {
    /// How an affine node is computed.
    pub(crate) fn map(&self, id: NodeId) -> &ChosenMap {
        self.nodes[id].map.as_ref().unwrap_or_else(|| unreachable!("node {id} is no packed map"))
    }

    /// All rotations, in slots, ascending, each once.
    pub(crate) fn rotations(&self) -> Vec<u32> {
        let maps = self.nodes.iter().filter_map(|n| n.map.as_ref()).map(|m| m.map.clone()).collect();
        let input = self.nodes[0].layout.clone();
        beaa_ir::ckks::Packing { input, maps }.rotations()
    }
}
