//! The whole way in one process, measured step by step: training, compilation, keys, encryption,
//! the run, decryption, verification, and the report of it all. The secret key is never written.

use std::time::Instant;

use anyhow::{Context as _, Result};
use beaa_compiler::ckks::{Samples, compile_for, explain};
use beaa_datasets::{Dataset, Images, Split};
use beaa_evaluation::bad_setting;
use beaa_evaluation::files;
use beaa_evaluation::labels;
use beaa_evaluation::metrics::{accuracy, agreeing, classification, largest_difference};
use beaa_evaluation::model_images::{normalise, planning_images};
use beaa_ir::ckks::{Program, SignatureFile, save_program};
use beaa_ir::images::ImageMajor;
use beaa_ir::stats::{log2_product, residue_bits};
use beaa_runtime::ckks::{self, EncryptedInput, EncryptedOutput, RunReport, ServerKey, Verification};

use crate::TrainingReporter;
use crate::experiment::Experiment;
use crate::report::html::{Content, html};
use crate::report::{
    Accuracies, Agreement, DataFigures, Errors, MemoryFigures, ParameterFigures, PerImage, Sizes, StepTime, Summary,
};
use crate::run_folder::{self, Finished, RunFolder};

/// What to demonstrate.
pub struct Demonstration<'a> {
    /// What to train and how to compile it.
    pub experiment: &'a Experiment,
    /// The images that the experiment names.
    pub dataset: &'a Dataset,
    /// Test images to encrypt, at most; by default as many as fit.
    pub images: Option<usize>,
    /// INSECURE: keys and ciphertexts follow from it.
    pub seed: Option<u64>,
    /// Whether to go on with a training that was interrupted.
    pub resume: bool,
}

/// Goes the whole way and writes everything but the secret key into `folder`.
///
/// # Errors
/// If a step fails, or the user wants the work to stop.
pub fn run(request: &Demonstration<'_>, folder: &RunFolder, reporter: &dyn TrainingReporter) -> Result<Summary> {
    let Demonstration { experiment, dataset, seed, resume, .. } = *request;
    let mut steps = Steps { reporter, times: Vec::new() };
    let finished =
        steps.time("train teacher and student", || run_folder::train(experiment, dataset, folder, resume, reporter))?;
    let student = &finished.trained.student;
    let images = planning_images(dataset, student)?;
    let samples = Samples { images: &images.training, held_out: images.held_out.as_ref() };
    let compiled = steps.time("compile", || Ok(compile_for(student, &experiment.compile, Some(samples))?))?;
    reporter.note(&explain(&compiled.report));
    let program = compiled.program;
    save_program(&program, &folder.file("program.beaa"))?;
    let signature = program.signature();

    let images = test_images(request, &program)?;
    let inputs = normalise(&images, &signature.input)?;
    let progress = &*reporter.progress();
    let keys = steps.time("make keys", || Ok(ckks::keygen(signature, seed)?))?;
    let file = SignatureFile::from(&program);
    let (input, receipt) =
        steps.time("encrypt", || Ok(ckks::encrypt(&file, &keys.client, &inputs, seed, progress)?))?;
    let (output, run) =
        steps.time("run on ciphertexts", || Ok(ckks::run(&program, &keys.server, &input, progress)?))?;
    let logits = steps.time("decrypt", || Ok(ckks::decrypt(&file, &keys.client, &output, &receipt)?))?.exact().clone();
    let clear = steps.time("the same in clear", || Clear::of(&finished, &program, &images, &inputs, experiment))?;
    let verification =
        steps.time("verify every layer", || Ok(ckks::verify(&program, &keys, &inputs, seed, progress)?))?;

    let labels = labels::of_network(&signature.classes, dataset.classes(), images.labels(), reporter)?;
    let measured = Measured { images, labels, input, output, logits, clear, run, verification, server: keys.server };
    let summary = summarise(request, &program, &measured, steps.times);
    write(folder, &finished, &summary, &measured)?;
    Ok(summary)
}

/// What a demonstration writes beside its training run.
pub const FILES: [&str; 5] = ["program.beaa", "report.html", "report.json", "run.json", "verification.json"];

/// Runs steps one after the other, with time and peak memory of each; stops between them after
/// Ctrl-C.
struct Steps<'a> {
    reporter: &'a dyn TrainingReporter,
    times: Vec<StepTime>,
}

impl Steps<'_> {
    fn time<T>(&mut self, step: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.reporter.note(&format_args!("[{}] {step}", self.times.len() + 1));
        let was_reset = beaa_memory::reset_peak();
        let started = Instant::now();
        let result = work().with_context(|| step.to_owned())?;
        let seconds = started.elapsed().as_secs_f64();
        // Without a reset the peak is that of all steps so far, which says nothing about this one.
        let peak_bytes = was_reset.then(beaa_memory::peak).flatten();
        self.times.push(StepTime { step: step.to_owned(), seconds, peak_bytes });
        self.reporter.check_interrupted(step)?;
        Ok(result)
    }
}

