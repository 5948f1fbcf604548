//! The two backends side by side: up to how many waiting images `tfhe` answers sooner, or moves fewer bytes, than `ckks`.

mod figures;
#[cfg(feature = "tfhe")]
mod measure;

pub use figures::{BackendFigures, BackendPoint, Side};
#[cfg(feature = "tfhe")]
pub use measure::{Case, backends};
