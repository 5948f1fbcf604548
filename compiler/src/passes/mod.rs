//! The passes: what rewrites a graph, what turns its weights to integers, and what writes and
//! rewrites programs.

pub(crate) mod complete_squares;
pub(crate) mod dead_elements;
mod detect_quantised;
pub(crate) mod emit;
pub(crate) mod equalise_rows;
pub(crate) mod fold_affine;
pub(crate) mod quantise_weights;
pub(crate) mod tiling;
pub(crate) mod unread_inputs;
