//! Names and tokens that nobody guesses, from the operating system's randomness.

use beaa_protocol::Id;
use rand::TryRng;
use rand::rngs::SysRng;

use crate::{Error, Result};

/// As many random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| Error::Randomness { reason: error.to_string() })?;
    Ok(bytes)
}

/// A new name.
pub(crate) fn id() -> Result<Id> {
    Ok(Id::from_bytes(bytes()?))
}
