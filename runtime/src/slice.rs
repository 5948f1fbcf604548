//! A few elements of any value of a program, computed from the values that are stored: what lies
//! inside a part never is, and as a whole may be larger than memory.

use std::collections::BTreeMap;

use beaa_ir::SparseMatrix;
use beaa_ir::ckks::{LinearTerm, Part, Program, Step, StepOp, ValueId};

use crate::Result;
use crate::backend::{Backend, Sequence, arrange};

/// Pointwise steps that compute some elements of a value, and what is left to be done to them.
pub(crate) struct Slice {
    /// The last stored value that they may read; their results are numbered from there.
    first: ValueId,
    steps: Vec<Step>,
    /// Whether to relinearise after them, and how often to rescale.
    switch: Option<(bool, usize)>,
}

impl Slice {
    /// Elements `rows` of a stored value, of which there are `len`.
    ///
    /// # Errors
    /// When there is no such element.
    pub(crate) fn of_stored(value: ValueId, len: usize, rows: &[u32]) -> Result<Self> {
        Ok(Self { first: value, steps: vec![selection(value, len, rows)?], switch: None })
    }

    /// Elements `rows`, in ascending order, of a value that `part` computes on the way.
    ///
    /// # Errors
    /// When there is no such element.
    pub(crate) fn inside(program: &Program, part: &Part, value: ValueId, rows: &[u32]) -> Result<Self> {
        assert!((part.first + 1..=part.last + 1).contains(&value), "value {value} is none of {part:?}");
        let steps = &program.steps()[part.first..value];
        let (StepOp::Relinearise { input } | StepOp::Rescale { input }) = steps[0].op else {
            return Ok(Self { first: part.first, steps: pointwise(program, part.first, value, rows)?, switch: None });
        };
        let relinearise = matches!(steps[0].op, StepOp::Relinearise { .. });
        let rescales = steps.len() - usize::from(relinearise);
        let selected = selection(input, program.values()[input].len, rows)?;
        Ok(Self { first: part.first, steps: vec![selected], switch: Some((relinearise, rescales)) })
    }

    /// Computes the elements on a backend; `values` holds those that are stored.
    ///
    /// # Errors
    /// When the backend refuses its operands.
    pub(crate) fn evaluate<B: Backend>(&self, backend: &B, values: &[Option<B::Value>]) -> Result<B::Value> {
        let mut inputs: Vec<(ValueId, &B::Value)> = Vec::new();
        for id in self.steps.iter().flat_map(|s| s.op.inputs()).filter(|&id| id <= self.first) {
            let Some(value) = &values[id] else { unreachable!("value {id} is read and not stored") };
            if !inputs.iter().any(|(known, _)| *known == id) {
                inputs.push((id, value));
            }
        }
        let weights = arrange(self.first, &self.steps, |t| backend.arrange(t))?;
        let selected = backend.fused(&Sequence::new(self.first, &self.steps, &weights, &inputs)?)?.value;
        match self.switch {
            Some((relinearise, rescales)) => Ok(backend.key_switch(&selected, relinearise, rescales)?.value),
            None => Ok(selected),
        }
    }
}

