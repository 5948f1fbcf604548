//! `beaa encrypt`: images of a data set, picture files, or rows of a table, into encrypted batches
//! in one file.

use std::borrow::Cow;
use std::path::PathBuf;

use anyhow::Result;
use beaa_base::words::count;
use beaa_datasets::{Images, SourceSpec};
use beaa_evaluation::files;
use beaa_evaluation::labels::{self, Labels};
use beaa_evaluation::model_images::as_taken_by;
use beaa_ir::{InputSpec, text};
use beaa_runtime::Receipt;
use clap::Args;
use serde_json::{Value, json};

use crate::any_program::{AnySignature, EncryptRequest};
use crate::context::Context;
use crate::dataset_args::{DatasetRoots, Part, parse_set};
use crate::exit::Exit;
use crate::image_files;
use crate::memory_args::MemoryArgs;
use crate::outputs::{CIPHERTEXTS, Files, OutputKind, RECEIPT, Replace};
use crate::outside::{self, MOST_LINES};
use crate::passphrase::PassphraseArgs;
use crate::receipts;
use crate::rows::RowArgs;
use crate::security::InsecureArgs;

/// Options of `beaa encrypt`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compiled program, or its signature: a client needs no more.
    #[arg(value_name = "PROGRAM")]
    program: PathBuf,
    /// The client's secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    images: ImageArgs,
    /// The ciphertexts to write.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Also write the true labels, for `beaa decrypt --labels`; they stay with the client.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The receipt of the batch to write, by which `beaa decrypt` knows its answers. It stays with
    /// the client [default: OUT.receipt].
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// INSECURE: derive the encryption from a number. For tests and papers only.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    insecure: InsecureArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    replace: Replace,
}

/// Which images are encrypted.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Name of a data set, or its description in JSON.
    #[arg(long, value_name = "NAME", value_parser = parse_set, help_heading = "Data")]
    #[arg(required_unless_present_any = ["images", "rows"])]
    data_set: Option<SourceSpec>,
    /// Picture files (PNG, JPEG) or folders of them instead, resized to what the program wants.
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Data")]
    #[arg(conflicts_with_all = ["data_set", "labels"])]
    images: Vec<PathBuf>,
    #[command(flatten)]
    rows: RowArgs,
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    roots: DatasetRoots,
}

/// What is encrypted for a server, and with which key.
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    /// The client's secret key; it stays here.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// What `--labels` writes.
const LABELS: OutputKind = OutputKind::Json("labels file", &["labels"]);

impl Arguments {
    /// Encrypts `images` into `out` for the program of a signature, with nothing insecure.
    pub(crate) fn of_job(
        program: PathBuf,
        secret: &SecretArgs,
        images: ImageArgs,
        out: PathBuf,
        labels: Option<PathBuf>,
    ) -> Self {
        Self {
            program,
            key: secret.key.clone(),
            passphrase: secret.passphrase.clone(),
            images,
            out,
            labels,
            receipt: None,
            seed: None,
            insecure: InsecureArgs::default(),
            memory: MemoryArgs::default(),
            replace: Replace::default(),
        }
    }
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let (record, text) = encrypt(arguments, context)?;
    context.print(&record, || text)
}

/// Encrypts, and says of it what is for programs and what is for people.
pub(crate) fn encrypt(arguments: &Arguments, context: &Context) -> Result<(Value, String)> {
    arguments.memory.apply();
    let Arguments { program, key, out, seed, .. } = arguments;
    let chosen = &arguments.images;
    let part = &chosen.part;
    context.warn_of_seed(*seed, "ciphertexts are");
    let receipt_path = arguments.receipt.clone().unwrap_or_else(|| receipts::default_path(out));
    let files = |bytes| {
        let files = Files::default().reads("PROGRAM", program.as_path()).reads("--key", key.as_path());
        let pictures = chosen.images.iter().filter(|path| !path.is_dir());
        pictures
            .fold(files, |files, path| files.reads("--images", path.as_path()))
            .writes("--out", out.as_path(), CIPHERTEXTS, bytes)
            .reads("--rows", chosen.rows.rows.as_deref())
            .writes("--receipt", receipt_path.as_path(), RECEIPT, 0)
            .writes("--labels", arguments.labels.as_deref(), LABELS, 0)
            .check(&arguments.replace)
    };
    files(0)?;
    let signature = AnySignature::open(program, context)?;
    let slots = signature.slots();
    // Without slots, one image unless more are named: each takes seconds.
    let most = if slots.is_some() || chosen.rows.rows.is_some() {
        part.limit.unwrap_or(usize::MAX)
    } else {
        part.limit.unwrap_or(1).max(chosen.images.len())
    };
    let labelled = arguments.labels.is_some();
    let Chosen { images, data_set, class_names } = images(chosen, labelled, signature.input(), most, context)?;
    files(signature.input_bytes(images.len()))?;
    if arguments.labels.is_some() {
        // Refused before anything is written; decrypt refuses it, too.
        labels::of_network(signature.classes(), &class_names, images.labels(), context)?;
    }
    // A seed is asked for by name: its key may be from one, too.
    let insecure = InsecureArgs { insecure: arguments.insecure.insecure || seed.is_some() };
    let passphrase = arguments.passphrase.of_key(key, context)?;
    let passphrase = passphrase.as_ref();
    let request =
        EncryptRequest { key, passphrase, images: &images, seed: *seed, insecure, out, receipt: &receipt_path };
    let (receipt, size) = signature.encrypt(&request, context)?;
    if let Some(path) = &arguments.labels {
        let batch = Some(receipt.batch().clone());
        let (split, labels) = (part.split.clone(), images.labels().to_vec());
        let labels = Labels { batch, data_set, split, class_names, labels };
        files::write_json(path, &labels)?;
    }
    warn_of_deviating(&receipt, context);
    let per_image = size as f64 / images.len() as f64;
    let mut record = json!({
        "file": out, "images": images.len(), "bytes": size, "bytes_per_image": per_image, "insecure_seed": seed,
        "batch": receipt.batch(), "receipt": receipt_path, "deviating": receipt.deviating(),
        "seconds": context.seconds(),
    });
    let batches = receipt.batches().len();
    if let Some(slots) = slots {
        record["slots"] = slots.into();
        record["batches"] = batches.into();
    }
    let (count, file) = (count(images.len(), "image"), out.display());
    let (all, each) = (text::bytes(size as f64), text::bytes(per_image));
    let text = match slots {
        Some(slots) => {
            let full = text::bytes(size as f64 / (slots * batches) as f64);
            let (batches, full_batches) = match batches {
                1 => ("a batch".to_owned(), "a full batch"),
                n => (format!("{n} batches"), "full batches"),
            };
            format!(
                "{count} in {batches} of {slots} slots: {file}, {all} ({each} for each image; {full_batches}: {full})\n"
            )
        }
        None => format!("{count}: {file}, {all} ({each} for each)\n"),
    };
    Ok((record, text))
}

