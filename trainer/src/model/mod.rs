//! Networks as Burn modules: layers, the quadratic activation, first weights.

pub(crate) mod blocks;
pub(crate) mod network;
pub(crate) mod polynomial;
pub(crate) mod size_check;
pub(crate) mod weight_init;
