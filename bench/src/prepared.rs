//! A program with keys, and single runs of it timed in processor seconds, part by part. Must never be used for anything but
//! measuring: the keys come from a seed.

use std::sync::{Mutex, PoisonError};

use beaa_compiler::ckks::{Options, compile};
use beaa_ir::{Model, Program, program_hash};
use beaa_runtime::{ClientKey, EncryptedInput, EncryptedOutput, LayerTime, Progress, RunReport, ServerKey, Silent};

use crate::clock::{on_threads, processor, time};
use crate::{Result, images};

/// Ready to encrypt and run.
pub(crate) struct Prepared {
    pub(crate) program: Program,
    pub(crate) hash: String,
    pub(crate) client: ClientKey,
    pub(crate) server: ServerKey,
    pub(crate) compile_seconds: f64,
    pub(crate) keygen_seconds: f64,
    seed: u64,
}

/// One run on one thread.
pub(crate) struct Lap {
    /// Processor seconds in all.
    pub(crate) seconds: f64,
    /// The runtime's report, its parts in processor seconds where they could be told apart.
    pub(crate) layers: Vec<LayerTime>,
    pub(crate) output: EncryptedOutput,
}

impl Prepared {
    pub(crate) fn new(model: &Model, options: &Options, seed: u64) -> Result<Self> {
        let (compiled, compile_seconds) = time(|| on_threads(1, || Ok(compile(model, options)?)));
        let program = compiled?.program;
        let (keys, keygen_seconds) = time(|| beaa_runtime::keygen(&program.signature().parameters, Some(seed)));
        let (client, server) = keys?;
        Ok(Self { hash: program_hash(&program), program, client, server, compile_seconds, keygen_seconds, seed })
    }

    pub(crate) fn slots(&self) -> usize {
        self.program.signature().parameters.degree
    }

    pub(crate) fn encrypt(&self, inputs: &[Vec<f32>]) -> Result<EncryptedInput> {
        let signature = self.program.signature();
        Ok(beaa_runtime::encrypt(signature, &self.hash, &self.client, inputs, Some(self.seed), &Silent)?)
    }

    /// As many random images, encrypted.
    pub(crate) fn input(&self, model: &Model, count: usize) -> Result<EncryptedInput> {
        self.encrypt(&images(model, count, self.seed))
    }

    /// One run on so many threads, wall-clock.
    pub(crate) fn run(&self, input: &EncryptedInput, threads: usize) -> Result<RunReport> {
        on_threads(threads, || Ok(beaa_runtime::run(&self.program, &self.server, input, &Silent)?.1))
    }

    /// One run on one thread, in processor seconds.
    pub(crate) fn lap(&self, input: &EncryptedInput) -> Result<Lap> {
        on_threads(1, || {
            let watch = Watch(Mutex::new(Vec::new()));
            let started = processor();
            let (output, report) = beaa_runtime::run(&self.program, &self.server, input, &watch)?;
            let seconds = processor() - started;
            let marks = watch.0.into_inner().unwrap_or_else(PoisonError::into_inner);
            let mut layers = report.layers;
            let laps: Vec<f64> = marks.iter().zip(marks.iter().skip(1)).map(|(a, b)| b - a).collect();
            // One mark at the beginning, and one for each part.
            if laps.len() == layers.len() {
                layers.iter_mut().zip(laps).for_each(|(layer, seconds)| retime(layer, seconds));
            }
            Ok(Lap { seconds, layers, output })
        })
    }
}

/// Puts processor seconds in place of the wall-clock ones, the operations in proportion.
fn retime(layer: &mut LayerTime, seconds: f64) {
    let factor = seconds / layer.seconds;
    layer.seconds = seconds;
    layer.operations.iter_mut().for_each(|o| o.thread_seconds *= factor);
}

/// Notes the processor time whenever a part is done.
struct Watch(Mutex<Vec<f64>>);

impl Watch {
    fn mark(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(processor());
    }
}

impl Progress for Watch {
    fn begin(&self, _what: &str, _steps: u64) {
        self.mark();
    }

    fn advance(&self, _steps: u64) {
        self.mark();
    }

    fn end(&self) {}
}
