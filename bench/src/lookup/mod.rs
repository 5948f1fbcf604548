//! Measures of the `tfhe` backend: its rates, and it beside `ckks`. Must never be needed to measure `ckks`: behind the cargo feature
//! `tfhe`.

mod backends;
mod rates;

pub use backends::{Case, backends};
pub(crate) use rates::rates;
