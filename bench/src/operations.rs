//! Each operation of a fused part alone: the part is cut short after every operation in turn, and what one more operation
//! adds to the time is its own. Must never store what the run would not: a last row reads one element of what is cut off.

use beaa_ckks::pointwise::{self, Op, Operand};
use beaa_ckks::{Batch, Panels, Parameters};
use beaa_ir::{Program, StepOp, ValueId};
use beaa_runtime::Schedule;
use serde::Serialize;

use crate::Result;
use crate::account::step_products;
use crate::clock::{Effort, alternate};
use crate::error::setting;

/// Slots of a cut: enough tiles that starting is not what is measured.
const SLOTS: usize = 1024;

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

/// All operations of the parts in which several are fused.
pub(crate) fn operations(
    program: &Program,
    schedule: &Schedule,
    parameters: &Parameters,
    effort: Effort,
) -> Result<Vec<OperationFigures>> {
    let mut figures = Vec::new();
    for part in schedule.parts.iter().filter(|p| p.last > p.first) {
        let seconds = cuts(program, part.first, part.last, parameters, effort)?;
        for (step, seconds) in (part.first..=part.last).zip(seconds) {
            let products = step_products(program, step);
            let Some(s) = program.steps().get(step) else { continue };
            figures.push(OperationFigures {
                layer: s.layer.clone(),
                operation: s.op.name().into(),
                calls: program.values().get(step + 1).map_or(0, |v| v.len),
                seconds,
                products,
                products_per_second: products as f64 / seconds,
            });
        }
    }
    Ok(figures)
}

/// Seconds that each operation adds, scaled up to the whole run.
fn cuts(program: &Program, first: usize, last: usize, parameters: &Parameters, effort: Effort) -> Result<Vec<f64>> {
    let literal = parameters.literal();
    let slots = SLOTS.min(literal.degree);
    // Primes that are 1 modulo four times a degree are so for every smaller degree, too.
    let small = beaa_ckks::ParametersLiteral { degree: slots, ..literal.clone() };
    let small = Parameters::with_kernel(small, parameters.kernel())?;
    let steps = program.steps().get(first..=last).unwrap_or_default();
    let mut inputs: Vec<ValueId> = steps.iter().flat_map(|s| s.op.inputs()).filter(|&v| v <= first).collect();
    inputs.sort_unstable();
    inputs.dedup();
    let info = |v: ValueId| {
        let none = || setting("measuring operations", format!("value {v}"), "a value of the program");
        program.values().get(v).copied().ok_or_else(none)
    };
    let limbs = inputs.first().map_or(Ok(1), |&v| info(v).map(|i| i.limbs))?;
    let batches = inputs
        .iter()
        .map(|&v| info(v).and_then(|i| residues(&small, 1, i.components, i.len)))
        .collect::<Result<Vec<_>>>()?;
    let batches: Vec<&Batch> = batches.iter().collect();
    let panels = steps.iter().map(|s| panels(&s.op)).collect::<Result<Vec<_>>>()?;
    let operand = |v: ValueId| match v > first {
        true => Operand::Result(v - first - 1),
        false => Operand::Input(inputs.iter().position(|&i| i == v).unwrap_or(0)),
    };
    let ops: Vec<Op<'_>> = steps
        .iter()
        .zip(&panels)
        .map(|(s, panels)| match &s.op {
            StepOp::Linear { terms, bias, .. } => {
                Op::Linear { terms: terms.iter().map(|t| operand(t.input)).zip(panels).collect(), bias }
            }
            StepOp::ScaleUp { input, factor } => Op::Scale(operand(*input), *factor),
            other => Op::Square(operand(other.inputs().first().copied().unwrap_or(0))),
        })
        .collect();
    let one = |len: usize| Ok(Panels::new(1, len, |_| (&[0], &[1]))?);
    let readers = (1..=ops.len()).map(|cut| one(info(first + cut)?.len)).collect::<Result<Vec<_>>>()?;
    let parts = readers.iter().enumerate().map(|(cut, reader)| {
        let mut part = ops.get(..=cut).unwrap_or_default().to_vec();
        part.push(Op::Linear { terms: vec![(Operand::Result(cut), reader)], bias: &[0] });
        part
    });
    let parts: Vec<Vec<Op<'_>>> = parts.collect();
    let mut runs: Vec<_> = parts.iter().map(|part| || Ok(pointwise::run(&small, &batches, part).map(drop)?)).collect();
    let mut works: Vec<&mut dyn FnMut() -> Result<()>> = Vec::new();
    works.extend(runs.iter_mut().map(|r| r as &mut dyn FnMut() -> Result<()>));
    let whole = limbs as f64 * (literal.degree / slots) as f64;
    let mut before = 0.0;
    let added = alternate(effort, &mut works)?.into_iter().map(|sample| {
        let own = (sample.minimum - before).max(0.0) * whole;
        before = sample.minimum;
        own
    });
    Ok(added.collect())
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

fn panels(op: &StepOp) -> Result<Vec<Panels>> {
    let StepOp::Linear { terms, .. } = op else { return Ok(Vec::new()) };
    terms.iter().map(|t| Ok(Panels::new(t.weights.rows(), t.weights.columns(), |r| t.weights.row(r))?)).collect()
}
