//! The plaintext backend: the compiled program on images in clear, which is what encryption would
//! answer without noise. The model itself answers a little differently: its weights are not
//! rounded.

mod backend;

pub use backend::{PlaintextBackend, PlaintextValue};

use beaa_ir::ckks::Program;
use beaa_ir::images::ImageMajor;

use crate::execute::{Execution, step_by_step};
use crate::{Result, Silent};

/// Runs `program` on normalised images in clear and returns their outputs.
///
/// # Errors
/// When the images are not of the program's size.
pub fn run(program: &Program, images: &ImageMajor<f32>) -> Result<ImageMajor<f64>> {
    let backend = PlaintextBackend::new(&program.signature().parameters.moduli);
    let first = backend.input(program.values()[0], images)?;
    let schedule = step_by_step(program);
    let execution = Execution { backend: &backend, program, schedule: &schedule, weights: None };
    let (output, _) = execution.run(first, &Silent, |_, _| Ok(()))?;
    Ok(output.values.to_image_major())
}
