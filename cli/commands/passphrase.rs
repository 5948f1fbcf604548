//! `beaa passphrase`: sets, changes or removes the passphrase of a secret key.

use std::path::PathBuf;

use anyhow::Result;
use beaa_runtime::change_passphrase;
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::passphrase::{self, PassphraseArgs};

/// Options of `beaa passphrase`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The secret key, of either backend. It is replaced when the new file is whole.
    #[arg(value_name = "KEY")]
    key: PathBuf,
    #[command(flatten)]
    present: PassphraseArgs,
    /// File whose first line is the new passphrase, or an open descriptor [default: ask at the
    /// terminal].
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    new_passphrase_file: Option<PathBuf>,
    /// Leave the key without a passphrase.
    #[arg(long)]
    remove: bool,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { key, present, new_passphrase_file, remove } = arguments;
    let old = present.of_key(key, context)?;
    let new = match (new_passphrase_file, remove) {
        (_, true) => None,
        (Some(path), false) => Some(passphrase::read(path)?),
        (None, false) => Some(passphrase::ask_twice()?),
    };
    let id = change_passphrase(key, old.as_ref(), new.as_ref())?;
    let record = json!({"key": id, "secret_key": key, "encrypted": new.is_some()});
    context.print(&record, || {
        let state = if new.is_some() { "encrypted with the new passphrase" } else { "without a passphrase" };
        format!("key {id}: {} is {state}\n", key.display())
    })
}
