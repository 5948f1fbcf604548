//! The two backends side by side: up to how many waiting images `tfhe` answers sooner, or moves
//! fewer bytes, than `ckks`.

mod figures;
#[cfg(feature = "tfhe")]
mod measure;

pub use figures::{BackendCost, BackendFigures, BackendPoint};
#[cfg(feature = "tfhe")]
pub use measure::{BreakEvenCase, compare_backends};
