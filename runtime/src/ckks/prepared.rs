//! A program made ready to run many times: its fingerprint, its schedule and, for who asks for it,
//! its weights in the order in which the kernels read them.

use std::borrow::Borrow;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use beaa_ckks::{
    CHUNK, HELD_WORDS, Kernel, Parameters, RotationMemory, SHORTEST_PERIOD, TILE, compress_batch, compressed_len,
};
use beaa_ir::ckks::{MemoryModel, Program, ProgramShape, Schedule, program_hash};
use beaa_ir::compose_scattered;
use beaa_ir::container::Kind;
use beaa_memory::{Need, keep_pages};
use serde::Serialize;

use super::backend::panels;
use super::ciphertexts::ComposedCiphertexts;
use super::header::{BatchHeader, CiphertextHeader, Common};
use super::keys::check;
use super::packed_linear::packed_constants;
use super::{CiphertextBackend, CkksBackend, CkksWeights, EncryptedInput, EncryptedOutput, ServerKey};
use crate::backend::{Term, arrange};
use crate::error::operand;
use crate::execute::{Execution, add, step_by_step};
use crate::files::{expect_key, expect_program};
use crate::progress::Numbered;
use crate::{Error, LayerTime, Progress, Result};

/// What happens to weights that are arranged for the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrangedWeights {
    /// Every part of every run arranges its own and drops them: the least memory.
    PerPart,
    /// They are arranged once, beside the program's own: up to 12 more bytes for each weight, and
    /// no time in each run.
    Kept,
}

/// A backend other than the processor's, made once program, key and images are known to fit.
#[derive(Debug)]
pub struct OtherBackend<F> {
    /// Makes it for the program's parameters, and the key if the program switches keys.
    pub bind: F,
    /// What happens to the weights that it arranges.
    pub weights: ArrangedWeights,
}

/// A program made ready to run many times, on any key of its parameters.
#[derive(Debug)]
pub struct PreparedProgram<P> {
    program: P,
    fingerprint: String,
    schedule: Schedule,
    threads: usize,
    /// Wall-clock seconds that preparing took.
    seconds: f64,
    weights: Option<KeptWeights>,
    /// Of the program, once it ran without a key.
    parameters: OnceLock<Parameters>,
    /// What packed runs leave for the next one, which the schedule counts.
    memory: RotationMemory,
}

/// The weights of a whole program, arranged.
#[derive(Debug)]
struct KeptWeights {
    /// For which they are arranged.
    kernel: Kernel,
    /// Of every step's terms, `[step][term]`.
    arranged: Vec<Vec<CkksWeights>>,
}

/// What a program runs with.
struct Bound<'k> {
    parameters: Parameters,
    /// None where no keys are switched.
    key: Option<&'k ServerKey>,
    from_seed: bool,
}

/// What a run took.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Part by part, all batches together.
    pub layers: Vec<LayerTime>,
    /// Batches that were run, one after the other.
    pub batches: usize,
    /// Wall-clock seconds in all; without those of preparing the program when
    /// [`PreparedProgram::run`] ran it.
    pub seconds: f64,
    /// Bytes of program, evaluation key and ciphertexts at the worst moment, as planned: in memory
    /// of the device that ran it.
    pub peak_bytes_planned: u64,
}

impl<P: Borrow<Program>> PreparedProgram<P> {
    /// Prepares a program, which may be borrowed, owned or shared.
    ///
    /// # Errors
    /// When the kernels cannot multiply by a weight matrix: with 2^32 rows or more. With weights
    /// that are kept, when those of a packed program are too large to encode, or its parameters are
    /// not known to be secure.
    pub fn new(program: P, weights: ArrangedWeights) -> Result<Self> {
        let started = Instant::now();
        let threads = rayon::current_num_threads();
        let kept = weights == ArrangedWeights::Kept;
        let of = program.borrow();
        let (fingerprint, schedule) = (program_hash(of), schedule_for(of, threads, kept));
        tracing::info!(parts = schedule.parts.len(), peak_bytes = schedule.peak_bytes, "schedule");
        let weights = if kept { Some(KeptWeights::new(of)?) } else { None };
        let (seconds, memory) = (started.elapsed().as_secs_f64(), RotationMemory::default());
        Ok(Self { program, fingerprint, schedule, threads, seconds, weights, parameters: OnceLock::new(), memory })
    }

