//! Linear maps on packed ciphertexts: by diagonals and rotations, as the program's packing says.

use beaa_ckks::pointwise::InputBatch;
use beaa_ckks::{Batch, Diagonal, DiagonalMatrix, DiagonalShape, GaloisKeys, Parameters, RotationMemory, Rotator};
use beaa_ir::ckks::{Layout, PackedMap, Program, StepOp};

use super::ServerKey;
use crate::Result;
use crate::backend::Term;
use crate::error::operand;

/// A packed program with the keys of its rotations.
#[derive(Debug)]
pub(super) struct PackedProgram<'k> {
    program: &'k Program,
    rotations: Rotations<'k>,
}

#[derive(Debug)]
enum Rotations<'k> {
    /// It keeps its memory from step to step, and for the next run.
    Keyed(Box<Rotator<'k>>),
    /// For a program that rotates nothing: no key at all.
    None(Box<GaloisKeys>),
}

impl<'k> PackedProgram<'k> {
    /// A program with its server's key and memory of earlier runs; none if it is not packed.
    pub(super) fn new(
        parameters: &Parameters,
        program: &'k Program,
        key: Option<&'k ServerKey>,
        memory: RotationMemory,
    ) -> Result<Option<Self>> {
        if program.packing().is_none() {
            return Ok(None);
        }
        let rotations = match key.and_then(ServerKey::galois) {
            Some(keys) => Rotations::Keyed(Box::new(Rotator::with_memory(parameters, keys, memory)?)),
            None => Rotations::None(Box::new(GaloisKeys::from_compressed(parameters, [0; 32], &[], &[])?)),
        };
        Ok(Some(Self { program, rotations }))
    }

    pub(super) fn program(&self) -> &'k Program {
        self.program
    }

    /// Computes a linear step from the batches that its terms read.
    pub(super) fn multiply(
        &self,
        parameters: &Parameters,
        step: usize,
        terms: &[(InputBatch<'_>, &DiagonalMatrix)],
    ) -> Result<Batch> {
        let PackedSums { bias, folds } = PackedSums::of(self.program, step)?;
        Ok(match &self.rotations {
            Rotations::Keyed(rotator) => rotator.multiply(terms, &bias, &folds)?,
            Rotations::None(keys) => Rotator::new(parameters, keys)?.multiply(terms, &bias, &folds)?,
        })
    }
}

/// What becomes of the sums of a packed linear step.
#[derive(Debug)]
pub struct PackedSums {
    /// N slots in rotation order for each ciphertext of the result.
    pub bias: Vec<Vec<f64>>,
    /// Slots by which they are rotated and added to themselves, one after the other.
    pub folds: Vec<usize>,
}

impl PackedSums {
    /// Those of a step of a packed program.
    ///
    /// # Errors
    /// When the step is no linear one of a packed program.
    pub fn of(program: &Program, step: usize) -> Result<Self> {
        let map = packed_map(program, step)?;
        let StepOp::Linear { bias, .. } = &program.steps()[step].op else { unreachable!("step {step} is linear") };
        let folds = map.folds.iter().map(|&f| f as usize).collect();
        Ok(Self { bias: biases(&map.layout, bias, map.images), folds })
    }
}

fn packed_map(program: &Program, step: usize) -> Result<&PackedMap> {
    let map = if step < program.steps().len() { program.packed_map(step) } else { None };
    map.map(|(map, _)| map).ok_or_else(|| operand(format!("step {step}"), "a linear step of a packed program"))
}

/// Encodes the constants by which a term of a packed program is computed.
///
/// # Errors
/// When the parameters are not the program's, or a constant is too large.
pub fn packed_constants(parameters: &Parameters, program: &Program, term: &Term<'_>) -> Result<DiagonalMatrix> {
    let map = packed_map(program, term.step)?;
    let input = program.steps()[term.step].op.input(term.number);
    let Some(from) = program.layout(input) else { unreachable!("value {input} of a packed program has no layout") };
    matrix(parameters, map, (from, program.values()[input].limbs), term)
}

/// `from` is the layout of what is multiplied, and its limbs.
fn matrix(
    parameters: &Parameters,
    map: &PackedMap,
    (from, limbs): (&Layout, usize),
    term: &Term<'_>,
) -> Result<DiagonalMatrix> {
    let weights = term.weights;
    let diagonals = map.diagonals(from, |r| weights.row(r))?;
    let mut lowered: Vec<Diagonal> = Vec::with_capacity(diagonals.len());
    for d in &diagonals {
        let (baby, giant) = map.steps(d.offset);
        let [baby, giant] = [baby, giant].map(|positions| map.slots(positions) as usize);
        lowered.push(Diagonal { output: d.output, giant, input: d.input, baby });
    }
    if lowered.is_empty() {
        // A term without weights is zero, and has limbs and components all the same.
        lowered.push(Diagonal { output: 0, giant: 0, input: 0, baby: 0 });
    }
    let (inputs, outputs) = (from.ciphertexts(), map.layout.ciphertexts());
    let shape = DiagonalShape { limbs, inputs, outputs, period: from.block() };
    Ok(DiagonalMatrix::new(parameters, shape, &lowered, |number, slots| {
        if diagonals.is_empty() {
            return;
        }
        let diagonal = &diagonals[number];
        if map.unmasked {
            let Some(weight) = diagonal.same_for_all(&map.layout) else {
                unreachable!("a checked map without masks has one weight at each offset")
            };
            slots.fill(f64::from(weight));
            return;
        }
        for &(position, weight) in &diagonal.weights {
            slots[position as usize] = f64::from(weight);
        }
    })?)
}

/// N slots in rotation order for each ciphertext of a result: an element's bias wherever it is.
fn biases(layout: &Layout, bias: &[i128], images: usize) -> Vec<Vec<f64>> {
    let of = |element: &Option<u32>| element.map_or(0.0, |e| bias[e as usize] as f64);
    let ciphertext = |held: &[Option<u32>]| held.iter().map(of).collect::<Vec<f64>>().repeat(images);
    layout.held().chunks_exact(layout.block()).map(ciphertext).collect()
}
