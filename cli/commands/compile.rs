//! `beaa compile`: a model into a program, with the report of what it will cost.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_compiler::ckks::{Coverage, Options, explain};
use beaa_evaluation::files;
use beaa_ir::{Model, ckks, load_model, tfhe};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::compile_args::CompileArgs;
use crate::context::Context;
use crate::dataset_args::DatasetRoots;
use crate::exit::Exit;
use crate::outputs::{Files, OutputKind, PROGRAM, Replace, SIGNATURE};
use crate::rates_file::Rates;

/// Options of `beaa compile`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Model file (.safetensors).
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The program to write. Beside it, `<PROGRAM>.signature` is all that a client needs of it,
    /// without the model's weights, and `<PROGRAM>.json` gets the options and the report.
    #[arg(short, long, value_name = "PROGRAM")]
    out: PathBuf,
    /// What the program is for.
    #[arg(long, value_name = "NAME", value_enum, default_value = "ckks")]
    backend: Backend,
    /// With `--backend tfhe`: bits of what a table hands on, 2 to 6; searched by default.
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    activation_bits: Option<u32>,
    /// With `--backend tfhe`: bits of a pixel, and the model is meant on such pixels; by default as
    /// it was trained, or searched.
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    pixel_bits: Option<u32>,
    #[command(flatten)]
    target: CompileArgs,
    #[command(flatten)]
    roots: DatasetRoots,
    #[command(flatten)]
    rates: Rates,
    #[command(flatten)]
    replace: Replace,
}

/// The report beside a program.
const REPORT: OutputKind = OutputKind::Json("report of `beaa compile`", &["model", "options", "report"]);

/// What runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// Thousands of images in one batch, approximate numbers.
    Ckks,
    /// One image at a time, exact integers, ReLU too; needs a build with the feature `tfhe` to run.
    Tfhe,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let options = arguments.target.options()?;
    let (signature, record) = (beside(&arguments.out, ".signature"), beside(&arguments.out, ".json"));
    Files::default()
        .reads("MODEL", arguments.model.as_path())
        .reads("--config", arguments.target.config())
        .reads("--machine", arguments.rates.named())
        .writes("--out", arguments.out.as_path(), PROGRAM, 0)
        .writes("the signature of --out", signature.as_path(), SIGNATURE, 0)
        .writes("the report of --out", record.as_path(), REPORT, 0)
        .check(&arguments.replace)?;
    let path = arguments.model.display();
    if arguments.model.extension().is_some_and(|e| e == "onnx") {
        let remedy = format!("make a model of it first: `beaa import {path} -o MODEL`");
        return Err(Exit::BadInput.because(format!("reading model {path}: found an ONNX file; {remedy}")));
    }
    let model = load_model(&arguments.model).with_context(|| format!("reading model {path}"))?;
    match arguments.backend {
        Backend::Ckks => {
            if arguments.activation_bits.is_some() || arguments.pixel_bits.is_some() {
                let found = "found --activation-bits or --pixel-bits, which only --backend tfhe has";
                return Err(Exit::Usage.because(format!("compiling for ckks: {found}; leave them out")));
            }
            compile_ckks(arguments, &model, &options, context)
        }
        Backend::Tfhe => {
            arguments.target.check_for_tfhe(&options)?;
            compile_tfhe(arguments, &model, context)
        }
    }
}

fn compile_ckks(arguments: &Arguments, model: &Model, options: &Options, context: &Context) -> Result<()> {
    let machine = arguments.rates.load()?;
    let compiled = arguments.target.compile(model, options, &arguments.roots)?;
    let report = compiled.report.on(&compiled.program, &machine);
    files::create_parent(&arguments.out)?;
    ckks::save_program(&compiled.program, &arguments.out)
        .with_context(|| format!("writing program {}", arguments.out.display()))?;
    let signature = beside(&arguments.out, ".signature");
    ckks::save_signature(&ckks::SignatureFile::from(&compiled.program), &signature)
        .with_context(|| format!("writing signature {}", signature.display()))?;
    let record = json!({"model": arguments.model, "options": options, "report": report});
    files::write_json(&beside(&arguments.out, ".json"), &record)?;
    context.console.note(format_args!("program written to {}", arguments.out.display()));
    if let Some(Coverage::Nothing { .. }) = &report.totals.coverage {
        context.console.warn(format_args!("the program promises nothing of any image; the report says why"));
    }
    context.print(&record, || explain(&report))
}

fn compile_tfhe(arguments: &Arguments, model: &Model, context: &Context) -> Result<()> {
    let mut options = arguments.target.tfhe_options(model);
    options.activation_bits = arguments.activation_bits;
    options.pixel_bits = arguments.pixel_bits.or(options.pixel_bits);
    let pixels = arguments.target.tfhe_calibration(model, &arguments.roots)?;
    let machine = arguments.rates.load()?;
    let compiled = beaa_compiler::tfhe::compile(model, &options, &machine, &pixels)?;
    let kept = compiled.report.agreement;
    if let Some(requested) = arguments.target.requested_agreement().filter(|requested| kept < *requested) {
        return Err(Exit::BadInput.because(format!(
            "lowering to look-ups: found at best {:.2} % of the samples kept apart with the model's class, expected \
             the {:.2} % that --agreement asks for; ask for less, leave --activation-bits and --pixel-bits to the \
             compiler, or compile for ckks",
            100.0 * kept,
            100.0 * requested
        )));
    }
    files::create_parent(&arguments.out)?;
    let doing = || format!("writing program {}", arguments.out.display());
    tfhe::save_program(&compiled.program, &arguments.out).with_context(doing)?;
    tfhe::save_signature(&tfhe::SignatureFile::from(&compiled.program), &beside(&arguments.out, ".signature"))
        .with_context(doing)?;
    let record = json!({"model": arguments.model, "backend": "tfhe", "options": options, "report": compiled.report});
    files::write_json(&beside(&arguments.out, ".json"), &record)?;
    context.console.note(format_args!("program written to {}", arguments.out.display()));
    if kept < options.agreement {
        context.console.warn(format_args!(
            "{:.2} % of the samples keep their class, {:.2} % were asked for; nothing dearer was tried",
            100.0 * kept,
            100.0 * options.agreement
        ));
    }
    context.print(&record, || beaa_compiler::tfhe::explain(&compiled.report))
}

/// `program.beaa` -> `program.beaa.json` and the like.
fn beside(program: &Path, ending: &str) -> PathBuf {
    let mut name = program.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