/// Names the images that are outside of what the program was compiled for.
fn warn_of_deviating(receipt: &Receipt, context: &Context) {
    let deviating = receipt.deviating();
    if deviating.is_empty() {
        return;
    }
    context.console.warn(format_args!(
        "{} of {} images are outside of what the program was compiled for; its answers to them may be wrong:",
        deviating.len(),
        receipt.images()
    ));
    for d in deviating.iter().take(MOST_LINES) {
        context.console.warn(format_args!(
            "  {}: {} of channel {} is {:.3}, samples had {:.3} to {:.3}",
            outside::name(receipt.names(), d.image),
            d.statistic,
            d.channel,
            d.found,
            d.promised.min,
            d.promised.max
        ));
    }
    outside::say_rest(deviating.len(), context);
}

/// The images to encrypt, and of which data set they are.
struct Chosen {
    images: Images,
    /// Empty for files.
    data_set: String,
    /// Of its classes, in the order of the labels; empty for files.
    class_names: Vec<String>,
}

/// The images, `most` at most.
fn images(arguments: &ImageArgs, labelled: bool, input: &InputSpec, most: usize, context: &Context) -> Result<Chosen> {
    let (images, data_set, class_names) = match &arguments.data_set {
        None => (read_files(arguments, input, context)?, String::new(), Vec::new()),
        Some(spec) => {
            let part = arguments.roots.open_part(spec, &arguments.part)?;
            if labelled && !part.labelled {
                return Err(Exit::Usage.because(format!(
                    "--labels: found images of {} without labels, expected a file of labels beside them; describe it, \
                     or leave --labels out",
                    part.name
                )));
            }
            let images = for_network(part.images, input)?;
            let too_many = arguments.part.limit.is_none() && images.len() > most;
            if too_many {
                context.console.note(format_args!(
                    "the first {most} of {} only: each takes seconds; choose how many with --limit",
                    count(images.len(), "image")
                ));
            }
            let images = if too_many { images.take(most) } else { images };
            (images, part.name, part.classes)
        }
    };
    if images.len() > most {
        return Err(Exit::Usage.because(format!(
            "encrypting: found {}, expected at most {most}, as --limit says; raise it, or give fewer",
            count(images.len(), "image")
        )));
    }
    Ok(Chosen { images: arguments.rows.clipped(images, input, context)?, data_set, class_names })
}

/// Picture files, or the rows of a table.
fn read_files(arguments: &ImageArgs, input: &InputSpec, context: &Context) -> Result<Images> {
    if let Some(path) = &arguments.rows.rows {
        let rows = arguments.rows.read(path, input, context)?;
        let rows = match arguments.part.limit {
            Some(n) => rows.take(n),
            None => rows,
        };
        return for_network(rows, input);
    }
    if input.reals().is_some() {
        return Err(Exit::BadInput.because(
            "encrypting: found picture files and a program that takes real numbers, expected rows or signals; give \
             them with --rows FILE, a table (CSV) or an array (.npy)",
        ));
    }
    for_network(image_files::read(&arguments.images, input.picture_shape())?, input)
}

/// The samples as the network takes them.
fn for_network(images: Images, input: &InputSpec) -> Result<Images> {
    let changed = match as_taken_by(&images, input)? {
        Cow::Borrowed(_) => None,
        Cow::Owned(changed) => Some(changed),
    };
    Ok(changed.unwrap_or(images))
}
