//! The compiled program on images in clear: what encryption would answer without noise. Must never be mistaken for
//! the model itself, whose weights are not rounded.

mod backend;

pub use backend::{PlaintextBackend, PlaintextValue};

use beaa_ir::ckks::Program;

use crate::execute::{execute, step_by_step};
use crate::{Result, Silent, error::input};

/// The outputs for each normalised image.
pub fn run(program: &Program, images: &[Vec<f32>]) -> Result<Vec<Vec<f64>>> {
    let Some(&info) = program.values().first() else {
        return Err(input("running in clear", "a program without values", "an input"));
    };
    let backend = PlaintextBackend::new(&program.signature().parameters.moduli);
    let first = backend.input(info, images)?;
    let (output, _) = execute(&backend, program, &step_by_step(program), first, &Silent, |_, _| Ok(()))?;
    Ok((0..images.len()).map(|i| output.rows.iter().filter_map(|r| r.get(i).copied()).collect()).collect())
}
