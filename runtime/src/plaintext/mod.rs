//! The compiled program on images in clear: what encryption would answer without noise. Must never be mistaken for
//! the model itself, whose weights are not rounded.

mod backend;

pub use backend::{PlaintextBackend, PlaintextValue};

use beaa_ir::ckks::Program;

use crate::execute::{Execution, step_by_step};
use crate::{Result, Silent};

/// Runs `program` on normalised images in clear. Shapes: `images` is `[image][element]`, the result `[image][output]`.
///
/// # Errors
/// When an image is not of the program's size.
pub fn run(program: &Program, images: &[Vec<f32>]) -> Result<Vec<Vec<f64>>> {
    let backend = PlaintextBackend::new(&program.signature().parameters.moduli);
    let first = backend.input(program.values()[0], images)?;
    let schedule = step_by_step(program);
    let execution = Execution { backend: &backend, program, schedule: &schedule, weights: None };
    let (output, _) = execution.run(first, &Silent, |_, _| Ok(()))?;
    Ok((0..images.len()).map(|image| output.rows.iter().map(|row| row[image]).collect()).collect())
}
