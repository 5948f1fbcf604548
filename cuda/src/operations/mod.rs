//! What is done to ciphertexts, as launches of kernels. Whoever calls these has checked that
//! operands fit; they assert it, and that all views are within memory.

mod diagonals;
mod digits;
mod division;
mod key_switch;
mod linear;
mod pointwise;
mod rescale;
mod rotation;
mod tiles;
mod transform;
mod unpack;

pub use diagonals::{PackedTerm, diagonals};
pub(crate) use digits::{decomposing_constants, decomposing_words};
pub(crate) use division::{dividing_constants, dividing_words};
pub use key_switch::relinearise;
pub(crate) use key_switch::relinearising_words;
pub use linear::{Term, linear};
use pointwise::add_to;
pub use pointwise::{scale, square};
pub use rescale::rescale;
pub use rotation::rotate;
pub use tiles::{download, upload};
pub use transform::{forward, inverse};
pub use unpack::unpack;

use crate::{Device, Ring};

/// How many items an operation works on at a time, of `items`, each of which takes `words` of
/// workspace.
fn together<D: Device>(ring: &Ring<'_, D>, items: usize, words: usize) -> usize {
    (ring.workspace / words).clamp(1, items)
}
