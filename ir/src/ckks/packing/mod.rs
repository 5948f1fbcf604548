//! Packing of several elements of a value into one ciphertext: layouts, and rotations by which
//! linear maps are computed on them. With blocks of one position a ciphertext holds one element of
//! every image; programs say nothing of it then.
//!
//! Slot `p * images + i` of a ciphertext, in the order in which rotations move slots, holds
//! position `p` of image `i`; a rotation by `d` positions is one by `d * images` slots.

mod account;
mod client;
mod file;
mod layout;
mod map;

pub use account::MapSize;
pub(super) use account::PackedAccount;
pub use client::ClientPacking;
pub use layout::Layout;
pub use map::{Diagonal, PackedMap, Place};
use serde::{Deserialize, Serialize};

/// How a program packs its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "file::PackingLiteral", into = "file::PackingLiteral")]
pub struct Packing {
    /// Of the input.
    pub input: Layout,
    /// Of each linear step, in the order of the program.
    pub maps: Vec<PackedMap>,
}

impl Packing {
    /// Positions of a ciphertext.
    pub fn block(&self) -> usize {
        self.input.block()
    }

    /// All rotations, in positions, ascending, each once: those that need a Galois key.
    pub fn rotations(&self) -> Vec<u32> {
        let mut all: Vec<u32> = Vec::new();
        for map in &self.maps {
            all.extend(map.offsets.iter().flat_map(|&d| <[u32; 2]>::from(map.steps(d))));
            all.extend(&map.folds);
        }
        all.retain(|d| *d != 0);
        all.sort_unstable();
        all.dedup();
        all
    }
}
