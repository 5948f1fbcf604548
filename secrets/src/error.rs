//! Why something is not encrypted or not decrypted with a passphrase.

/// Why something is not encrypted or not decrypted with a passphrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// No passphrase is as good as none.
    #[error("found an empty passphrase, expected one")]
    EmptyPassphrase,
    /// It is another one than that with which the file was written.
    #[error("found a wrong passphrase, expected the one with which it was encrypted; nothing else opens it")]
    WrongPassphrase,
    /// The file is not of the format, or not encrypted with a passphrase.
    #[error("found {found}, expected {expected}")]
    Format {
        /// What is there.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// Opening the file would take more time and memory than any passphrase is worth.
    #[error("found a work factor of 2^{found}, expected at most 2^{most}; it was not written by beaa")]
    WorkFactor {
        /// log2 of scrypt's N.
        found: u8,
        /// The most that is taken.
        most: u8,
    },
    /// The passphrase is right, the rest of the file is not what was written.
    #[error("found changed bytes, expected those that were encrypted; the file is damaged")]
    Damaged,
    /// Nobody can be asked.
    #[error("found no terminal to ask at ({0}), expected one; give a file with the passphrase")]
    NoTerminal(String),
    /// The operating system gives no randomness.
    #[error("found no randomness of the operating system ({0})")]
    Randomness(String),
}
