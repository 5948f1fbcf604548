//! `beaa compile`: a model into a program, with the report of what it will cost. Must never look at data or keys.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_compiler::ckks::{Compiled, Options, compile_for, explain};
use beaa_datasets::SourceSpec;
use beaa_ir::ckks::{SignatureFile, save_program, save_signature};
use beaa_ir::{Model, load_model};
use beaa_lab::model_images::{trained_on, training_images};
use beaa_lab::{experiment, files};
use clap::Args;
use serde_json::json;

use crate::byte_size;
use crate::context::Context;
use crate::dataset_args::{Roots, parse_set};
use crate::exit::Exit;
use crate::lookup::{self, Backend};
use crate::rates_file::Rates;

/// Options of `beaa compile`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Model file (.safetensors).
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// The program to write. Beside it, `<PROGRAM>.signature` is all that a client needs of it, without the model's
    /// weights, and `<PROGRAM>.json` gets the options and the report.
    #[arg(short, long, value_name = "PROGRAM")]
    pub(crate) out: PathBuf,
    /// What the program is for.
    #[arg(long, value_name = "NAME", value_enum, default_value = "ckks")]
    backend: Backend,
    /// With `--backend tfhe`: bits of what a table hands on, 2 to 6; searched by default.
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    pub(crate) activation_bits: Option<u32>,
    /// With `--backend tfhe`: bits of a pixel, and the model is meant on such pixels; by default as it was trained, or searched.
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    pub(crate) pixel_bits: Option<u32>,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) roots: Roots,
    #[command(flatten)]
    pub(crate) rates: Rates,
}

/// What to compile for.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Target {
    /// Take the options from the `compile` section of an experiment file; flags win.
    #[arg(long, value_name = "CONFIG", help_heading = "Compiler")]
    config: Option<PathBuf>,
    /// Bits of security: 128, 192 or 256 [default: 128].
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    security: Option<u32>,
    /// Images that one run must hold at least [default: 4096].
    #[arg(long, value_name = "N", help_heading = "Compiler")]
    batch: Option<usize>,
    /// Largest error of the outputs, root mean square: `0.01` or `2^-6` [default: 2^-7].
    #[arg(long, value_name = "E", help_heading = "Compiler", value_parser = parse_number)]
    logit_error: Option<f64>,
    /// Instead of an error: the share of images that must keep the class that the model gives them, as `0.999`. Margins are
    /// measured on --samples, by default the data set that the model was trained on.
    #[arg(long, value_name = "SHARE", help_heading = "Compiler", conflicts_with = "logit_error")]
    pub(crate) agreement: Option<f64>,
    /// Predict errors on the training images of this data set (name or JSON description) instead of on made-up ones, and
    /// choose with them: better predictions, a shorter modulus.
    #[arg(long, value_name = "NAME", help_heading = "Compiler", value_parser = parse_set)]
    pub(crate) samples: Option<SourceSpec>,
    /// log2 of the scale of a fresh ciphertext; chosen by default.
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    input_bits: Option<u32>,
    /// Bits of the integer weights; chosen per layer by default.
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    weight_bits: Option<u32>,
    /// Most memory that a run may take, like 8GiB: feature maps are cut into bands where it would take more [default: no
    /// limit].
    #[arg(long, value_name = "SIZE", value_parser = byte_size::parse, help_heading = "Compiler")]
    memory: Option<u64>,
}

impl Target {
    /// Flags over file over defaults, checked.
    pub(crate) fn options(&self) -> Result<Options> {
        let file = self.config.as_deref().map(experiment::compile_options).transpose()?;
        self.over(file.unwrap_or_default())
    }

    /// Flags over `base`, checked.
    pub(crate) fn over(&self, base: Options) -> Result<Options> {
        let options = Options {
            security: self.security.unwrap_or(base.security),
            batch: self.batch.unwrap_or(base.batch),
            logit_error: self.logit_error.unwrap_or(base.logit_error),
            // An error on the command line replaces an agreement in the file.
            agreement: self.agreement.or(base.agreement.filter(|_| self.logit_error.is_none())),
            input_bits: self.input_bits.or(base.input_bits),
            weight_bits: self.weight_bits.or(base.weight_bits),
            memory: self.memory.or(base.memory),
            ..base
        };
        options.check()?;
        Ok(options)
    }

