//! Clear and encrypted side by side, step by step: where an error comes from, and whether it is
//! what was predicted. It takes both keys, so it is for the owner of the secret one.

use beaa_ckks::{Batch, Decryptor, Parameters, RotationMemory, compressed_len};
use beaa_ir::ckks::{LayerNote, Part, Program, Schedule, Signature, SignatureFile, ValueId};
use beaa_ir::images::{ElementMajor, ImageMajor};
use beaa_memory::Need;
use rayon::prelude::*;
use serde::Serialize;

use super::keys::check;
use super::layer_error::{Comparison, LayerError, Verdict};
use super::prepared::unfused_schedule;
use super::slots::PackedSlots;
use super::{
    CiphertextBackend, CkksBackend, ClientKey, EncryptedInput, KeyPair, ServerKey, encrypt, encrypt_to_file, schedule,
};
use crate::backend::Backend;
use crate::execute::{Execution, live_elements, step_by_step};
use crate::plaintext::PlaintextBackend;
use crate::progress::go_on;
use crate::slice::Slice;
use crate::{Error, Progress, Result};

/// Bytes of ciphertexts that are compared at a time.
const COMPARED_TOGETHER: usize = 64 << 20;
/// A batch of encrypted images of at most so many bytes is held in memory.
const KEPT_IN_MEMORY: u64 = 128 << 20;

/// The errors of all layers.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// In order.
    pub layers: Vec<LayerError>,
    /// Images that took part.
    pub images: usize,
    /// Images for which clear and encrypted outputs say the same class.
    pub agreeing: usize,
    /// Whether no layer fails.
    pub holds: bool,
}

