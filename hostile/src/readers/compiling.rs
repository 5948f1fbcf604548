//! Models that are compiled: what the compiler makes of numbers and shapes that nobody trained.

use anyhow::{Result, ensure};
use beaa_compiler::{Error, ckks as to_ckks};
use beaa_ir::load_model;

use super::models::small;
use crate::scratch::Scratch;

/// Images to calibrate on.
#[cfg(feature = "tfhe")]
const SAMPLES: usize = 64;

pub(super) fn ckks(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let model = load_model(&scratch.write("x.safetensors", bytes)?)?;
    ensure!(small(&model), "a model that is too large to be compiled many times");
    let options = to_ckks::Options { logit_error: 0.1, memory: Some(64 << 20), ..to_ckks::Options::default() };
    let compiled = to_ckks::compile(&model, &options).map_err(checked)?;
    ensure!(!to_ckks::explain(&compiled.report).is_empty(), "a report without a word");
    scratch.same_again(&compiled.program, beaa_ir::ckks::save_program, beaa_ir::ckks::load_program)
}

#[cfg(feature = "tfhe")]
pub(super) fn tfhe(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    use beaa_compiler::{Machine, tfhe as to_tfhe};
    use beaa_ir::images::ImageMajor;
    let model = load_model(&scratch.write("x.safetensors", bytes)?)?;
    ensure!(small(&model), "a model that is too large to be compiled many times");
    let elements = model.input().shape().len();
    let pixels = (0..SAMPLES * elements).map(|i| (i * 37 % 251) as u8).collect();
    let images = ImageMajor::new(SAMPLES, elements, pixels)?;
    let options = to_tfhe::Options { agreement: 0.5, ..to_tfhe::Options::default() };
    let compiled = to_tfhe::compile(&model, &options, &Machine::reference(), &images).map_err(checked)?;
    scratch.same_again(&compiled.program, beaa_ir::tfhe::save_program, beaa_ir::tfhe::load_program)
}

/// A refusal; none may blame the compiler.
fn checked(error: Error) -> anyhow::Error {
    let words = error.to_string();
    assert!(!words.contains("bug"), "a model is no bug of the compiler: {words}");
    error.into()
}