    /// Compiles `model` with these options and samples.
    pub(crate) fn compile(&self, model: &Model, options: &Options, roots: &Roots) -> Result<Compiled> {
        let spec = match (&self.samples, options.agreement) {
            (Some(spec), _) => Some(spec.clone()),
            (None, Some(_)) => Some(trained_on(model).context("looking for images to measure margins on")?),
            (None, None) => None,
        };
        let images = spec.map(|spec| samples(&spec, model, roots)).transpose()?.unwrap_or_default();
        Ok(compile_for(model, options, &images)?)
    }
}

fn samples(spec: &SourceSpec, model: &Model, roots: &Roots) -> Result<Vec<Vec<f32>>> {
    training_images(&roots.open(spec)?, model)
}

/// A number, or a power such as `2^-6`.
fn parse_number(text: &str) -> Result<f64, String> {
    let number =
        |t: &str| t.trim().parse::<f64>().map_err(|e| format!("{e}; expected a number or a power such as 2^-6"));
    match text.split_once('^') {
        Some((base, exponent)) => Ok(number(base)?.powf(number(exponent)?)),
        None => number(text),
    }
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let options = arguments.target.options()?;
    if arguments.model.extension().is_some_and(|e| e == "onnx") {
        let path = arguments.model.display();
        let remedy = format!("make a model of it first: `beaa import {path} -o MODEL`");
        return Err(Exit::BadInput.because(format!("reading model {path}: found an ONNX file; {remedy}")));
    }
    let model = load_model(&arguments.model).with_context(|| format!("reading model {}", arguments.model.display()))?;
    if arguments.backend == Backend::Tfhe {
        return lookup::compile(arguments, &model, context);
    }
    let machine = arguments.rates.load()?;
    let compiled = arguments.target.compile(&model, &options, &arguments.roots)?;
    let report = compiled.report.on(&compiled.program, &machine);
    files::parent(&arguments.out)?;
    save_program(&compiled.program, &arguments.out)
        .with_context(|| format!("writing program {}", arguments.out.display()))?;
    let signature = beside(&arguments.out, ".signature");
    save_signature(&SignatureFile::from(&compiled.program), &signature)
        .with_context(|| format!("writing signature {}", signature.display()))?;
    let record = json!({"model": arguments.model, "options": options, "report": report});
    files::write_json(&beside(&arguments.out, ".json"), &record)?;
    context.console.note(format_args!("program written to {}", arguments.out.display()));
    context.print(&record, || explain(&report))
}

/// `program.beaa` -> `program.beaa.json` and the like.
pub(crate) fn beside(program: &Path, ending: &str) -> PathBuf {
    let mut name = program.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_section() {
        let target = Target { batch: Some(100), weight_bits: Some(9), ..Target::default() };
        let base = Options { batch: 50, security: 192, input_bits: Some(20), ..Options::default() };
        let options = target.over(base.clone()).unwrap();
        let expected = Options { batch: 100, weight_bits: Some(9), ..base };
        assert_eq!(options, expected);
        assert!(Target { security: Some(100), ..Target::default() }.options().is_err());
        let base = Options { agreement: Some(0.99), ..Options::default() };
        assert_eq!(Target::default().over(base.clone()).unwrap().agreement, Some(0.99));
        assert_eq!(Target { logit_error: Some(0.1), ..Target::default() }.over(base).unwrap().agreement, None);
    }

    #[test]
    fn errors_may_be_given_as_powers() {
        assert_eq!(parse_number("2^-6"), Ok(1.0 / 64.0));
        assert_eq!(parse_number("0.25"), Ok(0.25));
        assert!(parse_number("2^x").is_err() && parse_number("").is_err());
    }
}
