//! Clear and encrypted side by side, step by step: where an error comes from, and whether it is what was predicted.
//! For the owner of the keys only; must never run on a server.

use beaa_ckks::{Encoder, decrypt};
use beaa_ir::{LayerNote, Program, program_hash};
use rayon::prelude::*;
use serde::Serialize;

use crate::backend::{CkksBackend, CkksValue, ClearBackend, ClearValue};
use crate::execute::execute;
use crate::schedule::plan;
use crate::{ClientKey, Progress, Result, ServerKey, Silent, encrypt, error::input};

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
    /// Images for which clear and encrypted outputs have the same largest entry.
    pub agreeing: usize,
    /// Whether every layer holds.
    pub holds: bool,
}

/// Runs `program` on `images` in clear and encrypted, comparing after every layer.
pub fn verify(
    program: &Program,
    client: &ClientKey,
    server: &ServerKey,
    images: &[Vec<f32>],
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<Verification> {
    let signature = program.signature();
    server.expect_parameters("verifying a program", &signature.parameters)?;
    let schedule = plan(program, false);
    let Some(&info) = program.values().first() else {
        return Err(input("verifying a program", "a program without values", "an input"));
    };
    let clear_backend = ClearBackend::new(&signature.parameters.moduli);
    let mut clear: Vec<Option<ClearValue>> = vec![None; program.values().len()];
    let wanted = |id| program.notes().iter().any(|n| n.value == id) || id == program.output();
    execute(&clear_backend, program, &schedule, clear_backend.input(info, images)?, &Silent, |id, value| {
        if let Some(slot) = clear.get_mut(id).filter(|_| wanted(id)) {
            *slot = Some(value.clone());
        }
        Ok(())
    })?;
    let encrypted = encrypt(signature, &program_hash(program), client, images, seed, progress)?;
    let first = CkksValue::packed(encrypted.packed(&server.parameters)?, signature.input_scale);
    let backend = CkksBackend::new(&server.parameters, &server.key);
    let encoder = Encoder::new(server.parameters.degree());
    let mut layers = Vec::new();
    let mut agreeing = 0;
    execute(&backend, program, &schedule, first, progress, |id, value| {
        let Some(expected) = clear.get(id).and_then(Option::as_ref) else { return Ok(()) };
        let batch = value.batch(&server.parameters)?;
        let decrypted = (0..batch.len())
            .into_par_iter()
            .map(|i| {
                let mut slots = decrypt(&client.parameters, &encoder, &client.secret, &batch, i, value.scale())?;
                slots.truncate(images.len());
                Ok(slots)
            })
            .collect::<Result<Vec<_>>>()?;
        layers.extend(
            program.notes().iter().filter(|n| n.value == id).map(|note| compare(note, &decrypted, &expected.rows)),
        );
        if id == program.output() {
            agreeing =
                (0..images.len()).filter(|&i| largest_row(&decrypted, i) == largest_row(&expected.rows, i)).count();
        }
        Ok(())
    })?;
    let holds = layers.iter().all(|l: &LayerError| l.holds);
    Ok(Verification { layers, images: images.len(), agreeing, holds })
}

fn compare(note: &LayerNote, got: &[Vec<f64>], expected: &[Vec<f64>]) -> LayerError {
    let pairs = || got.iter().flatten().zip(expected.iter().flatten());
    let count = pairs().count().max(1) as f64;
    let measured = (pairs().map(|(g, e)| (g - e).powi(2)).sum::<f64>() / count).sqrt();
    let largest = pairs().map(|(g, e)| (g - e).abs()).fold(0.0, f64::max);
    let largest_value = expected.iter().flatten().map(|v| v.abs()).fold(0.0, f64::max);
    LayerError {
        layer: note.layer.clone(),
        predicted: note.error,
        measured,
        largest,
        bound: note.bound,
        largest_value,
        holds: measured <= TOLERANCE * note.error && largest_value <= note.bound,
    }
}

fn largest_row(rows: &[Vec<f64>], image: usize) -> Option<usize> {
    let value = |r: &Vec<f64>| r.get(image).copied().unwrap_or(f64::NEG_INFINITY);
    rows.iter().enumerate().max_by(|a, b| value(a.1).total_cmp(&value(b.1))).map(|(i, _)| i)
}
