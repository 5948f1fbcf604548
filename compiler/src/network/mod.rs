//! The shared front half: a model as a graph of affine maps and quadratics, with the values and
//! bounds of its elements.

pub(crate) mod activations;
pub(crate) mod bounds;
pub(crate) mod calibration;
pub(crate) mod graph;
pub(crate) mod import;
pub(crate) mod limits;
pub(crate) mod margins;
pub(crate) mod matrix;
pub(crate) mod promise;
pub(crate) mod sample_outputs;
pub(crate) mod spanning;
