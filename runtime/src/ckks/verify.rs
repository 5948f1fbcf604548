//! Clear and encrypted side by side, step by step: where an error comes from, and whether it is
//! what was predicted. It takes both keys, so it is for the owner of the secret one.

use beaa_ckks::Decryptor;
use beaa_ir::ckks::{LayerNote, Program, SignatureFile};
use beaa_ir::images::{ElementMajor, ImageMajor};
use rayon::prelude::*;
use serde::Serialize;

use super::{CkksBackend, CkksValue, KeyPair, encrypt};
use crate::execute::{Execution, step_by_step};
use crate::plaintext::{PlaintextBackend, PlaintextValue};
use crate::{Progress, Result, Silent};

/// A layer holds when its error is at most this many times what was predicted.
const TOLERANCE: f64 = 2.0;

/// The error of one layer, in the units of its values.
#[derive(Debug, Clone, Serialize)]
pub struct LayerError {
    /// The model's layer.
    pub layer: String,
    /// Predicted standard deviation.
    pub predicted: f64,
    /// Measured standard deviation, encrypted against clear.
    pub measured: f64,
    /// Largest absolute error.
    pub largest: f64,
    /// Largest absolute value that the program was compiled for.
    pub bound: f64,
    /// Largest absolute value met.
    pub largest_value: f64,
    /// Whether both are as promised.
    pub holds: bool,
}

/// The errors of all layers.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// In order.
    pub layers: Vec<LayerError>,
    /// Images that took part.
    pub images: usize,
    /// Images for which clear and encrypted outputs say the same class.
    pub agreeing: usize,
    /// Whether every layer holds.
    pub holds: bool,
}

/// Runs `program` on normalised images in clear and encrypted, and compares after every layer.
/// INSECURE with a `seed`.
///
/// # Errors
/// When the images are not of the program's size, there are none or too many, or the keys have
/// other parameters than the program.
pub fn verify(
    program: &Program,
    KeyPair { client, server }: &KeyPair,
    images: &ImageMajor<f32>,
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<Verification> {
    let signature = program.signature();
    server.expect_parameters("verifying a program", &signature.parameters)?;
    let schedule = step_by_step(program);
    let plaintext = PlaintextBackend::new(&signature.parameters.moduli);
    let execution = Execution { backend: &plaintext, program, schedule: &schedule, weights: None };
    let mut expected: Vec<Option<PlaintextValue>> = vec![None; program.values().len()];
    let compared = |id| program.notes().iter().any(|n| n.value == id) || id == program.output();
    execution.run(plaintext.input(program.values()[0], images)?, &Silent, |id, value| {
        if compared(id) {
            expected[id] = Some(value.clone());
        }
        Ok(())
    })?;
    let (encrypted, _) = encrypt(&SignatureFile::from(program), client, images, seed, progress)?;
    let first = CkksValue::packed(encrypted.packed(&server.parameters)?, signature.input_scale);
    let backend = CkksBackend::new(&server.parameters, &server.key)?;
    let execution = Execution { backend: &backend, program, schedule: &schedule, weights: None };
    let decryptor = Decryptor::new(&server.parameters, &client.secret)?;
    let mut layers: Vec<Comparison<'_>> = Vec::new();
    let mut agreeing = 0;
    execution.run(first, progress, |id, value| {
        let Some(expected) = &expected[id] else { return Ok(()) };
        let batch = value.batch()?;
        let decrypted = (0..batch.len())
            .into_par_iter()
            .map(|i| {
                let mut slots = decryptor.decrypt(&batch, i, value.scale())?;
                slots.truncate(images.images());
                Ok(slots)
            })
            .collect::<Result<Vec<_>>>()?;
        let decrypted = ElementMajor::from_rows(images.images(), decrypted)?;
        for note in program.notes().iter().filter(|n| n.value == id) {
            let tile_of = layers.iter().position(|l| l.is_of(note));
            let layer = tile_of.unwrap_or_else(|| {
                layers.push(Comparison::new(note));
                layers.len() - 1
            });
            layers[layer].add(&decrypted, &expected.values);
        }
        if id == program.output() {
            let of = |logits: &ElementMajor<f64>| signature.classes.of(&logits.to_image_major());
            let (found, expected) = (of(&decrypted), of(&expected.values));
            agreeing = found.iter().zip(&expected).filter(|(found, e)| found.is_some() && found == e).count();
        }
        Ok(())
    })?;
    let layers: Vec<LayerError> = layers.into_iter().map(Comparison::finish).collect();
    let holds = layers.iter().all(|l| l.holds);
    Ok(Verification { layers, images: images.images(), agreeing, holds })
}

/// What was found for one layer, over all its bands.
struct Comparison<'a> {
    note: &'a LayerNote,
    count: usize,
    squares: f64,
    largest: f64,
    largest_value: f64,
}

impl<'a> Comparison<'a> {
    fn new(note: &'a LayerNote) -> Self {
        Self { note, count: 0, squares: 0.0, largest: 0.0, largest_value: 0.0 }
    }

    /// Whether the note says the same, of another band.
    fn is_of(&self, note: &LayerNote) -> bool {
        *self.note == LayerNote { value: self.note.value, ..note.clone() }
    }

    fn add(&mut self, found: &ElementMajor<f64>, expected: &ElementMajor<f64>) {
        for (g, e) in found.data().iter().zip(expected.data()) {
            self.count += 1;
            self.squares += (g - e).powi(2);
            self.largest = self.largest.max((g - e).abs());
            self.largest_value = self.largest_value.max(e.abs());
        }
    }

    fn finish(self) -> LayerError {
        let measured = (self.squares / self.count.max(1) as f64).sqrt();
        LayerError {
            layer: self.note.layer.clone(),
            predicted: self.note.error,
            measured,
            largest: self.largest,
            bound: self.note.bound,
            largest_value: self.largest_value,
            holds: measured <= TOLERANCE * self.note.error && self.largest_value <= self.note.bound,
        }
    }
}
