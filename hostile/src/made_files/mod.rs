//! How the good files of `fuzz/seeds` are made, with the formats that are written now.

mod ckks;
mod data;
mod models;
mod packed;
mod texts;
#[cfg(feature = "tfhe")]
mod tfhe;
mod training;

use anyhow::Result;

/// Makes all good files anew that are kept, with the formats that are written now.
///
/// # Errors
/// If one cannot be made or written.
pub fn make_all() -> Result<()> {
    texts::make()?;
    models::make()?;
    ckks::make()?;
    packed::make()?;
    #[cfg(feature = "tfhe")]
    tfhe::make()?;
    data::make()?;
    training::make()
}
