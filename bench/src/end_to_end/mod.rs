//! One network from compiling to decrypting, encrypted and in plain `f32`.

mod figures;
mod measure;

pub use figures::{BaselineFigures, NetworkFigures};
#[cfg(feature = "tfhe")]
pub(crate) use measure::DEVIATIONS;
pub use measure::measure_network;
