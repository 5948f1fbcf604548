//! Programs for the `tfhe` backend: small integers and tables, one image at a time. A model is
//! taken apart into a chain, calibrated on sample images, and lowered with settings from cheap to
//! dear until enough of the samples keep their class.

mod budget;
mod chain;
mod dead_elements;
mod dense;
mod emit;
mod ladder;
mod options;
mod report;
mod rounding;
mod stage;

pub use ladder::{Compiled, compile};
pub use options::Options;
pub use report::{Report, StageReport, explain};
