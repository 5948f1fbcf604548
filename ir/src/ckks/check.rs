//! Walks a program with shapes in place of ciphertexts: the single account of length, limbs, scale
//! and components. A program that passes holds no step that a backend could not run.

use super::packing::PackedAccount;
use super::program::{LinearTerm, Program, ProgramLiteral, Step, StepOp};
use super::signature::check_signature;
use super::value::{ValueId, ValueInfo, same_scale, valid_scale};
use crate::{Error, Result};

impl TryFrom<ProgramLiteral> for Program {
    type Error = Error;

    fn try_from(literal: ProgramLiteral) -> Result<Self> {
        let signature = &literal.signature;
        check_signature(signature)?;
        let values = infer_values(signature.input_value(), &literal.steps, &signature.parameters.moduli)?;
        check_output(&literal, &values)?;
        let packed = match &literal.packing {
            Some(packing) => Some(PackedAccount::new(packing, &literal, &values)?),
            None if signature.packing.is_some() => {
                return Err(Error::malformed("checking a program", "no packing", "that of its signature"));
            }
            None => None,
        };
        Ok(Self::checked(literal, values, packed))
    }
}

/// Infers length, limbs, scale and components of every value: of the input, as given, and of every
/// step's result.
///
/// # Errors
/// Names the first step that does not fit the values before it.
pub fn infer_values(input: ValueInfo, steps: &[Step], moduli: &[u64]) -> Result<Vec<ValueInfo>> {
    let mut values = Vec::with_capacity(steps.len() + 1);
    values.push(input);
    for (i, step) in steps.iter().enumerate() {
        values.push(apply(i, step, &values, moduli)?);
    }
    Ok(values)
}

fn check_output(program: &ProgramLiteral, values: &[ValueInfo]) -> Result<()> {
    let s = &program.signature;
    let Some(out) = values.get(program.output) else {
        return Err(Error::malformed(
            "checking a program",
            format!("output value {}", program.output),
            "an existing value",
        ));
    };
    let fits = out.len == s.classes.outputs()
        && out.limbs == s.output_limbs
        && same_scale(out.scale, s.output_scale)
        && out.components == s.output_components;
    if !fits {
        return Err(Error::malformed(
            "checking a program",
            format!("an output of {out:?}"),
            format!(
                "what the signature says: {} outputs, {} limbs, scale {:e}, {} components",
                s.classes.outputs(),
                s.output_limbs,
                s.output_scale,
                s.output_components
            ),
        ));
    }
    if !s.switches_keys && program.steps.iter().any(|step| step.op.switches_keys()) {
        return Err(Error::malformed("checking a program", "steps that switch keys", "none, as the signature says"));
    }
    if let Some(note) = program.notes.iter().find(|n| n.value >= values.len()) {
        return Err(Error::malformed(
            "checking a program",
            format!("a note on value {}", note.value),
            "an existing value",
        ));
    }
    // Files keep them on the first note.
    if program.notes.is_empty() && !program.alternatives.is_empty() {
        return Err(Error::malformed("checking a program", "alternatives without any note", "notes of the layers"));
    }
    Ok(())
}

fn apply(index: usize, step: &Step, values: &[ValueInfo], moduli: &[u64]) -> Result<ValueInfo> {
    let op = step.op.name();
    let fail = |found: String, expected: String| Error::step(index, op, found, expected);
    let get = |id: ValueId| {
        values.get(id).copied().ok_or_else(|| fail(format!("value {id}"), "a value made before this step".into()))
    };
    let result = match &step.op {
        StepOp::Linear { terms, weight_scale, bias } => linear(terms, *weight_scale, bias.len(), &get, &fail)?,
        StepOp::ScaleUp { input, factor } => {
            let v = get(*input)?;
            if *factor == 0 {
                return Err(fail("factor 0".into(), "a positive factor".into()));
            }
            let scale = v.scale * *factor as f64;
            ValueInfo { scale, ..v }
        }
        StepOp::Square { input } => {
            let v = get(*input)?;
            expect_components(v, 2, &fail)?;
            ValueInfo { scale: v.scale * v.scale, components: 3, ..v }
        }
        StepOp::Relinearise { input } => {
            let v = get(*input)?;
            expect_components(v, 3, &fail)?;
            ValueInfo { components: 2, ..v }
        }
        StepOp::Rescale { input } => {
            let v = get(*input)?;
            let last = v.limbs.checked_sub(1).filter(|n| *n > 0).and_then(|n| moduli.get(n));
            let Some(&q) = last else {
                return Err(fail("1 limb".into(), "at least 2: the last one is dropped".into()));
            };
            let scale = v.scale / q as f64;
            ValueInfo { scale, limbs: v.limbs - 1, ..v }
        }
        StepOp::DropLimbs { input, limbs } => {
            let v = get(*input)?;
            if *limbs == 0 || *limbs > v.limbs {
                return Err(fail(format!("{limbs} limbs"), format!("between 1 and {}", v.limbs)));
            }
            ValueInfo { limbs: *limbs, ..v }
        }
    };
    if !valid_scale(result.scale) {
        return Err(fail(format!("scale {:e}", result.scale), "a finite scale above 1".into()));
    }
    Ok(result)
}