/// Runs `program` on normalised images in clear and encrypted, side by side and part by part as
/// [`run`](super::run) does, and compares after every layer. What a part computes on the way is
/// compared some elements at a time, so that a verification takes little more memory than a run; a
/// large batch of encrypted images is in a temporary file meanwhile. INSECURE with a `seed`.
///
/// # Errors
/// When the images are not of the program's size, there are none or too many, the keys have other
/// parameters than the program, there is less memory than that takes, or `progress` asks for an
/// end.
pub fn verify(
    program: &Program,
    keys: &KeyPair,
    images: &ImageMajor<f32>,
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<Verification> {
    let schedule = verified_schedule(program);
    let plaintext = PlaintextBackend::new(&program.signature().parameters.moduli);
    let task = Task { program, schedule: &schedule, plaintext: &plaintext, keys, images, progress };
    task.check(schedule.peak_bytes)?;
    let encrypted = encrypted(&SignatureFile::from(program), &keys.client, images, seed, progress)?;
    let (parameters, server) = (&keys.client.parameters, keys.server.as_ref());
    task.compare(&CkksBackend::for_program(parameters, program, server, RotationMemory::default())?, &encrypted)
}

/// Verifies a program as [`verify`] does, step by step and on the backend that `bind` makes for its
/// parameters and key, of which a run takes `run_bytes` of the processor's memory.
///
/// # Errors
/// As [`verify`], and those of `bind` and of its backend.
pub fn verify_on<'k, B: for<'v> CiphertextBackend<'v>>(
    bind: impl FnOnce(&'k Parameters, Option<&'k ServerKey>) -> Result<B>,
    (program, run_bytes): (&Program, u64),
    (keys, images): (&'k KeyPair, &ImageMajor<f32>),
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<Verification> {
    let schedule = step_by_step(program);
    let plaintext = PlaintextBackend::new(&program.signature().parameters.moduli);
    let task = Task { program, schedule: &schedule, plaintext: &plaintext, keys, images, progress };
    task.check(run_bytes)?;
    let encrypted = encrypted(&SignatureFile::from(program), &keys.client, images, seed, progress)?;
    task.compare(&bind(&keys.client.parameters, keys.server.as_ref())?, &encrypted)
}

/// What is verified.
struct Task<'t> {
    program: &'t Program,
    schedule: &'t Schedule,
    plaintext: &'t PlaintextBackend,
    keys: &'t KeyPair,
    images: &'t ImageMajor<f32>,
    progress: &'t dyn Progress,
}

impl<'t> Task<'t> {
    /// Refuses keys and images that do not fit, and too little memory for what a run takes and for
    /// comparing.
    fn check(&self, run_bytes: u64) -> Result<()> {
        let Self { program, schedule, keys: KeyPair { client, server }, images, .. } = self;
        let signature = program.signature();
        client.expect_parameters("verifying a program", &signature.parameters)?;
        let slots = signature.capacity();
        if !(1..=slots).contains(&images.images()) {
            return Err(Error::BatchSize { operation: "verifying a program", images: images.images(), slots });
        }
        if let Some(server) = server {
            server.expect_rotations("verifying a program", signature)?;
        }
        need(program, schedule, (images.images(), run_bytes), &client.parameters)?.check()?;
        Ok(())
    }

    /// Runs both sides, and compares.
    fn compare<B: CiphertextBackend<'t>>(&self, backend: &'t B, encrypted: &'t EncryptedInput) -> Result<Verification> {
        let Self { program, schedule, plaintext, keys: KeyPair { client, .. }, images, progress } = *self;
        let signature = program.signature();
        let in_clear = plaintext.input(program.values()[0], &*signature.reads.of(images)?)?;
        let first = encrypted.packed(&client.parameters, 0)?;
        let first = backend.input(program, first, signature.input_scale)?;
        let mut comparing = Comparing {
            program,
            decryptor: Decryptor::new(&client.parameters, &client.secret)?,
            images: images.images(),
            clear: Side::new(plaintext, program, schedule, in_clear),
            encrypted: Side::new(backend, program, schedule, first),
            layers: Vec::new(),
            outputs: Outputs::default(),
        };
        comparing.stored(0)?;
        progress.begin("run", schedule.parts.len() as u64);
        for part in &schedule.parts {
            go_on(progress, "verifying a program")?;
            for value in part.first + 1..=part.last {
                comparing.inside(part, value)?;
            }
            comparing.clear.run(part)?;
            comparing.encrypted.run(part)?;
            comparing.stored(part.last + 1)?;
            comparing.clear.free(part);
            comparing.encrypted.free(part);
            progress.advance(1);
        }
        progress.end();
        let Comparing { layers, outputs, .. } = comparing;
        let agreeing = outputs.agreeing(signature, images.images())?;
        let layers: Vec<LayerError> = layers.into_iter().map(Comparison::finish).collect();
        let holds = layers.iter().all(|l| l.verdict != Verdict::Fails);
        Ok(Verification { layers, images: images.images(), agreeing, holds })
    }
}

/// Refuses before any key is made what [`verify`] would refuse after it.
///
/// # Errors
/// When the parameters are not known to be secure, or there is less memory than verifying so many
/// images takes.
pub fn expect_memory_to_verify(program: &Program, images: usize) -> Result<()> {
    let parameters = check(&program.signature().parameters)?;
    let schedule = verified_schedule(program);
    need(program, &schedule, (images, schedule.peak_bytes), &parameters)?.check()?;
    Ok(())
}

/// The schedule of a run; of a packed program step by step, so that every value is stored: its
/// elements cannot be computed one by one.
fn verified_schedule(program: &Program) -> Schedule {
    if program.packing().is_none() { schedule(program) } else { unfused_schedule(program) }
}

