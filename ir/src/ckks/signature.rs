//! The client's side of a program: all that encrypting images and reading answers takes, in a file of its own, so that a
//! client needs no model. Must never hold a weight.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::check::check_signature;
use super::{Program, Signature, load_program, program_hash};
use crate::Result;
use crate::container::{self, Kind};

/// What a client knows of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureFile {
    /// Shapes, scales, parameters.
    pub signature: Signature,
    /// The program's fingerprint, which ciphertexts name.
    pub program: String,
    /// Predicted standard deviation of an output's error, where the compiler said.
    pub output_error: Option<f64>,
}

impl From<&Program> for SignatureFile {
    fn from(program: &Program) -> Self {
        let note = program.notes().iter().find(|n| n.value == program.output());
        Self {
            signature: program.signature().clone(),
            program: program_hash(program),
            output_error: note.map(|n| n.error).filter(|e| e.is_finite() && *e > 0.0),
        }
    }
}

/// Writes the client's side of a program.
pub fn save_signature(file: &SignatureFile, path: &Path) -> Result<()> {
    container::write(path, Kind::Signature, file, 0, |_| Ok(()))
}

/// Reads and checks the client's side of a program, from its own file or from the program's.
pub fn load_signature(path: &Path) -> Result<SignatureFile> {
    if container::kind(path)? == Some(Kind::Program) {
        return Ok(SignatureFile::from(&load_program(path)?));
    }
    let file = container::open::<SignatureFile>(path, Kind::Signature)?.header;
    check_signature(&file.signature)?;
    Ok(file)
}