    /// The program.
    pub fn program(&self) -> &Program {
        self.program.borrow()
    }

    /// The program's fingerprint, which ciphertexts name.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the wall-clock seconds that preparing took, to be added to those of the only run.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Returns the bytes of a run at its worst moment, as planned: program, evaluation key,
    /// arranged weights and ciphertexts, on as many threads as the current pool has.
    pub fn peak_bytes(&self) -> u64 {
        let threads = rayon::current_num_threads();
        if threads == self.threads {
            return self.schedule.peak_bytes;
        }
        schedule_for(self.program(), threads, self.weights.is_some()).peak_bytes
    }

    /// Runs the program on encrypted images, batch after batch, on all threads of the current pool.
    ///
    /// # Errors
    /// When the program switches keys and there is none, when the key has other parameters than the
    /// program, when the images are encrypted for another program or under another key, or when
    /// their file is damaged.
    pub fn run<'k>(
        &self,
        key: impl Into<Option<&'k ServerKey>>,
        input: &EncryptedInput,
        progress: &dyn Progress,
    ) -> Result<(EncryptedOutput, RunReport)> {
        let server = self.server(key.into(), input)?;
        self.expect_memory()?;
        let mut pieces = Vec::with_capacity(input.batches());
        let report = self.each_batch(&server, input, progress, |_, bytes| {
            pieces.push(bytes);
            Ok(())
        })?;
        Ok((EncryptedOutput::new(self.answers(&server, input), pieces), report))
    }

    /// Runs the program as [`Self::run`] does, but step by step and on the backend that `other`
    /// makes for its parameters and key: the same bits.
    ///
    /// # Errors
    /// As [`Self::run`], but for the processor's memory, and those of the backend.
    pub fn run_on<'k, 'v, B: CiphertextBackend<'v>>(
        &self,
        other: OtherBackend<impl FnOnce(&Parameters, Option<&ServerKey>) -> Result<B>>,
        key: impl Into<Option<&'k ServerKey>>,
        input: &'v EncryptedInput,
        progress: &dyn Progress,
    ) -> Result<(EncryptedOutput, RunReport)> {
        let server = self.server(key.into(), input)?;
        let mut pieces = Vec::with_capacity(input.batches());
        let report = self.each_batch_elsewhere(other, &server, input, progress, |_, bytes| {
            pieces.push(bytes);
            Ok(())
        })?;
        Ok((EncryptedOutput::new(self.answers(&server, input), pieces), report))
    }

    /// Runs the program as [`Self::run_on`] does and writes the answers of each batch as soon as
    /// they are there.
    ///
    /// # Errors
    /// As [`Self::run_on`], and when the file cannot be written.
    pub fn run_on_to_file<'k, 'v, B: CiphertextBackend<'v>>(
        &self,
        other: OtherBackend<impl FnOnce(&Parameters, Option<&ServerKey>) -> Result<B>>,
        path: &Path,
        key: impl Into<Option<&'k ServerKey>>,
        input: &'v EncryptedInput,
        progress: &dyn Progress,
    ) -> Result<(ComposedCiphertexts, RunReport)> {
        let server = self.server(key.into(), input)?;
        self.to_file(path, &server, input, |done| self.each_batch_elsewhere(other, &server, input, progress, done))
    }

    /// Runs the program as [`Self::run`] does and writes the answers of each batch as soon as they
    /// are there, so that any number of batches takes the memory of one.
    ///
    /// # Errors
    /// As [`Self::run`], and when the file cannot be written.
    pub fn run_to_file<'k>(
        &self,
        path: &Path,
        key: impl Into<Option<&'k ServerKey>>,
        input: &EncryptedInput,
        progress: &dyn Progress,
    ) -> Result<(ComposedCiphertexts, RunReport)> {
        let server = self.server(key.into(), input)?;
        self.expect_memory()?;
        self.to_file(path, &server, input, |done| self.each_batch(&server, input, progress, done))
    }

    /// Writes a file of answers, which `run` hands over batch by batch with their numbers.
    fn to_file(
        &self,
        path: &Path,
        server: &Bound<'_>,
        input: &EncryptedInput,
        run: impl FnOnce(&mut dyn FnMut(usize, Vec<u8>) -> Result<()>) -> Result<RunReport>,
    ) -> Result<(ComposedCiphertexts, RunReport)> {
        let header = self.answers(server, input);
        let (limbs, components, len) = (header.limbs, header.stored_components, header.ciphertexts);
        let each = compressed_len(&server.parameters, limbs, components, len)?;
        let all = each.and_then(|each| Some((each, each.checked_mul(input.batches() as u64)?)));
        let (each, all) = all.ok_or_else(|| operand(format!("{len} ciphertexts"), "no more than a file holds"))?;
        let mut report = None;
        let (file, bytes) = compose_scattered(path, Kind::Ciphertexts, &header, all, |payload| {
            report = Some(run(&mut |number, bytes| Ok(payload.write_at(number as u64 * each, &bytes)?))?);
            Ok::<(), Error>(())
        })?;
        let Some(report) = report else { unreachable!("a payload that was not written") };
        Ok((ComposedCiphertexts::new(file, bytes), report))
    }

    /// What the program runs with; refuses key and images that do not belong to it.
    fn server<'k>(&self, key: Option<&'k ServerKey>, input: &EncryptedInput) -> Result<Bound<'k>> {
        let signature = self.program().signature();
        // A key that the program does not use may be of anybody.
        let key = key.filter(|_| self.program().switches_keys());
        if key.is_none() && self.program().switches_keys() {
            return Err(Error::NoEvaluationKey);
        }
        expect_program("running a program", &input.header().program, &self.fingerprint)?;
        if let Some(key) = key {
            key.expect_parameters("running a program", &signature.parameters)?;
            expect_key("running a program", &input.header().key, key.id())?;
            key.expect_rotations("running a program", signature)?;
        }
        let parameters = match (key, self.parameters.get()) {
            (Some(key), _) => key.parameters.clone(),
            (None, Some(parameters)) => parameters.clone(),
            (None, None) => {
                let checked = check(&signature.parameters)?;
                self.parameters.get_or_init(|| checked).clone()
            }
        };
        let from_seed = key.is_some_and(ServerKey::is_from_seed);
        Ok(Bound { parameters, key, from_seed })
    }

    /// Refuses a run on the processor for which there is too little memory.
    fn expect_memory(&self) -> Result<()> {
        // Program and key are in memory already.
        let more = self.peak_bytes().saturating_sub(self.schedule.fixed_bytes);
        Ok(Need::new("running the program", more, "compile the model for a program that takes less").check()?)
    }

    /// The header of the answers to `input`.
    fn answers(&self, server: &Bound<'_>, input: &EncryptedInput) -> CiphertextHeader {
        let output = self.program().values()[self.program().output()];
        let common = Common {
            program: self.fingerprint.clone(),
            key: input.header().key.clone(),
            ciphertexts: self.program().ciphertexts(self.program().output()),
            limbs: output.limbs,
            stored_components: output.components,
            from_seed: input.is_from_seed() || server.from_seed,
        };
        let batches = input.header().batches().iter();
        CiphertextHeader::new(common, batches.map(|b| BatchHeader { seed: None, ..b.clone() }).collect())
    }

    /// Runs on every batch and hands its packed answers to `done`, with its number.
    fn each_batch(
        &self,
        server: &Bound<'_>,
        input: &EncryptedInput,
        progress: &dyn Progress,
        done: impl FnMut(usize, Vec<u8>) -> Result<()>,
    ) -> Result<RunReport> {
        let memory = self.memory.clone();
        let execution = Execution {
            backend: &CkksBackend::for_program(&server.parameters, self.program(), server.key, memory)?,
            program: self.program(),
            schedule: &self.schedule,
            weights: self.weights.as_ref().map(|kept| kept.of(server.parameters.kernel())),
        };
        self.each_batch_on(&execution, server, input, progress, done)
    }

    /// Runs on every batch on another backend.
    fn each_batch_elsewhere<'v, B: CiphertextBackend<'v>>(
        &self,
        other: OtherBackend<impl FnOnce(&Parameters, Option<&ServerKey>) -> Result<B>>,
        server: &Bound<'_>,
        input: &'v EncryptedInput,
        progress: &dyn Progress,
        done: impl FnMut(usize, Vec<u8>) -> Result<()>,
    ) -> Result<RunReport> {
        let started = Instant::now();
        let (program, schedule) = (self.program(), step_by_step(self.program()));
        let backend = (other.bind)(&server.parameters, server.key)?;
        let kept = match other.weights {
            ArrangedWeights::Kept => Some(arrange(0, program.steps(), |term| backend.arrange(term))?),
            ArrangedWeights::PerPart => None,
        };
        let execution = Execution { backend: &backend, program, schedule: &schedule, weights: kept.as_deref() };
        let before = started.elapsed().as_secs_f64();
        let report = self.each_batch_on(&execution, server, input, progress, done)?;
        Ok(RunReport { seconds: before + report.seconds, ..report })
    }

    /// Runs on every batch as `execution` says.
    fn each_batch_on<'v, B: CiphertextBackend<'v>>(
        &self,
        execution: &Execution<'_, '_, B>,
        server: &Bound<'_>,
        input: &'v EncryptedInput,
        progress: &dyn Progress,
        mut done: impl FnMut(usize, Vec<u8>) -> Result<()>,
    ) -> Result<RunReport> {
        let scale = self.program().signature().input_scale;
        let _kept = keep_pages();
        let (mut layers, mut seconds) = (Vec::new(), 0.0);
        for number in 0..input.batches() {
            let started = Instant::now();
            let first = input.packed(&server.parameters, number)?;
            let first = execution.backend.input(self.program(), first, scale)?;
            let progress = Numbered::new(progress, number, input.batches());
            let (output, times) = execution.run(first, &progress, |_, _| Ok(()))?;
            times.into_iter().for_each(|time| add(&mut layers, time));
            let bytes = compress_batch(&server.parameters, &*execution.backend.output(&output)?)?;
            seconds += started.elapsed().as_secs_f64();
            done(number, bytes)?;
        }
        Ok(RunReport { layers, batches: input.batches(), seconds, peak_bytes_planned: self.peak_bytes() })
    }
}

