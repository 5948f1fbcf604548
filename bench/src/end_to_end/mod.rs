//! One network from compiling to decrypting, encrypted and in plain `f32`.

mod measure;

#[cfg(feature = "tfhe")]
pub(crate) use measure::DEVIATIONS;
pub use measure::{BaselineFigures, BenchSettings, MemoryProbe, NetworkFigures, measure_network};
