//! `beaa verify`: clear and encrypted side by side, the error of every layer against its
//! prediction. For the owner of the model and of the images.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_base::words::count;
use beaa_datasets::SourceSpec;
use beaa_evaluation::labels;
use beaa_evaluation::model_images::trained_on;
use beaa_ir::{Model, container, load_model};
use clap::Args;

use crate::any_program::AnyProgram;
use crate::compile_args::CompileArgs;
use crate::context::Context;
use crate::dataset_args::{DatasetRoots, Part, parse_set};
use crate::device_args::DeviceArgs;
use crate::exit::Exit;

/// Options of `beaa verify`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A model, which is compiled first, or a program.
    #[arg(value_name = "MODEL|PROGRAM")]
    file: PathBuf,
    /// Name of a data set, or its description in JSON; by default the one that the model was
    /// trained on.
    #[arg(long, value_name = "NAME", value_parser = parse_set, help_heading = "Data")]
    data_set: Option<SourceSpec>,
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    roots: DatasetRoots,
    #[command(flatten)]
    target: CompileArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// INSECURE: derive the throw-away keys from a number, to repeat a verification exactly.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { data_set, part, roots, seed, device, .. } = arguments;
    let (model, program) = open(arguments, context)?;
    let card = device.open_for(&program, context)?;
    let spec = match (data_set, &model) {
        (Some(spec), _) => spec.clone(),
        (None, Some(model)) => trained_on(model)?,
        (None, None) => return Err(Exit::Usage.because("verifying a program: no images; give --data-set")),
    };
    context.warn_of_seed(*seed, "throw-away keys and ciphertexts are");
    let dataset = roots.open(&spec)?;
    let wanted = part.of(&dataset)?;
    let images = wanted.take(program.verified_images(part.limit));
    if images.len() < wanted.len() && part.limit.is_some() {
        context.console.note(format_args!(
            "the first {} of {} are verified, one batch; every batch is computed alike",
            images.len(),
            count(wanted.len(), "image")
        ));
    }
    let labels = match &program {
        // Encrypted and clear are compared with each other, not with labels.
        AnyProgram::Ckks(_) => None,
        AnyProgram::Tfhe(_) => labels::of_network(program.classes(), dataset.classes(), images.labels(), context)
            .inspect_err(|error| context.console.warn(format_args!("labels are not compared: {error}")))
            .ok(),
    };
    let comparison = model.map(|model| program.compare(&model, &images)).transpose()?;
    let verification = program.verify(&images, labels.as_deref(), *seed, card.as_ref(), context)?;
    verification.print(comparison.as_ref(), context)?;
    verification.check()
}

/// The program; a model is compiled first and kept for comparison.
fn open(arguments: &Arguments, context: &Context) -> Result<(Option<Model>, AnyProgram)> {
    let path = &arguments.file;
    if container::kind(path)?.is_some() {
        arguments.target.apply_to_program("verifying a program")?;
        return Ok((None, AnyProgram::open(path, context)?));
    }
    let model = load_model(path).with_context(|| format!("reading model {}", path.display()))?;
    let options = arguments.target.options()?;
    let program = arguments.target.compile(&model, &options, &arguments.roots)?.program;
    Ok((Some(model), AnyProgram::Ckks(program)))
}
