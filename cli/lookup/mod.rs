//! What the subcommands do when their program is one of look-ups, for the `tfhe` backend: chosen by the kind of the file, never by a flag.
//! Compiling and running in clear is always there; keys and ciphertexts are behind the cargo feature `tfhe`.

mod compile;
mod evaluate;

#[cfg(feature = "tfhe")]
mod bench;
#[cfg(feature = "tfhe")]
mod client;
#[cfg(feature = "tfhe")]
mod server;
use std::path::Path;

use anyhow::{Context as _, Result};
use beaa_ir::container;

pub(crate) use compile::{Backend, compile};
pub(crate) use evaluate::evaluate;

#[cfg(feature = "tfhe")]
pub(crate) use bench::compare;
#[cfg(feature = "tfhe")]
pub(crate) use client::{decrypt, encrypt, keygen};
#[cfg(feature = "tfhe")]
pub(crate) use server::{run, verify};

/// Whether the file belongs to the `tfhe` backend; files that cannot be read are not, and whoever reads them says why.
pub(crate) fn is(path: &Path) -> Result<bool> {
    let kind = container::kind(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(kind.is_some_and(container::Kind::is_tfhe))
}

#[cfg(not(feature = "tfhe"))]
mod absent {
    use anyhow::Result;
    use beaa_bench::{BackendFigures, BenchSettings};
    use beaa_compiler::Machine;
    use beaa_ir::Model;

    use crate::commands;
    use crate::context::Context;
    use crate::dataset_args::Roots;
    use crate::exit::Exit;

    fn absent<T>() -> Result<T> {
        Err(Exit::Usage.because("this asks for the tfhe backend, and this build is without it; build with `cargo build --release --features tfhe`"))
    }

    pub(crate) fn compare(
        _: (&Model, bool),
        _: (&commands::compile::Target, &Roots),
        _: &BenchSettings,
        _: &Machine,
    ) -> Result<BackendFigures> {
        absent()
    }

    pub(crate) fn keygen(_: &commands::keygen::Arguments, _: &Context) -> Result<()> {
        absent()
    }

    pub(crate) fn encrypt(_: &commands::encrypt::Arguments, _: &Context) -> Result<()> {
        absent()
    }

    pub(crate) fn run(_: &commands::run::Arguments, _: &Context) -> Result<()> {
        absent()
    }

    pub(crate) fn decrypt(_: &commands::decrypt::Arguments, _: &Context) -> Result<Vec<Vec<f64>>> {
        absent()
    }

    pub(crate) fn verify(_: &commands::verify::Arguments, _: &Context) -> Result<()> {
        absent()
    }
}

#[cfg(not(feature = "tfhe"))]
pub(crate) use absent::{compare, decrypt, encrypt, keygen, run, verify};
