//! Encrypting for a server, sending, and what comes back: by the functions of `beaa encrypt` and
//! `beaa decrypt`, with a receipt each time.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_base::folder;
use beaa_evaluation::files;
use beaa_ir::ckks;
use beaa_ir::container::{self, Kind};
use beaa_protocol::JobView;
use beaa_remote::{Connection, JobFolder, JobRecord};
use beaa_runtime::Receipt;
use clap::Args;

use super::find_program;
use super::follower::Shown;
use crate::commands::decrypt::{self, AnswerArgs};
use crate::commands::encrypt::{self, ImageArgs, SecretArgs};
use crate::context::Context;
use crate::exit::Exit;

/// Far more than a file of answers says of a batch in its header.
const BATCH_HEADER_BYTES: u64 = 64 << 10;
/// True labels, beside the encrypted images.
const LABELS: &str = "labels.json";

/// Options of `beaa remote submit`.
#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    /// Name of a program of the server, or the beginning of its fingerprint.
    #[arg(value_name = "PROGRAM")]
    program: String,
    #[command(flatten)]
    secret: SecretArgs,
    /// The evaluation key of the same pair, which is sent once [default: evaluation.key beside the
    /// secret key].
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    images: ImageArgs,
    /// Folder for all that belongs to this job: images and answers, encrypted, their receipt, and
    /// how far it is.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// Keep the true labels of the data set in the folder, and say how many answers are right.
    #[arg(long)]
    labels: bool,
    /// Wait for the answers, and decrypt them.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    answers: AnswerArgs,
}

/// Options of `beaa remote fetch`.
#[derive(Debug, Args)]
pub(super) struct FetchArgs {
    /// The folder that was given to `beaa remote submit`.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    answers: AnswerArgs,
}

pub(super) fn submit(arguments: SubmitArgs, connection: &Connection, context: &Context) -> Result<()> {
    let SubmitArgs { program, secret, keys, images, folder: path, labels, wait, answers } = arguments;
    let folder = JobFolder::new(&path);
    files::create_folder(&path)?;
    let _lock = folder::lock(&path)?;
    if folder.record()?.is_some() {
        context.console.note(format_args!("going on with the job in {}; nothing is encrypted again", path.display()));
    } else {
        encrypt_into(&folder, (&program, &secret, keys), (images, labels), connection, context)?;
    }
    let shown = Shown::new(context);
    if wait {
        return finish(&folder, &secret, answers, connection, context);
    }
    expect_public(&folder)?;
    let job = folder.queue(connection, &shown)?;
    drop(shown);
    let told = |job: &JobView| {
        format!(
            "job {} is {}; fetch its answers with `beaa remote fetch {}`\n",
            job.id,
            job.state.name(),
            path.display()
        )
    };
    context.print(&job, || told(&job))
}

pub(super) fn fetch(arguments: FetchArgs, connection: &Connection, context: &Context) -> Result<()> {
    let FetchArgs { folder: path, secret, answers } = arguments;
    let _lock = folder::lock(&path).with_context(|| format!("opening the folder of a job, {}", path.display()))?;
    finish(&JobFolder::new(&path), &secret, answers, connection, context)
}

/// Fetches the answers and decrypts them by their receipt.
fn finish(
    folder: &JobFolder,
    secret: &SecretArgs,
    answers: AnswerArgs,
    connection: &Connection,
    context: &Context,
) -> Result<()> {
    expect_public(folder)?;
    let most = most_answer_bytes(folder)?;
    let shown = Shown::new(context);
    folder.fetch(connection, most, &shown)?;
    drop(shown);
    let labels = folder.path().join(LABELS);
    let labels = labels.exists().then_some(labels);
    let files = [folder.answers(), folder.receipt()];
    let arguments = decrypt::Arguments::of_job(folder.signature(), secret, files, answers, labels);
    decrypt::run(&arguments, context)
}

/// The most bytes that the answers to what was sent can have, whatever the server says: eight for
/// each residue of each ciphertext, and some for what is said of a batch.
fn most_answer_bytes(folder: &JobFolder) -> Result<u64> {
    let signature = ckks::load_signature(&folder.signature())?.signature;
    let batches = Receipt::load(&folder.receipt())?.batches().len() as u64;
    let numbers = [
        signature.output_ciphertexts(),
        signature.output_components,
        signature.output_limbs,
        signature.parameters.degree,
    ];
    let bytes = numbers.into_iter().fold(8_u64, |product, number| product.saturating_mul(number as u64));
    Ok(batches.saturating_mul(bytes.saturating_add(BATCH_HEADER_BYTES)))
}

/// Encrypts images with the signature that the server gives, and notes the job.
fn encrypt_into(
    folder: &JobFolder,
    (program, secret, keys): (&str, &SecretArgs, Option<PathBuf>),
    (images, labels): (ImageArgs, bool),
    connection: &Connection,
    context: &Context,
) -> Result<()> {
    let view = find_program(connection, program)?;
    // Looked at before the work: it is needed afterwards.
    let key = if view.needs_key { Some(evaluation_key(&secret.key, keys)?) } else { None };
    files::write(&folder.signature(), &connection.signature(&view)?)?;
    let labels = labels.then(|| folder.path().join(LABELS));
    let arguments = encrypt::Arguments::of_job(folder.signature(), secret, images, folder.images(), labels);
    let (_, text) = encrypt::encrypt(&arguments, context)?;
    context.console.note(text.trim_end());
    let record = JobRecord {
        server: connection.server().to_owned(),
        program: view.program,
        key,
        key_upload: None,
        upload: None,
        job: None,
    };
    Ok(folder.note(&record)?)
}

/// Refuses to send what a server must not have: the path of a key may be a mistake, and the notes
/// of a job somebody else's.
fn expect_public(folder: &JobFolder) -> Result<()> {
    let Some(record) = folder.record()?.filter(|record| record.job.is_none()) else { return Ok(()) };
    let key = record.key.map(|path| (path, Kind::EvaluationKey));
    for (path, expected) in key.into_iter().chain([(folder.images(), Kind::Ciphertexts)]) {
        let found = container::kind(&path)?;
        if found != Some(expected) {
            let found = found.map_or("no file of beaa", Kind::name);
            return Err(Exit::BadInput.because(format!(
                "sending a job: found {found} at {}, expected {}; nothing was sent: submit into another --folder, with \
                 --keys if need be",
                path.display(),
                expected.name()
            )));
        }
    }
    Ok(())
}

/// The evaluation key of the pair, by its absolute path.
fn evaluation_key(secret: &Path, named: Option<PathBuf>) -> Result<PathBuf> {
    let path = named.unwrap_or_else(|| secret.with_file_name("evaluation.key"));
    std::path::absolute(&path).ok().filter(|path| path.is_file()).ok_or_else(|| {
        Exit::BadInput.because(format!(
            "looking for the evaluation key: found none at {}, expected the one that `beaa keygen` wrote with the \
             secret key; name it with --keys",
            path.display()
        ))
    })
}
