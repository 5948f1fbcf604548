//! `beaa keygen`: the key pair for a program. Must never print a key, nor write a secret that others can read.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_ir::ckks::load_signature;
use beaa_lab::files;
use beaa_runtime::ckks::{KeyPair, keygen};
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::lookup;

/// Options of `beaa keygen`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compiled program, or its signature; its parameters decide the keys.
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: PathBuf,
    /// Folder for secret.key (keep it) and evaluation.key (give it to the server).
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace keys that are there; what was encrypted under them can no longer be decrypted.
    #[arg(long)]
    force: bool,
    /// INSECURE: derive the keys from a number. For tests and papers only.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    context.warn_of_seed(arguments.seed, "keys are");
    if lookup::is(&arguments.program)? {
        return lookup::keygen(arguments, context);
    }
    let interface = load_signature(&arguments.program)
        .with_context(|| format!("reading program {}", arguments.program.display()))?;
    let (secret, evaluation) = arguments.places()?;
    let KeyPair { client, server } = keygen(&interface.signature.parameters, arguments.seed)?;
    client.save(&secret).with_context(|| format!("writing {}", secret.display()))?;
    server.save(&evaluation).with_context(|| format!("writing {}", evaluation.display()))?;
    arguments.print(client.id(), server.bytes(), context)
}

impl Arguments {
    /// Where the two keys go; the folder is made.
    pub(crate) fn places(&self) -> Result<(PathBuf, PathBuf)> {
        let (secret, evaluation) = (self.out.join("secret.key"), self.out.join("evaluation.key"));
        if secret.exists() && !self.force {
            return Err(Exit::Usage.because(format!(
                "making keys: found {}, expected no key there; choose another --out, or --force to replace it for ever",
                secret.display()
            )));
        }
        files::folder(&self.out)?;
        Ok((secret, evaluation))
    }

    /// Says where they are.
    pub(crate) fn print(&self, id: &str, bytes: u64, context: &Context) -> Result<()> {
        let (secret, evaluation) = (self.out.join("secret.key"), self.out.join("evaluation.key"));
        let result = json!({
            "key": id,
            "secret_key": secret,
            "evaluation_key": evaluation,
            "evaluation_key_bytes": bytes,
            "insecure_seed": self.seed,
        });
        context.print(&result, || {
            format!(
                "key {}\n  secret      {} (keep it)\n  evaluation  {} ({}, for the server)\n",
                id,
                secret.display(),
                evaluation.display(),
                files::bytes(bytes as f64)
            )
        })
    }
}
