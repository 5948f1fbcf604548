//! Options that say what to compile for, shared by the subcommands that compile.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_compiler::ckks::{Compiled, Options, Packing, Samples, compile_for};
use beaa_compiler::tfhe;
use beaa_datasets::{HoldOut, SourceSpec};
use beaa_evaluation::model_images::{
    PlanningImages, calibration_images, planning_images, trained_on, trained_pixel_bits,
};
use beaa_ir::Model;
use beaa_ir::images::ImageMajor;
use beaa_lab::experiment;
use clap::Args;

use crate::byte_size;
use crate::dataset_args::{DatasetRoots, parse_set};
use crate::exit::Exit;

/// Bits of security of the tfhe backend's parameters.
const TFHE_SECURITY: u32 = 128;

/// What to compile for.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CompileArgs {
    /// Take the options from the `compile` section of an experiment file; flags win.
    #[arg(long, value_name = "CONFIG", help_heading = "Compiler")]
    config: Option<PathBuf>,
    /// Bits of security: 128, 192 or 256 [default: 128].
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    security: Option<u32>,
    /// Plan by the table for attacks with quantum computers, which allows about a quarter less
    /// modulus.
    #[arg(long, help_heading = "Compiler")]
    quantum: bool,
    /// Images that are to be run together: in one batch, or in several of a smaller ring where that
    /// costs less in time and bytes [default: 4096].
    #[arg(long, value_name = "N", help_heading = "Compiler")]
    batch: Option<usize>,
    /// How many elements of an image a ciphertext holds: `element` for one, of every image;
    /// `channel` for as many as there are slots, of one image; `block:S` for S positions, a power
    /// of two; `auto` for what costs the least for --batch [default: auto].
    #[arg(long, value_name = "PACKING", help_heading = "Compiler")]
    packing: Option<Packing>,
    /// Largest error of the outputs, root mean square: `0.01` or `2^-6` [default: 2^-7].
    #[arg(long, value_name = "E", help_heading = "Compiler", value_parser = parse_number)]
    logit_error: Option<f64>,
    /// Instead of an error: the share of images that must keep the class that the model gives them,
    /// as `0.999`. Margins are measured on --samples, by default the data set that the model was
    /// trained on.
    #[arg(long, value_name = "SHARE", help_heading = "Compiler", conflicts_with = "logit_error")]
    agreement: Option<f64>,
    /// Predict errors on the training images of this data set (name or JSON description) instead of
    /// on made-up ones, and choose with them: better predictions, a shorter modulus.
    #[arg(long, value_name = "NAME", help_heading = "Compiler", value_parser = parse_set)]
    samples: Option<SourceSpec>,
    /// log2 of the scale of a fresh ciphertext; chosen by default.
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    input_bits: Option<u32>,
    /// Bits of the integer weights; chosen per layer by default.
    #[arg(long, value_name = "BITS", help_heading = "Compiler")]
    weight_bits: Option<u32>,
    /// Most memory that a run may take, like 8GiB: feature maps are cut into bands where it would
    /// take more [default: no limit].
    #[arg(long, value_name = "SIZE", value_parser = byte_size::parse, help_heading = "Compiler")]
    memory: Option<u64>,
}

impl CompileArgs {
    /// The experiment file that options are taken from.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Flags over file over defaults, checked.
    pub(crate) fn options(&self) -> Result<Options> {
        let file = self.config.as_deref().map(experiment::compile_options).transpose()?;
        self.over(file.unwrap_or_default())
    }

