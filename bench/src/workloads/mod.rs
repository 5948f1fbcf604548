//! What is measured: random networks and images, compiled programs with keys, residues and
//! matrices.

pub(crate) mod operands;
pub(crate) mod program;
pub(crate) mod random_network;
