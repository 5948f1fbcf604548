//! The three parts of a data set, and how training gives up images for the other two.

mod hold_out;
mod part;
mod shuffle;
mod stratified;

pub use hold_out::{Amount, HoldOut};
pub use part::Split;
pub use shuffle::shuffled;