    /// Flags over `base`, checked.
    pub(crate) fn over(&self, base: Options) -> Result<Options> {
        let options = Options {
            security: self.security.unwrap_or(base.security),
            quantum: self.quantum || base.quantum,
            batch: self.batch.unwrap_or(base.batch),
            packing: self.packing.unwrap_or(base.packing),
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

    /// Compiles `model` for the ckks backend with these options and samples.
    pub(crate) fn compile(&self, model: &Model, options: &Options, roots: &DatasetRoots) -> Result<Compiled> {
        let images = self.sample_images(model, options, roots)?;
        Ok(compile_for(model, options, images.as_ref().map(samples))?)
    }

    /// The samples asked for; those that the model was trained on where margins must be measured.
    pub(crate) fn sample_images(
        &self,
        model: &Model,
        options: &Options,
        roots: &DatasetRoots,
    ) -> Result<Option<PlanningImages>> {
        let spec = match (&self.samples, options.agreement) {
            (Some(spec), _) => Some(as_trained_on(model, spec)),
            (None, Some(_)) => Some(trained_on(model).context("looking for images to measure margins on")?),
            (None, None) => None,
        };
        spec.map(|spec| planning_images(&roots.open(&spec)?, model)).transpose()
    }

    /// The share of images that must keep their class, if the command line asks for one.
    pub(crate) fn requested_agreement(&self) -> Option<f64> {
        self.agreement
    }

    /// For a program, which is compiled already: refuses what could only be ignored; what a run may
    /// take limits this process.
    pub(crate) fn apply_to_program(&self, operation: &str) -> Result<()> {
        if let Some(option) = self.present().find(|option| *option != "--memory") {
            return Err(Exit::Usage.because(format!(
                "{operation}: found {option} with a program, expected a model, which is compiled first; leave it out, \
                 or give the model"
            )));
        }
        if let Some(bytes) = self.memory {
            beaa_memory::limit(bytes);
        }
        Ok(())
    }

    /// The options on the command line.
    fn present(&self) -> impl Iterator<Item = &'static str> {
        let options = [
            ("--config", self.config.is_some()),
            ("--security", self.security.is_some()),
            ("--quantum", self.quantum),
            ("--batch", self.batch.is_some()),
            ("--packing", self.packing.is_some()),
            ("--logit-error", self.logit_error.is_some()),
            ("--agreement", self.agreement.is_some()),
            ("--samples", self.samples.is_some()),
            ("--input-bits", self.input_bits.is_some()),
            ("--weight-bits", self.weight_bits.is_some()),
            ("--memory", self.memory.is_some()),
        ];
        options.into_iter().filter_map(|(option, present)| present.then_some(option))
    }

    /// Refuses what the tfhe backend could only ignore: its parameters are fixed, its answers whole
    /// numbers, and one image is one run.
    pub(crate) fn check_for_tfhe(&self, options: &Options) -> Result<()> {
        let kept = ["--config", "--security", "--agreement", "--samples"];
        if let Some(option) = self.present().find(|option| !kept.contains(option)) {
            let remedy = "leave it out, or compile for ckks; how good a tfhe program is, --agreement says";
            return Err(Exit::Usage.because(format!(
                "compiling for tfhe: found {option}, expected options that this backend keeps; {remedy}"
            )));
        }
        if options.quantum {
            return Err(Exit::Usage.because(
                "compiling for tfhe: found security against quantum attacks in the options, expected none, for this \
                 backend's parameters promise it against classical ones; compile for ckks",
            ));
        }
        if options.security != TFHE_SECURITY {
            return Err(Exit::Usage.because(format!(
                "compiling for tfhe: found {} bits of security, expected {TFHE_SECURITY}, which are all that its \
                 parameters have; compile for ckks",
                options.security
            )));
        }
        Ok(())
    }

    /// Options for the tfhe backend: the agreement of these flags, and the pixels that the model
    /// was trained on.
    pub(crate) fn tfhe_options(&self, model: &Model) -> tfhe::Options {
        let mut options = tfhe::Options::default();
        options.agreement = self.agreement.unwrap_or(options.agreement);
        options.pixel_bits = trained_pixel_bits(model);
        options
    }

    /// Opens the images that a program for the tfhe backend is calibrated on, as bytes: by default
    /// those that the model was trained on.
    pub(crate) fn tfhe_calibration(&self, model: &Model, roots: &DatasetRoots) -> Result<ImageMajor<u8>> {
        let spec = match &self.samples {
            Some(spec) => spec.clone(),
            None => trained_on(model).context("looking for images to calibrate on")?,
        };
        calibration_images(&roots.open(&spec)?, model)
    }
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

/// The images as the compiler takes them.
pub(crate) fn samples(images: &PlanningImages) -> Samples<'_> {
    Samples { images: &images.training, held_out: images.held_out.as_ref() }
}

/// A data set of which only the name is told is split as it was for training, if the model was
/// trained on it.
fn as_trained_on(model: &Model, spec: &SourceSpec) -> SourceSpec {
    let named = |spec: &SourceSpec| match spec {
        SourceSpec::Named { name, .. } => Some(name.clone()),
        SourceSpec::Preprocessed { source, .. } => match &**source {
            SourceSpec::Named { name, .. } => Some(name.clone()),
            _ => None,
        },
        _ => None,
    };
    match (spec, trained_on(model)) {
        (SourceSpec::Named { name, hold_out }, Ok(trained))
            if *hold_out == HoldOut::default() && named(&trained).as_ref() == Some(name) =>
        {
            trained
        }
        _ => spec.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_section() {
        let arguments = CompileArgs { batch: Some(100), weight_bits: Some(9), ..CompileArgs::default() };
        let base = Options { batch: 50, security: 192, input_bits: Some(20), ..Options::default() };
        let options = arguments.over(base.clone()).unwrap();
        let expected = Options { batch: 100, weight_bits: Some(9), ..base };
        assert_eq!(options, expected);
        assert!(CompileArgs { security: Some(100), ..CompileArgs::default() }.options().is_err());
        let base = Options { agreement: Some(0.99), ..Options::default() };
        assert_eq!(CompileArgs::default().over(base.clone()).unwrap().agreement, Some(0.99));
        assert_eq!(
            CompileArgs { logit_error: Some(0.1), ..CompileArgs::default() }.over(base).unwrap().agreement,
            None
        );
    }

    #[test]
    fn errors_may_be_given_as_powers() {
        assert_eq!(parse_number("2^-6"), Ok(1.0 / 64.0));
        assert_eq!(parse_number("0.25"), Ok(0.25));
        assert!(parse_number("2^x").is_err() && parse_number("").is_err());
    }

    #[test]
    fn what_tfhe_would_ignore_is_refused() {
        let check = |arguments: &CompileArgs| arguments.check_for_tfhe(&arguments.options().unwrap());
        assert!(check(&CompileArgs::default()).is_ok());
        assert!(check(&CompileArgs { security: Some(128), agreement: Some(0.9), ..CompileArgs::default() }).is_ok());
        for (arguments, found) in [
            (CompileArgs { security: Some(256), ..CompileArgs::default() }, "256 bits of security"),
            (CompileArgs { logit_error: Some(0.1), ..CompileArgs::default() }, "--logit-error"),
            (CompileArgs { quantum: true, ..CompileArgs::default() }, "--quantum"),
            (CompileArgs { memory: Some(1 << 30), ..CompileArgs::default() }, "--memory"),
        ] {
            let message = check(&arguments).unwrap_err().to_string();
            assert!(message.contains(found), "{message}");
        }
    }
}
