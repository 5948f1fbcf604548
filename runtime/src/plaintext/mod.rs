//! The plaintext backend: the compiled program on images in clear, which is what encryption would
//! answer without noise. The model itself answers a little differently: its weights are not
//! rounded.

mod backend;

pub use backend::{PlaintextBackend, PlaintextValue};

use beaa_ir::ckks::Program;
use beaa_ir::images::ImageMajor;

use crate::execute::{Execution, live_elements, step_by_step};
use crate::{Result, Silent};

/// Bytes of values that are in memory at a time.
const LIVE_TOGETHER: usize = 256 << 20;

/// Runs `program` on normalised images in clear, as many at a time as take little memory, and
/// returns their outputs.
///
/// # Errors
/// When the images are not of the program's size.
pub fn run(program: &Program, images: &ImageMajor<f32>) -> Result<ImageMajor<f64>> {
    let backend = PlaintextBackend::new(&program.signature().parameters.moduli);
    let schedule = step_by_step(program);
    let execution = Execution { backend: &backend, program, schedule: &schedule, weights: None };
    let outputs = program.values()[program.output()].len;
    let together = (LIVE_TOGETHER / (live_elements(program, &schedule) * size_of::<f64>())).max(1);
    let mut answers = Vec::with_capacity(images.images() * outputs);
    let mut first = 0;
    // Without images this still checks their size.
    loop {
        let count = together.min(images.images() - first);
        let some = ImageMajor::from_rows(images.elements(), (first..first + count).map(|i| images.image(i)))?;
        let input = backend.input(program.values()[0], &*program.signature().reads.of(&some)?)?;
        let (output, _) = execution.run(input, &Silent, |_, _| Ok(()))?;
        answers.extend_from_slice(output.values.to_image_major().data());
        first += count;
        if first == images.images() {
            return Ok(ImageMajor::new(first, outputs, answers)?);
        }
    }
}