/// The pointwise steps from `first` on that the elements `rows` of `value` depend on, with the rows
/// and columns that they need.
fn pointwise(program: &Program, first: ValueId, value: ValueId, rows: &[u32]) -> Result<Vec<Step>> {
    let needed = needed_rows(program, first, value, rows);
    let mut steps: Vec<Step> = Vec::new();
    let mut numbers: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    for (&id, rows) in &needed {
        let Step { layer, op } = &program.steps()[id - 1];
        let op = match op {
            StepOp::Linear { terms, weight_scale, bias } => {
                let term = |term: &LinearTerm| {
                    let columns = needed.get(&term.input);
                    let weights = submatrix(&term.weights, rows, columns.map(Vec::as_slice))?;
                    let input = numbers.get(&term.input).copied().unwrap_or(term.input);
                    Ok(LinearTerm { input, weights })
                };
                let terms = terms.iter().map(term).collect::<Result<Vec<_>>>()?;
                let bias = rows.iter().map(|&r| bias[r as usize]).collect();
                StepOp::Linear { terms, weight_scale: *weight_scale, bias }
            }
            StepOp::Square { input } | StepOp::ScaleUp { input, .. } | StepOp::DropLimbs { input, .. } => {
                let known = numbers.get(input).copied();
                let input = match known {
                    Some(number) => number,
                    None => {
                        steps.push(selection(*input, program.values()[*input].len, rows)?);
                        first + steps.len()
                    }
                };
                on(op, input)
            }
            StepOp::Relinearise { .. } | StepOp::Rescale { .. } => unreachable!("step {id} amid pointwise ones"),
        };
        steps.push(Step { layer: layer.clone(), op });
        numbers.insert(id, first + steps.len());
    }
    if let Some(Step { op: StepOp::DropLimbs { .. }, .. }) = steps.last() {
        // No sequence ends so; multiplying by one changes nothing.
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        steps.push(selection(first + steps.len(), rows.len(), &all)?);
    }
    Ok(steps)
}

/// Which elements of every value inside a part those of `value` depend on, ascending.
fn needed_rows(program: &Program, first: ValueId, value: ValueId, rows: &[u32]) -> BTreeMap<ValueId, Vec<u32>> {
    let mut needed = BTreeMap::from([(value, rows.to_vec())]);
    for id in (first + 1..=value).rev() {
        let rows = match needed.get(&id) {
            Some(rows) => rows.clone(),
            // Nothing that is wanted depends on it.
            None => continue,
        };
        let mut more: Vec<(ValueId, Vec<u32>)> = Vec::new();
        match &program.steps()[id - 1].op {
            StepOp::Linear { terms, .. } => {
                for term in terms {
                    let columns = rows.iter().flat_map(|&r| term.weights.row(r as usize).0.iter().copied());
                    more.push((term.input, columns.collect()));
                }
            }
            op => more.extend(op.inputs().map(|input| (input, rows.clone()))),
        }
        for (input, rows) in more.into_iter().filter(|(input, _)| *input > first) {
            let all = needed.entry(input).or_default();
            all.extend(rows);
            all.sort_unstable();
            all.dedup();
        }
    }
    needed
}

/// The same operation, which is no linear one, on another value.
fn on(op: &StepOp, input: ValueId) -> StepOp {
    match op {
        StepOp::Square { .. } => StepOp::Square { input },
        StepOp::ScaleUp { factor, .. } => StepOp::ScaleUp { input, factor: *factor },
        StepOp::DropLimbs { limbs, .. } => StepOp::DropLimbs { input, limbs: *limbs },
        other => unreachable!("{} reads more than one value, or is not pointwise", other.name()),
    }
}

/// Multiplies the chosen elements by one: their ciphertexts, limbs and scale stay as they are.
fn selection(input: ValueId, len: usize, rows: &[u32]) -> Result<Step> {
    let weights = SparseMatrix::from_rows(len, rows.iter().map(|&r| vec![(r, 1)]).collect())?;
    let terms = vec![LinearTerm { input, weights }];
    let op = StepOp::Linear { terms, weight_scale: 1.0, bias: vec![0; rows.len()] };
    Ok(Step { layer: String::new(), op })
}

/// The chosen rows, and of their columns those that are left; all without a choice.
fn submatrix(weights: &SparseMatrix, rows: &[u32], columns: Option<&[u32]>) -> Result<SparseMatrix> {
    let position = |column: u32| match columns {
        None => column,
        Some(columns) => match columns.binary_search(&column) {
            Ok(position) => position as u32,
            Err(_) => unreachable!("column {column} is needed and not there"),
        },
    };
    let row = |&r: &u32| {
        let (columns, weights) = weights.row(r as usize);
        columns.iter().zip(weights).map(|(&c, &w)| (position(c), w)).collect()
    };
    let count = columns.map_or(weights.columns(), <[u32]>::len);
    Ok(SparseMatrix::from_rows(count, rows.iter().map(row).collect())?)
}
