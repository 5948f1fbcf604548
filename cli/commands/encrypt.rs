//! `beaa encrypt`: images of a data set, or picture files, into one encrypted batch. Must never write pixels or the key.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_datasets::{Images, SourceSpec};
use beaa_ir::ckks::load_signature;
use beaa_lab::Reporter;
use beaa_lab::files;
use beaa_lab::model_images::normalise;
use beaa_runtime::ckks::{self, ClientKey};
use clap::Args;
use serde_json::json;

use super::labels::Labels;
use crate::context::Context;
use crate::dataset_args::{Part, Roots, parse_set};
use crate::exit::Exit;
use crate::progress::Work;
use crate::{image_files, lookup};

/// Options of `beaa encrypt`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compiled program, or its signature: a client needs no more.
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: PathBuf,
    /// The client's secret key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Name of a data set, or its description in JSON.
    #[arg(long, value_name = "NAME", value_parser = parse_set, help_heading = "Data", required_unless_present = "images")]
    data_set: Option<SourceSpec>,
    /// Picture files (PNG, JPEG) or folders of them instead, resized to what the program wants.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["data_set", "labels"], help_heading = "Data")]
    pub(crate) images: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) part: Part,
    #[command(flatten)]
    roots: Roots,
    /// The ciphertexts to write.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Also write the true labels, for `beaa decrypt --labels`; they stay with the client.
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// INSECURE: derive the encryption from a number. For tests and papers only.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    context.warn_of_seed(arguments.seed, "ciphertexts are");
    if lookup::is(&arguments.program)? {
        return lookup::encrypt(arguments, context);
    }
    let interface = load_signature(&arguments.program)
        .with_context(|| format!("reading program {}", arguments.program.display()))?;
    let key = ClientKey::load(&arguments.key).with_context(|| format!("reading key {}", arguments.key.display()))?;
    let signature = &interface.signature;
    let (images, data_set) = images(arguments, signature.input.shape, signature.parameters.degree, context)?;
    let inputs = normalise(&images, &signature.input)?;
    let work = Work::new(&context.console);
    let encrypted = ckks::encrypt(signature, &interface.program, &key, &inputs, arguments.seed, &work)?;
    context.check_interrupted("encrypting; nothing was written")?;
    files::parent(&arguments.out)?;
    let size = encrypted.save(&arguments.out).with_context(|| format!("writing {}", arguments.out.display()))?;
    if let Some(path) = &arguments.labels {
        let labels = Labels { data_set, split: arguments.part.split.clone(), labels: images.labels().to_vec() };
        files::write_json(path, &labels)?;
    }
    let slots = signature.parameters.degree;
    let result = json!({
        "file": arguments.out, "images": images.len(), "slots": slots, "bytes": size,
        "bytes_per_image": size as f64 / images.len() as f64, "insecure_seed": arguments.seed,
    });
    context.print(&result, || {
        format!(
            "{} images in a batch of {slots} slots: {}, {} ({} for each image; a full batch: {})\n",
            images.len(),
            arguments.out.display(),
            files::bytes(size as f64),
            files::bytes(size as f64 / images.len() as f64),
            files::bytes(size as f64 / slots as f64)
        )
    })
}

/// The images, `slots` at most, and the name of their set.
pub(crate) fn images(
    arguments: &Arguments,
    shape: [usize; 3],
    slots: usize,
    context: &Context,
) -> Result<(Images, String)> {
    let (images, name) = match &arguments.data_set {
        None => (image_files::read(&arguments.images, shape)?.0, String::new()),
        Some(spec) => {
            let dataset = arguments.roots.open(spec)?;
            let images = arguments.part.of(&dataset)?;
            let unasked = arguments.part.limit.is_none() && images.len() > slots;
            if unasked {
                context.console.note(format_args!("the first {slots} of {} images fill the batch", images.len()));
            }
            (if unasked { images.take(slots) } else { images }, dataset.name().to_owned())
        }
    };
    match images.len() > slots {
        true => Err(Exit::Usage.because(format!(
            "encrypting: found {} images, expected at most {slots}, the slots of the program; lower --limit, or compile with a larger --batch",
            images.len()
        ))),
        false => Ok((images, name)),
    }
}
