//! What the files of all backends have in common: to whom they belong, and their size.

use std::path::Path;

use crate::{Error, Result};

/// Refuses ciphertexts of another program; both are fingerprints.
pub(crate) fn expect_program(operation: &'static str, found: &str, expected: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::WrongProgram { operation, found: found.into(), expected: expected.into() })
}

/// Refuses ciphertexts under another key; both are names of keys.
pub(crate) fn expect_key(operation: &'static str, found: &str, expected: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::WrongKey { operation, found: found.into(), expected: expected.into() })
}

/// The size in bytes of a file that was written.
pub(crate) fn written_size(path: &Path) -> Result<u64> {
    let size = std::fs::metadata(path).map(|m| m.len());
    size.map_err(|source| Error::File(beaa_ir::Error::Io { operation: "reading", path: path.to_path_buf(), source }))
}
