//! `beaa keygen`: the key pair for a program. Must never print a key, nor write a secret that others can read.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_ir::load_interface;
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::files;

/// Options of `beaa keygen`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compiled program, or its signature; its parameters decide the keys.
    #[arg(value_name = "PROGRAM")]
    program: PathBuf,
    /// Folder for secret.key (keep it) and evaluation.key (give it to the server).
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace keys that are there; what was encrypted under them can no longer be decrypted.
    #[arg(long)]
    force: bool,
    /// INSECURE: derive the keys from a number. For tests and papers only.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    context.warn_of_seed(arguments.seed, "keys are");
    let interface = load_interface(&arguments.program)
        .with_context(|| format!("reading program {}", arguments.program.display()))?;
    let (secret, evaluation) = (arguments.out.join("secret.key"), arguments.out.join("evaluation.key"));
    if secret.exists() && !arguments.force {
        return Err(Exit::Usage.because(format!(
            "making keys: found {}, expected no key there; choose another --out, or --force to replace it for ever",
            secret.display()
        )));
    }
    files::folder(&arguments.out)?;
    let (client, server) = beaa_runtime::keygen(&interface.signature.parameters, arguments.seed)?;
    client.save(&secret).with_context(|| format!("writing {}", secret.display()))?;
    server.save(&evaluation).with_context(|| format!("writing {}", evaluation.display()))?;
    let result = json!({
        "key": client.id(),
        "secret_key": secret,
        "evaluation_key": evaluation,
        "evaluation_key_bytes": server.bytes(),
        "insecure_seed": arguments.seed,
    });
    context.print(&result, || {
        format!(
            "key {}\n  secret      {} (keep it)\n  evaluation  {} ({}, for the server)\n",
            client.id(),
            secret.display(),
            evaluation.display(),
            files::bytes(server.bytes() as f64)
        )
    })
}
