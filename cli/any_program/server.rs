//! What a server does with a program: run it on ciphertexts. Nothing here can read or make a secret
//! key.

use std::path::Path;

use anyhow::{Context as _, Result};
use beaa_base::words::count;
use beaa_cuda::CudaDevice;
use beaa_evaluation::{Reporter, files};
use beaa_ir::{ckks, tfhe};
use beaa_memory::Need;
use beaa_runtime::ckks as ckks_runtime;
use beaa_runtime::ckks::{ArrangedWeights, PreparedProgram, RunReport};
#[cfg(feature = "tfhe")]
use beaa_runtime::tfhe as tfhe_runtime;
use serde_json::{Value, json};

use super::AnyProgram;
use crate::context::Context;
use crate::exit::Exit;
use crate::outputs::ciphertext_bytes;
use crate::security::InsecureArgs;

/// The files of one run.
pub(crate) struct RunFiles<'a> {
    /// The client's evaluation key, if it is given.
    pub(crate) keys: Option<&'a Path>,
    /// Encrypted images.
    pub(crate) input: &'a Path,
    /// The encrypted results to write.
    pub(crate) out: &'a Path,
    /// Whether a key and images that were made with a seed are taken.
    pub(crate) insecure: InsecureArgs,
}

/// What a run has to say of itself.
pub(crate) struct RunOutput {
    /// For programs.
    pub(crate) record: Value,
    /// For people.
    pub(crate) text: String,
}

impl AnyProgram {
    /// Bytes of the encrypted results of one batch, as far as they are known before the run.
    pub(crate) fn output_bytes(&self) -> u64 {
        match self {
            Self::Ckks(program) => {
                let s = program.signature();
                ciphertext_bytes(&s.parameters, s.output_limbs, s.output_components, s.classes.outputs())
            }
            // One number for each image.
            Self::Tfhe(_) => 0,
        }
    }

    /// Runs on the encrypted images, on a graphics card if there is one, and writes the encrypted
    /// results.
    pub(crate) fn run(&self, paths: &RunFiles<'_>, card: Option<&CudaDevice>, context: &Context) -> Result<RunOutput> {
        match self {
            Self::Ckks(program) => run_ckks(program, paths, card, context),
            Self::Tfhe(program) => run_tfhe(program, paths, context),
        }
    }
}

fn run_ckks(
    program: &ckks::Program,
    paths: &RunFiles<'_>,
    card: Option<&CudaDevice>,
    context: &Context,
) -> Result<RunOutput> {
    let remedy = "compile the model with --memory for a program that takes less";
    let need = |bytes| Ok(Need::new("running the program", bytes, remedy).mapping(file_size(paths.input)?));
    // Known from the program's shape alone, before keys and ciphertexts are touched.
    match card {
        Some(card) => {
            beaa_cuda::expect_memory(card, program)?;
            need(beaa_cuda::host_bytes(program))?.check()?;
        }
        None => need(ckks_runtime::planned_bytes(program, ArrangedWeights::PerPart))?.check()?,
    }
    let key = match paths.keys {
        Some(path) if program.switches_keys() || path.exists() => {
            // Checked even where it has no use: a secret key must not pass unnoticed.
            let key = ckks_runtime::ServerKey::load(path);
            let key = key.with_context(|| format!("reading evaluation key {}", path.display()))?;
            paths.insecure.check(key.is_from_seed(), "a key", path, context)?;
            if !program.switches_keys() {
                context.console.note("the program switches no keys: --keys is not used");
            }
            Some(key)
        }
        None if program.switches_keys() => return Err(no_key()),
        // A script may name the key that other programs need.
        Some(_) => {
            context.console.note("the program switches no keys: --keys is not read");
            None
        }
        None => None,
    };
    let input = ckks_runtime::EncryptedInput::load(paths.input)
        .with_context(|| format!("reading {}", paths.input.display()))?;
    paths.insecure.check(input.is_from_seed(), "a batch", paths.input, context)?;
    files::create_parent(paths.out)?;
    let writing = || format!("writing {}", paths.out.display());
    let progress = context.progress();
    let (prepared, (output, report)) = match card {
        Some(card) => {
            let prepared = PreparedProgram::new(program, ArrangedWeights::PerPart)?;
            let ran = beaa_cuda::run_to_file(card, &prepared, paths.out, key.as_ref(), &input, &*progress)?;
            (prepared, ran)
        }
        None => {
            let prepared = prepare(program, input.batches(), need)?;
            let ran = prepared.run_to_file(paths.out, key.as_ref(), &input, &*progress)?;
            (prepared, ran)
        }
    };
    let size = output.commit().with_context(writing)?;
    let report = RunReport { seconds: prepared.seconds() + report.seconds, ..report };
    let (images, slots) = (input.images(), program.signature().parameters.degree);
    let per_image = 1e3 * report.seconds / images as f64;
    let per_slot = 1e3 * report.seconds / (slots * report.batches) as f64;
    let sent = count(images, "image");
    let mut text = String::new();
    for layer in &report.layers {
        text.push_str(&format!("{:9.3} s  {:40} {}\n", layer.seconds, layer.layer, layer.operation));
    }
    let batches = if report.batches == 1 { String::new() } else { format!(" in {} batches", report.batches) };
    text.push_str(&format!(
        "{:9.3} s  in all: {per_image:.3} ms for each of {sent}{batches}, {per_slot:.3} ms for each of {} slots\n",
        report.seconds,
        slots * report.batches
    ));
    let record = json!({
        "file": paths.out, "images": images, "slots": slots, "batches": report.batches, "bytes": size,
        "milliseconds_per_image": per_image, "milliseconds_per_slot": per_slot,
        "threads": rayon::current_num_threads(), "card": card.map(CudaDevice::name), "run": report,
        "seconds": context.seconds(),
    });
    Ok(RunOutput { record, text })
}

