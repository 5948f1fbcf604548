//! Models: read, written again, evaluated.

use anyhow::{Result, ensure};
use beaa_ir::images::ImageMajor;
use beaa_ir::{Model, evaluate, is_model, load_model, save_model};

use crate::scratch::Scratch;

/// Numbers of all values of a network that is evaluated.
const MOST_ELEMENTS: usize = 1 << 12;
/// Weights times values, about the multiplications of an evaluation.
const MOST_PRODUCTS: usize = 1 << 22;

pub(super) fn model(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let path = scratch.write("x.safetensors", bytes)?;
    let says_so = is_model(&path);
    let model = load_model(&path)?;
    ensure!(says_so, "a model that does not say that it is one");
    scratch.same_again(&model, save_model, load_model)?;
    if small(&model) {
        let answer = evaluate(&model, &vec![0.25; model.input().shape().len()])?;
        let _ = model.classes().of(&ImageMajor::new(1, answer.len(), answer)?);
    }
    Ok(())
}

/// Whether work on a model takes milliseconds.
pub(super) fn small(model: &Model) -> bool {
    let values: usize = model.shapes().iter().map(|s| s.len()).fold(model.input().shape().len(), usize::saturating_add);
    let weights = model.layers().iter().flat_map(|l| l.op.tensors()).map(|(_, t)| t.data().len());
    values <= MOST_ELEMENTS && weights.sum::<usize>().saturating_mul(values) <= MOST_PRODUCTS
}