/// The images, encrypted in memory or, where they are many bytes, in a file without a name.
fn encrypted(
    file: &SignatureFile,
    client: &ClientKey,
    images: &ImageMajor<f32>,
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<EncryptedInput> {
    if held_in_memory(&file.signature, &client.parameters)?.is_some() {
        return Ok(encrypt(file, client, images, seed, progress)?.0);
    }
    let io = |source| Error::File(beaa_ir::Error::Io { operation: "writing", path: std::env::temp_dir(), source });
    let folder = tempfile::tempdir().map_err(io)?;
    let path = folder.path().join("images.ct");
    encrypt_to_file(&path, file, client, images, seed, progress)?.0.commit()?;
    // It is mapped; where that is possible its name goes before the work begins.
    EncryptedInput::load(&path)
}

/// The bytes of the encrypted images, if they are few enough to be held in memory.
fn held_in_memory(signature: &Signature, parameters: &Parameters) -> Result<Option<u64>> {
    let bytes = compressed_len(parameters, signature.input_limbs, 1, signature.input_ciphertexts())?;
    Ok(bytes.filter(|bytes| *bytes <= KEPT_IN_MEMORY))
}

/// What verifying takes: a run of so many bytes, the same values in clear for every image, some
/// elements that are compared, and the encrypted images where these are held in memory.
fn need(
    program: &Program,
    schedule: &Schedule,
    (images, run_bytes): (usize, u64),
    parameters: &Parameters,
) -> Result<Need> {
    let clear = (live_elements(program, schedule) as u64).saturating_mul((images * size_of::<f64>()) as u64);
    let held = held_in_memory(program.signature(), parameters)?.unwrap_or(0);
    let bytes = run_bytes.saturating_add(clear).saturating_add(2 * COMPARED_TOGETHER as u64);
    Ok(Need::new("verifying the program", bytes.saturating_add(held), "verify fewer images (--limit)"))
}

/// One of the two runs.
struct Side<'a, B: Backend> {
    execution: Execution<'a, 'a, B>,
    values: Vec<Option<B::Value>>,
}

impl<'a, B: Backend> Side<'a, B> {
    fn new(backend: &'a B, program: &'a Program, schedule: &'a Schedule, first: B::Value) -> Self {
        let mut values: Vec<Option<B::Value>> = program.values().iter().map(|_| None).collect();
        values[0] = Some(first);
        Self { execution: Execution { backend, program, schedule, weights: None }, values }
    }

    fn run(&mut self, part: &Part) -> Result<()> {
        self.values[part.last + 1] = Some(self.execution.part(part, &self.values)?.0);
        Ok(())
    }

    fn free(&mut self, part: &Part) {
        part.frees.iter().for_each(|&dead| self.values[dead] = None);
    }

    fn slice(&self, slice: &Slice) -> Result<B::Value> {
        slice.evaluate(self.execution.backend, &self.values)
    }
}

/// Both runs, and what was found so far.
struct Comparing<'a, B: Backend> {
    program: &'a Program,
    decryptor: Decryptor<'a>,
    images: usize,
    clear: Side<'a, PlaintextBackend>,
    encrypted: Side<'a, B>,
    layers: Vec<Comparison<'a>>,
    outputs: Outputs,
}

