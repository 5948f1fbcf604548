//! `beaa compile`: a model into a program, with the report of what it will cost. Must never look at data or keys.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_compiler::{Options, compile, explain};
use beaa_ir::{Interface, load_model, save_interface, save_program};
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::machine::Rates;
use crate::{experiment, files};

/// Options of `beaa compile`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Model file (.safetensors).
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The program to write. Beside it, `<PROGRAM>.signature` is all that a client needs of it, without the model's
    /// weights, and `<PROGRAM>.json` gets the options and the report.
    #[arg(short, long, value_name = "PROGRAM")]
    out: PathBuf,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    rates: Rates,
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
    /// Largest standard deviation of an output's error [default: 1/128].
    #[arg(long, value_name = "E", help_heading = "Compiler")]
    logit_error: Option<f64>,
    /// log2 of the scale of a fresh ciphertext; chosen by default.
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    input_bits: Option<u32>,
    /// Bits of the integer weights; chosen per layer by default.
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    weight_bits: Option<u32>,
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
            input_bits: self.input_bits.or(base.input_bits),
            weight_bits: self.weight_bits.or(base.weight_bits),
            ..base
        };
        options.check()?;
        Ok(options)
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
    let machine = arguments.rates.load()?;
    let compiled = compile(&model, &options)?;
    let report = compiled.report.on(&compiled.program, &machine);
    files::parent(&arguments.out)?;
    save_program(&compiled.program, &arguments.out)
        .with_context(|| format!("writing program {}", arguments.out.display()))?;
    let signature = beside(&arguments.out, ".signature");
    save_interface(&Interface::from(&compiled.program), &signature)
        .with_context(|| format!("writing signature {}", signature.display()))?;
    let record = json!({"model": arguments.model, "options": options, "report": report});
    files::write_json(&beside(&arguments.out, ".json"), &record)?;
    context.console.note(format_args!("program written to {}", arguments.out.display()));
    context.print(&record, || explain(&report))
}

/// `program.beaa` -> `program.beaa.json` and the like.
fn beside(program: &Path, ending: &str) -> PathBuf {
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
    }
}
