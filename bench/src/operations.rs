//! Each operation of a fused part by the run's own account of where its time went. Must never measure anything anew.

use beaa_ckks::{Batch, Parameters};
use beaa_ir::Program;
use beaa_runtime::LayerTime;
use serde::Serialize;

use crate::Result;
use crate::account::step_products;

/// One kind of operation in a whole run, one thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperationFigures {
    /// The model's layer.
    pub layer: String,
    /// Its name.
    pub operation: String,
    /// Ciphertexts that resulted.
    pub calls: usize,
    /// For all slots and limbs.
    pub seconds: f64,
    /// Products of residues.
    pub products: u64,
    /// The same in a second.
    pub products_per_second: f64,
}

/// All operations of the parts in which several are fused, from a run on one thread. A square that its only reader makes
/// on the way has no time of its own.
pub(crate) fn operations(program: &Program, layers: &[LayerTime]) -> Vec<OperationFigures> {
    let fused = layers.iter().filter(|l| l.operations.len() > 1).flat_map(|l| &l.operations);
    let figures = fused.map(|o| {
        let steps = || {
            let steps = program.steps().iter().enumerate();
            steps.filter(|(_, s)| s.layer == o.layer && s.op.name() == o.operation).map(|(i, _)| i)
        };
        let products = steps().map(|i| step_products(program, i)).sum();
        OperationFigures {
            layer: o.layer.clone(),
            operation: o.operation.clone(),
            calls: steps().filter_map(|i| program.values().get(i + 1)).map(|v| v.len).sum(),
            seconds: o.thread_seconds,
            products,
            products_per_second: products as f64 / o.thread_seconds,
        }
    });
    figures.collect()
}

/// Ciphertexts of residues that look random.
pub(crate) fn residues(parameters: &Parameters, limbs: usize, components: usize, len: usize) -> Result<Batch> {
    let n = parameters.degree();
    let smallest = parameters.moduli(limbs).map(|q| q.value()).min().unwrap_or(2);
    Ok(Batch::build(parameters, limbs, components, len, |element, out| {
        for (j, o) in out.iter_mut().enumerate() {
            *o = ((element * n + j) as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % smallest;
        }
        Ok(())
    })?)
}