impl<'a, B: CiphertextBackend<'a>> Comparing<'a, B> {
    /// Compares a value that is stored on both sides.
    fn stored(&mut self, value: ValueId) -> Result<()> {
        let len = self.program.values()[value].len;
        let unpacked = self.unpacked(value)?;
        self.each(value, |this, rows| {
            let (Some(clear), Some(encrypted)) = (&this.clear.values[value], &this.encrypted.values[value]) else {
                unreachable!("value {value} is compared and not stored");
            };
            let expected = rows.iter().map(|&r| clear.values.element(r as usize));
            let expected = ElementMajor::from_rows(this.images, expected)?;
            let found = match (&unpacked, this.encrypted.execution.backend.stored(encrypted)) {
                (Some(unpacked), _) => {
                    let rows = rows.iter().map(|&r| &unpacked[r as usize][..this.images]);
                    ElementMajor::from_rows(this.images, rows)?
                }
                (None, Some(batch)) => this.decrypt(batch, rows, this.scale(encrypted))?,
                (None, None) => {
                    let chosen = this.encrypted.slice(&Slice::of_stored(value, len, rows)?)?;
                    this.decrypt_all(&chosen)?
                }
            };
            Ok((found, expected))
        })
    }

    /// A packed value that is to be compared, decrypted: `[element][image]`. Elements lie across
    /// its ciphertexts, so that all of them are decrypted at once.
    fn unpacked(&self, value: ValueId) -> Result<Option<Vec<Vec<f64>>>> {
        let Some(layout) = self.program.layout(value).filter(|_| self.is_compared(value)) else { return Ok(None) };
        let Some(encrypted) = &self.encrypted.values[value] else { unreachable!("value {value} is not stored") };
        let (batch, scale) = (self.encrypted.execution.backend.output(encrypted)?, self.scale(encrypted));
        let decryptor = &self.decryptor;
        let slots = |i| Ok(decryptor.decrypt(&batch, i, scale)?);
        let slots = (0..batch.len()).into_par_iter().map(slots).collect::<Result<Vec<_>>>()?;
        let degree = self.program.signature().parameters.degree;
        Ok(Some(PackedSlots::new(layout, degree).unpack(&slots)))
    }

    /// Whether the compiler says something of a value, or it is the output.
    fn is_compared(&self, value: ValueId) -> bool {
        value == self.program.output() || self.program.notes().iter().any(|n| n.value == value)
    }

    /// Compares a value that `part` computes on the way.
    fn inside(&mut self, part: &Part, value: ValueId) -> Result<()> {
        let program = self.program;
        self.each(value, |this, rows| {
            let slice = Slice::inside(program, part, value, rows)?;
            Ok((this.decrypt_all(&this.encrypted.slice(&slice)?)?, this.clear.slice(&slice)?.values))
        })
    }

    /// Compares a value, if the compiler says something of it or it is the output, some elements at
    /// a time; `both` gives those of the encrypted and of the clear run.
    fn each(
        &mut self,
        value: ValueId,
        both: impl Fn(&Self, &[u32]) -> Result<(ElementMajor<f64>, ElementMajor<f64>)>,
    ) -> Result<()> {
        let program = self.program;
        let notes: Vec<&'a LayerNote> = program.notes().iter().filter(|n| n.value == value).collect();
        let output = value == program.output();
        if notes.is_empty() && !output {
            return Ok(());
        }
        let info = program.values()[value];
        let degree = program.signature().parameters.degree;
        let together = (COMPARED_TOGETHER / (info.limbs * info.components * degree * 8)).max(1);
        for first in (0..info.len).step_by(together) {
            let rows: Vec<u32> = (first..info.len.min(first + together)).map(|r| r as u32).collect();
            let (found, expected) = both(self, &rows)?;
            for &note in &notes {
                let tile_of = self.layers.iter().position(|l| l.is_of(note));
                let layer = tile_of.unwrap_or_else(|| {
                    self.layers.push(Comparison::new(note, self.images));
                    self.layers.len() - 1
                });
                self.layers[layer].add(&found, &expected);
            }
            if output {
                self.outputs.found.extend_from_slice(found.data());
                self.outputs.expected.extend_from_slice(expected.data());
            }
        }
        Ok(())
    }

    fn decrypt_all(&self, value: &B::Value) -> Result<ElementMajor<f64>> {
        let batch = self.encrypted.execution.backend.output(value)?;
        let all: Vec<u32> = (0..batch.len() as u32).collect();
        self.decrypt(&batch, &all, self.scale(value))
    }

    fn scale(&self, value: &B::Value) -> f64 {
        self.encrypted.execution.backend.info(value).scale
    }

    fn decrypt(&self, batch: &Batch, rows: &[u32], scale: f64) -> Result<ElementMajor<f64>> {
        let (decryptor, images) = (&self.decryptor, self.images);
        let row = |&r: &u32| {
            let mut slots = decryptor.decrypt(batch, r as usize, scale)?;
            slots.truncate(images);
            Ok(slots)
        };
        let rows = rows.par_iter().map(row).collect::<Result<Vec<_>>>()?;
        Ok(ElementMajor::from_rows(images, rows)?)
    }
}

/// The outputs of both runs, `[output][image]`.
#[derive(Default)]
struct Outputs {
    found: Vec<f64>,
    expected: Vec<f64>,
}

impl Outputs {
    /// Images to which both give the same class.
    fn agreeing(self, signature: &Signature, images: usize) -> Result<usize> {
        let of = |logits: Vec<f64>| {
            let logits = ElementMajor::new(logits.len() / images, images, logits)?;
            Ok::<_, Error>(signature.classes.of(&logits.to_image_major()))
        };
        let (found, expected) = (of(self.found)?, of(self.expected)?);
        Ok(found.iter().zip(&expected).filter(|(found, e)| found.is_some() && found == e).count())
    }
}
