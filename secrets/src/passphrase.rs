//! A passphrase, from whoever gives it.

use std::io::Read;

use crate::error::PassphraseError;
use crate::line::read_line;
use crate::locked::Locked;
use crate::terminal;

/// A passphrase, in memory like a key.
pub struct Passphrase(Locked<u8>);

impl Passphrase {
    /// Takes the bytes of a passphrase; those of a text are its UTF-8.
    ///
    /// # Errors
    /// [`PassphraseError::EmptyPassphrase`].
    pub fn new(bytes: &[u8]) -> Result<Self, PassphraseError> {
        if bytes.is_empty() {
            return Err(PassphraseError::EmptyPassphrase);
        }
        Ok(Self(Locked::collect(bytes.len(), bytes.iter().copied())))
    }

    /// Asks for one at the terminal, which does not show it.
    ///
    /// # Errors
    /// [`PassphraseError::NoTerminal`], also when the line is longer than 1024 bytes;
    /// [`PassphraseError::EmptyPassphrase`].
    pub fn ask(prompt: &str) -> Result<Self, PassphraseError> {
        Self::new(&terminal::ask(prompt).map_err(|e| PassphraseError::NoTerminal(e.to_string()))?)
    }

    /// Reads the first line of a file, or of an open descriptor such as `/dev/fd/3`.
    ///
    /// # Errors
    /// When the line is empty, longer than 1024 bytes or cannot be read.
    pub fn read(from: &mut impl Read) -> std::io::Result<Self> {
        let line = read_line(from)?;
        Self::new(&line).map_err(std::io::Error::other)
    }

    /// Whether both are the same.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0[..] == other.0[..]
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(..)")
    }
}
