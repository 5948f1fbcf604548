//! Walks a look-up program before anybody trusts it. What passes can neither overflow nor index out
//! of range later.

use super::program::{Program, ProgramLiteral, Signature, Stage};
use crate::{Error, Result};

/// The most entries of a table, and the most bits taken off: far beyond what any parameters carry.
const MAX_LEVELS: u32 = 4096;
const MAX_DROP: u32 = 24;

fn fail<T>(found: impl Into<String>, expected: &str) -> Result<T> {
    Err(Error::Malformed {
        operation: "checking a look-up program",
        found: found.into(),
        expected: expected.into(),
        remedy: "the file is damaged or was made by another version; compile the model again with `beaa compile`",
    })
}

impl TryFrom<ProgramLiteral> for Program {
    type Error = Error;

    fn try_from(literal: ProgramLiteral) -> Result<Self> {
        check(&literal)?;
        Ok(Self::checked(literal))
    }
}

fn check(literal: &ProgramLiteral) -> Result<()> {
    let signature = &literal.signature;
    check_signature(signature)?;
    let Some(first) = literal.stages.first() else { return fail("no stage", "one at least") };
    let mut width = signature.input.shape().len();
    for stage in &literal.stages {
        check_stage(stage, width)?;
        width = stage.bias.len();
    }
    // Slots are a product that only checked stages are sure to have.
    if first.slots() != signature.input_slots || signature.input_large_key != (first.dropped_bits > 0) {
        return fail(format!("{} slots of the input", signature.input_slots), "those of the first stage, and its key");
    }
    if literal.last_bias.iter().any(|b| b.unsigned_abs() > 1 << 60) {
        return fail("a bias of the outputs that is too large", "at most 2^60");
    }
    let outputs = signature.output_scale.len();
    if literal.last.columns() != width || literal.last.rows() != outputs || literal.last_bias.len() != outputs {
        return fail(
            format!("{} x {} weights of the outputs", literal.last.rows(), literal.last.columns()),
            "a row per output",
        );
    }
    Ok(())
}

fn check_stage(stage: &Stage, inputs: usize) -> Result<()> {
    let rows = stage.weights.rows();
    if stage.weights.columns() != inputs || stage.bias.len() != rows || rows == 0 {
        return fail(
            format!("{rows} x {} weights in `{}`", stage.weights.columns(), stage.layer),
            "a matrix that fits its input",
        );
    }
    let largest = stage.bias.iter().map(|b| b.unsigned_abs()).max().unwrap_or(0);
    if largest > 1 << 60 {
        return fail(format!("a bias of {largest} in `{}`", stage.layer), "at most 2^60");
    }
    if !(2..=MAX_LEVELS).contains(&stage.levels) || stage.dropped_bits > MAX_DROP {
        return fail(
            format!("{} levels, {} bits dropped", stage.levels, stage.dropped_bits),
            "2 to 4096 levels, at most 24 bits",
        );
    }
    if stage.tables.len() != rows * stage.levels as usize {
        return fail(format!("{} table entries in `{}`", stage.tables.len(), stage.layer), "one table per element");
    }
    Ok(())
}

pub(super) fn check_signature(s: &Signature) -> Result<()> {
    s.parameters.known()?;
    let [c, h, w] = s.input.shape;
    let elements = c.checked_mul(h).and_then(|n| n.checked_mul(w)).unwrap_or(0);
    if !(1..=1 << 24).contains(&elements) {
        return fail(format!("images of {:?}", s.input.shape), "between 1 and 2^24 elements");
    }
    if let Some((found, expected)) = s.input.fault() {
        return fail(found, &expected);
    }
    if !(1..=255).contains(&s.pixel_steps) || !(2..=1 << 37).contains(&s.input_slots) {
        return fail(format!("{} steps of a pixel", s.pixel_steps), "1 to 255, and slots for their sums");
    }
    let outputs = s.output_scale.len();
    let finite = s.output_scale.iter().chain(&s.output_offset).all(|v| v.is_finite()) && s.log2_failure.is_finite();
    if outputs == 0 || s.output_offset.len() != outputs || !finite || !(2..=40).contains(&s.output_bits) {
        return fail(format!("{outputs} outputs of {} bits", s.output_bits), "finite scales and 2 to 40 bits");
    }
    if s.log2_failure > 0.0 {
        return fail(format!("a probability of failure of 2^{}", s.log2_failure), "at most 1");
    }
    if s.classes.outputs() != outputs {
        return fail(format!("classes of {} outputs", s.classes.outputs()), "those of the outputs");
    }
    s.promise.iter().try_for_each(|p| p.check(&s.input, outputs))
}