/// The program, its weights arranged once for all batches where there are several and memory allows
/// it.
fn prepare(
    program: &ckks::Program,
    batches: usize,
    need: impl Fn(u64) -> Result<Need>,
) -> Result<PreparedProgram<&ckks::Program>> {
    let with_kept = ckks_runtime::planned_bytes(program, ArrangedWeights::Kept);
    let keep = batches > 1 && need(with_kept)?.check().is_ok();
    let weights = if keep { ArrangedWeights::Kept } else { ArrangedWeights::PerPart };
    Ok(PreparedProgram::new(program, weights)?)
}

/// The refusal of a run without the key that it needs.
fn no_key() -> anyhow::Error {
    Exit::Usage.because(
        "running the program: found no --keys, expected the client's evaluation key, with which this program switches \
         keys; ask the client for it",
    )
}

fn file_size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?.len())
}

#[cfg(feature = "tfhe")]
fn run_tfhe(program: &tfhe::Program, paths: &RunFiles<'_>, context: &Context) -> Result<RunOutput> {
    let path = paths.keys.ok_or_else(no_key)?;
    let key = tfhe_runtime::ServerKey::load(path);
    let key = key.with_context(|| format!("reading evaluation key {}", path.display()))?;
    let input = tfhe_runtime::EncryptedInput::load(paths.input)
        .with_context(|| format!("reading {}", paths.input.display()))?;
    paths.insecure.check(key.is_from_seed(), "a key", path, context)?;
    paths.insecure.check(input.is_from_seed(), "a batch", paths.input, context)?;
    let (output, report) = tfhe_runtime::run(program, &key, &input, &*context.progress())?;
    files::create_parent(paths.out)?;
    let size = output.save(paths.out).with_context(|| format!("writing {}", paths.out.display()))?;
    let each = report.seconds / output.images() as f64;
    let mut text = String::new();
    for stage in &report.stages {
        text.push_str(&format!(
            "{:9.3} s  {:12} {}\n",
            stage.seconds,
            stage.layer,
            count(stage.bootstrappings, "bootstrapping")
        ));
    }
    text.push_str(&format!(
        "{:9.3} s  in all: {each:.3} s for each of {}; keys expanded in {:.3} s before\n",
        report.seconds,
        count(output.images(), "image"),
        report.keys_seconds
    ));
    let record = json!({
        "file": paths.out, "images": output.images(), "bytes": size, "seconds_per_image": each,
        "bootstrappings_per_image": program.bootstrappings(), "threads": rayon::current_num_threads(), "run": report,
        "seconds": context.seconds(),
    });
    Ok(RunOutput { record, text })
}

#[cfg(not(feature = "tfhe"))]
fn run_tfhe(_: &tfhe::Program, _: &RunFiles<'_>, _: &Context) -> Result<RunOutput> {
    super::without_tfhe()
}
