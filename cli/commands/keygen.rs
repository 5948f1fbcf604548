//! `beaa keygen`: the key pair for a program.

use std::path::{Path, PathBuf};

use anyhow::Result;
use beaa_base::folder;
use beaa_evaluation::files;
use beaa_ir::container::Kind;
use beaa_ir::text;
use clap::Args;
use serde_json::json;

use crate::any_program::{AnySignature, KeyFiles};
use crate::context::Context;
use crate::exit::Exit;
use crate::outputs::{Files, OutputKind, Replace};
use crate::passphrase::PassphraseArgs;

/// Options of `beaa keygen`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compiled program, or its signature; its parameters decide the keys.
    #[arg(value_name = "PROGRAM")]
    program: PathBuf,
    /// Folder for secret.key (keep it) and evaluation.key (give it to the server; there is none
    /// where the program switches no keys).
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder for evaluation.key, apart from the secret key [default: --out].
    #[arg(long, value_name = "DIR")]
    public: Option<PathBuf>,
    /// Replace keys that are there; what was encrypted under them can no longer be decrypted.
    #[arg(long)]
    force: bool,
    /// INSECURE: derive the keys from a number. For tests and papers only.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Encrypt the secret key with a passphrase, which is asked for at the terminal unless
    /// --passphrase-file names it.
    #[arg(long)]
    passphrase: bool,
    #[command(flatten)]
    passphrase_file: PassphraseArgs,
}

const SECRET_KEY: OutputKind = OutputKind::Container(&[Kind::SecretKey, Kind::TfheSecretKey, Kind::ProtectedKey]);
const EVALUATION_KEY: OutputKind = OutputKind::Container(&[Kind::EvaluationKey, Kind::TfheServerKey]);

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { program, out, public, force, seed, passphrase, passphrase_file } = arguments;
    let public = public.as_ref().unwrap_or(out);
    context.warn_of_seed(*seed, "keys are");
    let signature = AnySignature::open(program, context)?;
    let paths = KeyFiles { secret: out.join("secret.key"), evaluation: public.join("evaluation.key") };
    let evaluation = signature.needs_evaluation_key().then_some(paths.evaluation.as_path());
    refuse_existing(&paths.secret, evaluation, *force)?;
    Files::default()
        .reads("PROGRAM", program.as_path())
        .writes("the secret key", paths.secret.as_path(), SECRET_KEY, 0)
        .writes("the evaluation key", evaluation, EVALUATION_KEY, 0)
        .check(&Replace { force: *force })?;
    let passphrase = passphrase_file.new_one(*passphrase)?;
    files::create_folder(out)?;
    if evaluation.is_some() {
        files::create_folder(public)?;
    }
    let _lock = folder::lock(out)?;
    // Another process may have made a key meanwhile.
    refuse_existing(&paths.secret, evaluation, *force)?;
    say_of_half_a_pair(&paths.secret, evaluation, context);
    let keys = signature.keygen(*seed, passphrase.as_ref(), &paths)?;
    let record = json!({
        "key": keys.id,
        "secret_key": paths.secret,
        "evaluation_key": evaluation,
        "evaluation_key_bytes": keys.evaluation_bytes,
        "encrypted": passphrase.is_some(),
        "insecure_seed": seed,
        "seconds": context.seconds(),
    });
    context.print(&record, || {
        let keep = if passphrase.is_some() { "keep it and its passphrase" } else { "keep it" };
        let evaluation = match keys.evaluation_bytes {
            Some(bytes) => format!("{} ({}, for the server)", paths.evaluation.display(), text::bytes(bytes as f64)),
            None => "none: the program switches no keys, so that the server needs none".to_owned(),
        };
        format!("key {}\n  secret      {} ({keep})\n  evaluation  {evaluation}\n", keys.id, paths.secret.display())
    })
}

/// A secret key is the only way to what was encrypted under it.
fn refuse_existing(secret: &Path, evaluation: Option<&Path>, force: bool) -> Result<()> {
    if force {
        return Ok(());
    }
    // In a folder of its own it may be another client's, of which there is no second.
    if let Some(there) = evaluation.filter(|e| e.exists() && e.parent() != secret.parent()) {
        return Err(Exit::Usage.because(format!(
            "making keys: found {}, expected no key there; choose another --public, or --force to replace it",
            there.display()
        )));
    }
    if !secret.exists() {
        return Ok(());
    }
    let remedy = if evaluation.is_none_or(Path::exists) {
        "choose another --out, or --force to replace it for ever"
    } else {
        "its evaluation key is not there, as when `beaa keygen` was ended between the two: if nothing was encrypted \
         under it, --force makes a new pair, else choose another --out"
    };
    Err(Exit::Usage.because(format!("making keys: found {}, expected no key there; {remedy}", secret.display())))
}

/// Names what is replaced without being asked for.
fn say_of_half_a_pair(secret: &Path, evaluation: Option<&Path>, context: &Context) {
    if let Some(evaluation) = evaluation.filter(|e| e.exists() && !secret.exists()) {
        context.console.note(format_args!(
            "{} is there without its secret key, as when `beaa keygen` is ended between the two, and is replaced",
            evaluation.display()
        ));
    }
}