fn linear(
    terms: &[LinearTerm],
    weight_scale: f64,
    outputs: usize,
    get: &impl Fn(ValueId) -> Result<ValueInfo>,
    fail: &impl Fn(String, String) -> Error,
) -> Result<ValueInfo> {
    let Some(first) = terms.first() else {
        return Err(fail("no term".into(), "at least one".into()));
    };
    // Below 1 where a weight of 1 makes up for a prime a little below a power of two.
    if !weight_scale.is_finite() || weight_scale <= 0.0 {
        return Err(fail(format!("weight scale {weight_scale}"), "finite, positive".into()));
    }
    let head = get(first.input)?;
    let mut components = 2;
    for term in terms {
        let v = get(term.input)?;
        if term.weights.columns() != v.len || term.weights.rows() != outputs {
            return Err(fail(
                format!("weights {} x {}", term.weights.rows(), term.weights.columns()),
                format!("{outputs} x {} (biases x inputs)", v.len),
            ));
        }
        if v.limbs != head.limbs || !same_scale(v.scale, head.scale) {
            return Err(fail(
                format!(
                    "inputs at {} limbs, scale {:e} and {} limbs, scale {:e}",
                    head.limbs, head.scale, v.limbs, v.scale
                ),
                "the same limbs and scale for every term".into(),
            ));
        }
        components = components.max(v.components);
    }
    Ok(ValueInfo { len: outputs, limbs: head.limbs, scale: head.scale * weight_scale, components })
}

fn expect_components(v: ValueInfo, expected: usize, fail: &impl Fn(String, String) -> Error) -> Result<()> {
    if v.components == expected {
        Ok(())
    } else {
        Err(fail(format!("{} components", v.components), format!("{expected}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ckks::{ParameterSet, ReadElements, Signature};
    use crate::{Classes, InputSpec, SparseMatrix};

    fn doubling(weight_scale: f64) -> ProgramLiteral {
        let parameters = ParameterSet { degree: 4096, moduli: vec![1 << 40], special: vec![], security: 128 };
        let signature = Signature {
            model: "test".into(),
            input: InputSpec::pixels([1, 1, 1], vec![0.0], vec![1.0]),
            reads: ReadElements::all(1),
            classes: Classes::new(vec![], 1, None).unwrap(),
            parameters,
            input_limbs: 1,
            input_scale: 1024.0,
            output_limbs: 1,
            output_scale: 1024.0 * weight_scale,
            output_components: 2,
            switches_keys: true,
            promise: None,
            packing: None,
        };
        let weights = SparseMatrix::from_rows(1, vec![vec![(0, 1)]]).unwrap();
        let op = StepOp::Linear { terms: vec![LinearTerm { input: 0, weights }], weight_scale, bias: vec![0] };
        ProgramLiteral {
            signature,
            steps: vec![Step { layer: "double".into(), op }],
            output: 1,
            notes: vec![],
            alternatives: vec![],
            packing: None,
        }
    }

    #[test]
    fn a_weight_scale_may_be_below_1_as_long_as_the_result_s_scale_is_not() {
        assert_eq!(Program::try_from(doubling(0.5)).unwrap().values()[1].scale, 512.0);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1.0 / 2048.0] {
            assert!(Program::try_from(doubling(bad)).is_err(), "{bad}");
        }
    }
}
