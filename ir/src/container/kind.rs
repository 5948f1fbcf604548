//! The kinds of files, their versions, and the care that each takes.

use beaa_base::output::Care;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A compiled program.
    Program,
    /// A client's secret key.
    SecretKey,
    /// Keys that a server needs.
    EvaluationKey,
    /// Encrypted images or encrypted results.
    Ciphertexts,
    /// The client's side of a program.
    Signature,
    /// A program of table look-ups, for the `tfhe` backend.
    TfheProgram,
    /// The client's side of such a program.
    TfheSignature,
    /// A client's secret key for such programs.
    TfheSecretKey,
    /// The keys that a server needs for such programs.
    TfheServerKey,
    /// Encrypted images or results of such programs.
    TfheCiphertexts,
    /// What a client remembers of the batches that it sent, for either backend.
    Receipt,
    /// A client's secret key for either backend, encrypted with a passphrase.
    ProtectedKey,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Program,
        Self::SecretKey,
        Self::EvaluationKey,
        Self::Ciphertexts,
        Self::Signature,
        Self::TfheProgram,
        Self::TfheSignature,
        Self::TfheSecretKey,
        Self::TfheServerKey,
        Self::TfheCiphertexts,
        Self::Receipt,
        Self::ProtectedKey,
    ];

    /// Whether this belongs to the `tfhe` backend.
    pub fn is_tfhe(self) -> bool {
        matches!(
            self,
            Self::TfheProgram | Self::TfheSignature | Self::TfheSecretKey | Self::TfheServerKey | Self::TfheCiphertexts
        )
    }

    pub(super) fn code(self) -> u32 {
        match self {
            Self::Program => 1,
            Self::SecretKey => 2,
            Self::EvaluationKey => 3,
            Self::Ciphertexts => 4,
            Self::Signature => 5,
            Self::TfheProgram => 6,
            Self::TfheSignature => 7,
            Self::TfheSecretKey => 8,
            Self::TfheServerKey => 9,
            Self::TfheCiphertexts => 10,
            Self::Receipt => 11,
            Self::ProtectedKey => 12,
        }
    }

    pub(super) fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.code() == code)
    }

    /// The format version that this build writes; it reads no newer one.
    pub fn version(self) -> u32 {
        match self {
            // 2: residues lie in tiles, and seeds are expanded by AES.
            Self::EvaluationKey => 2,
            // 3: they name their batch. 4: they list their batches.
            Self::Ciphertexts => 4,
            // 2: they list their batches.
            Self::Receipt => 2,
            // 2: signatures hold what was promised, and ciphertexts name their batch.
            Self::Program | Self::Signature | Self::TfheProgram | Self::TfheSignature | Self::TfheCiphertexts => 2,
            Self::SecretKey | Self::TfheSecretKey | Self::TfheServerKey | Self::ProtectedKey => 1,
        }
    }

    /// The oldest version that this build reads.
    pub(super) fn oldest(self) -> u32 {
        match self {
            Self::EvaluationKey | Self::Ciphertexts => 2,
            _ => 1,
        }
    }

    /// How to make such a file anew.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Program | Self::Signature | Self::TfheProgram | Self::TfheSignature => {
                "compile the model again with `beaa compile`"
            }
            Self::SecretKey | Self::EvaluationKey | Self::TfheSecretKey | Self::TfheServerKey | Self::ProtectedKey => {
                "make keys again with `beaa keygen`"
            }
            Self::Ciphertexts | Self::TfheCiphertexts | Self::Receipt => {
                "encrypt the images again with `beaa encrypt`, and run again"
            }
        }
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::SecretKey => "secret key",
            Self::EvaluationKey => "evaluation key",
            Self::Ciphertexts => "ciphertext",
            Self::Signature => "signature",
            Self::TfheProgram => "tfhe program",
            Self::TfheSignature => "tfhe signature",
            Self::TfheSecretKey => "tfhe secret key",
            Self::TfheServerKey => "tfhe evaluation key",
            Self::TfheCiphertexts => "tfhe ciphertext",
            Self::Receipt => "receipt",
            Self::ProtectedKey => "encrypted secret key",
        }
    }

    /// Secrets are written so that only their owner can read them, and read only then: keys, and
    /// receipts, by which a client recognises forged answers.
    pub(super) fn secret(self) -> bool {
        matches!(self, Self::SecretKey | Self::TfheSecretKey | Self::Receipt | Self::ProtectedKey)
    }

    /// Ciphertexts can be made again; all else is kept.
    pub(crate) fn care(self) -> Care {
        match self {
            _ if self.secret() => Care::Secret,
            Self::Ciphertexts | Self::TfheCiphertexts => Care::Result,
            _ => Care::Kept,
        }
    }
}
