//! Packing of several elements of a value into one ciphertext: layouts, and rotations by which
//! linear maps are computed on them. With blocks of one position a ciphertext holds one element of
//! every image; programs say nothing of it then.
//!
//! Slot `i * block + p` of a ciphertext, in the order in which rotations move slots, holds position
//! `p` of image `i`, so that a rotation by `d` positions is one by as many slots. Constants are the
//! same for all images and repeat after a block: elements of a smaller ring, which take as many
//! words as a block has positions.

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
use std::collections::BTreeMap;

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

/// Returns the rotations in slots that these maps need Galois keys for, ascending, each with
/// the most limbs of what is rotated; each map comes with those of its input.
pub fn keyed_rotations<'m>(maps: impl IntoIterator<Item = (&'m PackedMap, usize)>) -> BTreeMap<u32, usize> {
    let mut most = BTreeMap::new();
    for (map, limbs) in maps {
        for rotation in map.rotations() {
            let most = most.entry(rotation).or_insert(limbs);
            *most = limbs.max(*most);
        }
    }
    most
}

impl Packing {
    /// Positions of a ciphertext.
    pub fn block(&self) -> usize {
        self.input.block()
    }

    /// All rotations, in slots, ascending, each once: those that need a Galois key.
    pub fn rotations(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.maps.iter().flat_map(PackedMap::rotations).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