/// Returns the schedule by which [`run`](super::run) runs `program` on the threads of the current
/// pool.
pub fn schedule(program: &Program) -> Schedule {
    schedule_for(program, rayon::current_num_threads(), false)
}

/// Returns the bytes of a run at its worst moment, as planned, on the threads of the current pool
/// and with `weights` arranged so: [`PreparedProgram::peak_bytes`] before anything is prepared.
pub fn planned_bytes(program: &Program, weights: ArrangedWeights) -> u64 {
    schedule_for(program, rayon::current_num_threads(), weights == ArrangedWeights::Kept).peak_bytes
}

/// Returns the schedule of a run in which every step is a part by itself.
pub(super) fn unfused_schedule(program: &Program) -> Schedule {
    beaa_ir::ckks::schedule(&ProgramShape::from(program), &machine(rayon::current_num_threads(), false), false)
}

fn schedule_for(program: &Program, threads: usize, arranged_weights_kept: bool) -> Schedule {
    beaa_ir::ckks::schedule(&ProgramShape::from(program), &machine(threads, arranged_weights_kept), true)
}

fn machine(threads: usize, arranged_weights_kept: bool) -> MemoryModel {
    MemoryModel {
        threads,
        tile: TILE,
        chunk: CHUNK,
        shortest_period: SHORTEST_PERIOD,
        held_words: HELD_WORDS,
        input_in_place: true,
        arranged_weights_kept,
    }
}

impl KeptWeights {
    fn new(program: &Program) -> Result<Self> {
        let parameters = &program.signature().parameters;
        if program.packing().is_some() {
            let checked = check(parameters)?;
            let diagonals = |term| Ok(CkksWeights::Diagonals(packed_constants(&checked, program, &term)?));
            return Ok(Self { kernel: checked.kernel(), arranged: arrange(0, program.steps(), diagonals)? });
        }
        let (kernel, moduli) = (Kernel::detect(), &parameters.moduli);
        let panels = |term: Term<'_>| Ok(CkksWeights::Panels(panels(kernel, moduli, term.weights)?));
        Ok(Self { kernel, arranged: arrange(0, program.steps(), panels)? })
    }

    /// The weights for `kernel`, the one by which they will be multiplied.
    fn of(&self, kernel: Kernel) -> &[Vec<CkksWeights>] {
        assert_eq!(self.kernel, kernel, "weights arranged for another kernel than that of the key");
        &self.arranged
    }
}
