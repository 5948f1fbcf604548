//! A program of either backend, chosen once by the kind of its file. `client.rs` holds what a
//! client does with the signature, `server.rs` what a server does with the program, `owner.rs` what
//! takes the program, the images and both keys.

mod client;
#[cfg(feature = "command")]
mod owner;
#[cfg(feature = "command")]
mod server;

use std::path::Path;

use anyhow::{Context as _, Result};
use beaa_ir::container;
#[cfg(feature = "command")]
use beaa_ir::{Classes, ckks, tfhe};

pub(crate) use client::{Answered, AnySignature, DecryptRequest, Decrypted, EncryptRequest, KeyFiles};
#[cfg(feature = "command")]
pub(crate) use server::RunFiles;

#[cfg(feature = "command")]
use crate::context::Context;
#[cfg(feature = "command")]
use crate::security;

/// A compiled program.
#[cfg(feature = "command")]
pub(crate) enum AnyProgram {
    /// Thousands of images in one batch, approximate numbers.
    Ckks(ckks::Program),
    /// One image at a time, exact integers.
    Tfhe(tfhe::Program),
}

#[cfg(feature = "command")]
impl AnyProgram {
    /// Reads a program file, and refuses parameters below the promised security.
    pub(crate) fn open(path: &Path, context: &Context) -> Result<Self> {
        let doing = || format!("reading program {}", path.display());
        if is_tfhe(path)? {
            return Ok(Self::Tfhe(tfhe::load_program(path).with_context(doing)?));
        }
        let program = ckks::load_program(path).with_context(doing)?;
        security::check(&program.signature().parameters, context).with_context(doing)?;
        Ok(Self::Ckks(program))
    }

    /// What the outputs say.
    pub(crate) fn classes(&self) -> &Classes {
        match self {
            Self::Ckks(program) => &program.signature().classes,
            Self::Tfhe(program) => &program.signature().classes,
        }
    }
}

/// Whether the file belongs to the tfhe backend. Files of no known kind do not; whoever reads them
/// says what they are.
fn is_tfhe(path: &Path) -> Result<bool> {
    let kind = container::kind(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(kind.is_some_and(container::Kind::is_tfhe))
}

/// The error of a build without the tfhe backend.
#[cfg(not(feature = "tfhe"))]
pub(crate) fn without_tfhe<T>() -> Result<T> {
    Err(crate::exit::Exit::Usage.because(
        "this asks for the tfhe backend, and this build is without it; build with `cargo build --release --features \
         tfhe`",
    ))
}
