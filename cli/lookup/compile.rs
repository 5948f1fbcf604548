//! `beaa compile --backend tfhe`: calibrated on training images. Must never look at a test image.

use anyhow::{Context as _, Result};
use beaa_compiler::tfhe;
use beaa_datasets::SourceSpec;
use beaa_ir::Model;
use beaa_ir::tfhe::{SignatureFile, save_program, save_signature};
use beaa_lab::files;
use beaa_lab::model_images::{calibration_images, trained_on, trained_pixel_bits};
use serde_json::json;

use crate::commands::compile::{Arguments, beside};
use crate::context::Context;
use crate::dataset_args::Roots;

/// What runs the program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Backend {
    /// Thousands of images in one batch, approximate numbers.
    #[default]
    Ckks,
    /// One image at a time, exact integers, ReLU too; needs a build with the feature `tfhe` to run.
    Tfhe,
}

pub(crate) fn compile(arguments: &Arguments, model: &Model, context: &Context) -> Result<()> {
    let mut options = options(arguments.target.agreement, model);
    options.activation_bits = arguments.activation_bits;
    options.pixel_bits = arguments.pixel_bits.or(options.pixel_bits);
    let pixels = calibration(arguments.target.samples.as_ref(), model, &arguments.roots)?;
    let machine = arguments.rates.load()?;
    let compiled = tfhe::compile(model, &options, &machine, &pixels)?;
    files::parent(&arguments.out)?;
    let doing = || format!("writing program {}", arguments.out.display());
    save_program(&compiled.program, &arguments.out).with_context(doing)?;
    save_signature(&SignatureFile::from(&compiled.program), &beside(&arguments.out, ".signature"))
        .with_context(doing)?;
    let record = json!({"model": arguments.model, "backend": "tfhe", "options": options, "report": compiled.report});
    files::write_json(&beside(&arguments.out, ".json"), &record)?;
    context.console.note(format_args!("program written to {}", arguments.out.display()));
    if compiled.report.agreement < options.agreement {
        context.console.warn(format_args!(
            "{:.2} % of the samples keep their class, {:.2} % were asked for; nothing dearer was tried",
            100.0 * compiled.report.agreement,
            100.0 * options.agreement
        ));
    }
    context.print(&record, || tfhe::explain(&compiled.report))
}

/// Those that the model asks for, with this agreement if one is given.
pub(super) fn options(agreement: Option<f64>, model: &Model) -> tfhe::Options {
    let mut options = tfhe::Options::default();
    options.agreement = agreement.unwrap_or(options.agreement);
    options.pixel_bits = trained_pixel_bits(model);
    options
}

/// Training images of this data set, by default the one that the model was trained on, evenly spread.
pub(super) fn calibration(samples: Option<&SourceSpec>, model: &Model, roots: &Roots) -> Result<Vec<Vec<u8>>> {
    let spec = match samples {
        Some(spec) => spec.clone(),
        None => trained_on(model).context("looking for images to calibrate on")?,
    };
    calibration_images(&roots.open(&spec)?, model)
}
