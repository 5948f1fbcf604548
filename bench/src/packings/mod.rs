//! Packings side by side, and the `tfhe` backend beside them, by the number of images that are
//! answered together.

#[cfg(feature = "tfhe")]
mod exact;
mod figures;
mod measure;

#[cfg(feature = "tfhe")]
pub use exact::measure_exact;
pub use figures::{PackingFigures, PackingMethod, PackingPoint};
pub use measure::{PackingTask, measure_packings};

#[cfg(test)]
pub(crate) use figures::tests;