/// The test images to encrypt: those that the experiment tests on, as many as fit.
fn test_images(request: &Demonstration<'_>, program: &Program) -> Result<Images> {
    let slots = program.signature().parameters.degree;
    let wanted = request.images.or(request.experiment.train.literal().data.test);
    let images = request.dataset.split(Split::Test).take(wanted.unwrap_or(slots).min(slots));
    if images.is_empty() {
        return Err(bad_setting("choosing test images: found none, expected at least 1; raise --images"));
    }
    Ok(images)
}

/// Logits without encryption.
struct Clear {
    teacher: ImageMajor<f32>,
    student: ImageMajor<f32>,
    program: ImageMajor<f64>,
}

impl Clear {
    fn of(
        finished: &Finished,
        program: &Program,
        images: &Images,
        inputs: &ImageMajor<f32>,
        experiment: &Experiment,
    ) -> Result<Self> {
        let device = experiment.train.literal().device;
        Ok(Self {
            teacher: beaa_trainer::predict(&finished.trained.teacher, images, device)?,
            student: beaa_trainer::predict(&finished.trained.student, images, device)?,
            program: beaa_runtime::plaintext::run(program, inputs)?,
        })
    }
}

/// What the steps left.
struct Measured {
    images: Images,
    /// Classes of the program, one for each image.
    labels: Vec<usize>,
    input: EncryptedInput,
    output: EncryptedOutput,
    logits: ImageMajor<f64>,
    clear: Clear,
    run: RunReport,
    verification: Verification,
    /// None where the program switches no keys.
    server: Option<ServerKey>,
}

fn summarise(request: &Demonstration<'_>, program: &Program, m: &Measured, steps: Vec<StepTime>) -> Summary {
    let Demonstration { experiment, dataset, .. } = *request;
    let literal = experiment.train.literal();
    let parameters = &program.signature().parameters;
    let primes = || parameters.moduli.iter().chain(&parameters.special);
    let (images, slots) = (m.images.len() as f64, parameters.degree as f64);
    let classes = &program.signature().classes;
    let encrypted = classes.of(&m.logits);
    let student = classes.of(&m.clear.student);
    let right = |predicted: &[Option<usize>]| accuracy(predicted, &m.labels);
    let used = |split, limit: Option<usize>| limit.unwrap_or(usize::MAX).min(dataset.split(split).len());
    let peak_run = steps.iter().find(|s| s.step == "run on ciphertexts").and_then(|s| s.peak_bytes);
    Summary {
        version: env!("CARGO_PKG_VERSION"),
        experiment: literal.name.clone(),
        activation: literal.student.activation,
        threads: rayon::current_num_threads(),
        data: DataFigures {
            name: dataset.name().to_owned(),
            classes: dataset.classes().to_vec(),
            train: used(Split::Train, literal.data.train),
            validation: used(Split::Validation, literal.data.validation),
            encrypted: m.images.len(),
            checksum: dataset.checksum(),
        },
        accuracy: Accuracies {
            teacher: right(&classes.of(&m.clear.teacher)),
            student: right(&student),
            encrypted: right(&encrypted),
        },
        encrypted: classification(classes, &m.logits, &m.labels),
        agreement: Agreement { agreeing: agreeing(&encrypted, &student), images: m.images.len() },
        logit_error: Errors {
            against_student: largest_difference(m.logits.rows(), m.clear.student.rows()),
            against_program: largest_difference(m.logits.rows(), m.clear.program.rows()),
        },
        per_image: PerImage {
            milliseconds_sent: 1e3 * m.run.seconds / images,
            milliseconds_full_batch: 1e3 * m.run.seconds / slots,
        },
        parameters: ParameterFigures {
            degree: parameters.degree,
            log2_qp: log2_product(primes()),
            prime_bits: primes().map(|&q| residue_bits(q)).collect(),
            security_bits: parameters.security,
        },
        bytes: Sizes {
            evaluation_key: m.server.as_ref().map_or(0, ServerKey::bytes),
            input: m.input.bytes(),
            output: m.output.bytes(),
            input_per_image_sent: m.input.bytes() as f64 / images,
            input_per_image_full_batch: m.input.bytes() as f64 / slots,
        },
        memory: MemoryFigures {
            peak: steps.iter().filter_map(|s| s.peak_bytes).max().or_else(beaa_memory::peak),
            peak_run,
            planned_run: m.run.peak_bytes_planned,
        },
        verified: m.verification.holds,
        steps,
    }
}

fn write(folder: &RunFolder, finished: &Finished, summary: &Summary, m: &Measured) -> Result<()> {
    files::write_json(&folder.file("report.json"), summary)?;
    files::write_json(&folder.file("run.json"), &m.run)?;
    files::write_json(&folder.file("verification.json"), &m.verification)?;
    let page = html(&Content {
        summary,
        epochs: &finished.epochs,
        polynomials: &finished.trained.polynomials,
        verification: &m.verification,
        run: &m.run,
    })?;
    files::write(&folder.file("report.html"), page.as_bytes())
}
