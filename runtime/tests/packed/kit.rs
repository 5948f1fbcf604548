//! A small program made by hand, and ways to pack it.

use beaa_ckks::primes::ntt_primes;
use beaa_ir::ckks::{
    ClientPacking, LayerNote, Layout, LinearTerm, PackedMap, Packing, ParameterSet, Program, ProgramLiteral,
    ReadElements, Signature, Step, StepOp, infer_values,
};
use beaa_ir::images::ImageMajor;
use beaa_ir::promise::{Interval, Promise};
use beaa_ir::{Classes, InputSpec, SparseMatrix};

pub(crate) const DEGREE: usize = 8192;
/// Elements of the input that are read, of the hidden layer, of the sum of both terms, and outputs.
const SIZES: [usize; 4] = [6, 5, 3, 2];
const WEIGHT_SCALE: f64 = 262_144.0;

/// How a value lies in its ciphertexts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lies {
    /// Element `e` at position `e`.
    InLine,
    /// Every element again every so many positions.
    Every(usize),
}

/// How the program is packed: block, giant steps, and where input and first result lie; the second
/// linear step adds up partial sums by a fold where it may.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) block: usize,
    pub(crate) giant: u32,
    pub(crate) input: Lies,
    pub(crate) hidden: Lies,
    pub(crate) folds: bool,
}

impl Case {
    pub(crate) fn line(block: usize, giant: u32) -> Self {
        Self { block, giant, input: Lies::InLine, hidden: Lies::InLine, folds: false }
    }

    pub(crate) fn images(&self) -> usize {
        DEGREE / self.block
    }
}

/// `sum = A h^2 + B h`, `y = C sum`, where `h = F x + f`.
pub(crate) fn literal() -> ProgramLiteral {
    let mut moduli = ntt_primes(DEGREE, 34, 4, &[]).unwrap();
    // Digits of two limbs.
    let special = ntt_primes(DEGREE, 39, 2, &[]).unwrap();
    moduli.sort_unstable();
    let [input, hidden, sums, outputs] = SIZES;
    let matrix = |rows: usize, columns: usize, seed: usize| {
        let weight = move |r: usize, c: usize| ((r * 7 + c * 5 + seed) % 9) as i32 - 4;
        let row = |r: usize| (0..columns as u32).map(move |c| (c, weight(r, c as usize) * 65_536)).filter(|w| w.1 != 0);
        SparseMatrix::from_rows(columns, (0..rows).map(|r| row(r).collect()).collect()).unwrap()
    };
    let step = |layer: &str, op| Step { layer: layer.into(), op };
    let linear = |terms: Vec<(usize, SparseMatrix)>, bias: Vec<i128>| StepOp::Linear {
        terms: terms.into_iter().map(|(input, weights)| LinearTerm { input, weights }).collect(),
        weight_scale: WEIGHT_SCALE,
        bias,
    };
    let scale = 2_f64.powi(24);
    let (first, second) = (scale * WEIGHT_SCALE, (scale * WEIGHT_SCALE).powi(2) * WEIGHT_SCALE);
    let bias = |len: usize, scale: f64| (0..len).map(|i| ((i as f64 - 1.0) / 4.0 * scale) as i128).collect();
    let steps = vec![
        step("fc1", linear(vec![(0, matrix(hidden, input, 1))], bias(hidden, first))),
        step("act", StepOp::Square { input: 1 }),
        step("act", StepOp::Relinearise { input: 2 }),
        step("act", StepOp::ScaleUp { input: 1, factor: first as u64 }),
        step("sum", linear(vec![(3, matrix(sums, hidden, 2)), (4, matrix(sums, hidden, 3))], bias(sums, second))),
        step("sum", StepOp::Rescale { input: 5 }),
        step("fc2", linear(vec![(6, matrix(outputs, sums, 4))], vec![0; outputs])),
    ];
    let note = |layer: &str, value, bound, error| LayerNote {
        layer: layer.into(),
        value,
        bound,
        error,
        rounding: None,
        remark: String::new(),
    };
    let mut signature = Signature {
        model: "hand-made".into(),
        input: InputSpec::pixels([1, 2, 4], vec![0.5], vec![0.5]),
        reads: ReadElements::marked(&[true, true, false, true, true, false, true, true]),
        classes: Classes::new(vec![], outputs, None).unwrap(),
        input_limbs: 4,
        input_scale: scale,
        output_limbs: 1,
        output_scale: 1.0,
        output_components: 2,
        switches_keys: true,
        promise: Some(Promise { outputs: vec![Interval { min: -90.0, max: 90.0 }; 2], images: None }),
        packing: None,
        parameters: ParameterSet { degree: DEGREE, moduli, special, security: 128 },
    };
    let values = infer_values(signature.input_value(), &steps, &signature.parameters.moduli).unwrap();
    (signature.output_limbs, signature.output_scale) = (values[7].limbs, values[7].scale);
    let notes = vec![note("fc1", 1, 7.0, ERRORS[0]), note("sum", 6, 90.0, ERRORS[1]), note("fc2", 7, 90.0, ERRORS[2])];
    ProgramLiteral { signature, steps, output: 7, notes, alternatives: vec![], packing: None }
}

/// Predicted errors of the layers.
const ERRORS: [f64; 3] = [1e-3, 1e-3, 1e-3];

fn layout(block: usize, elements: usize, lies: Lies) -> Layout {
    let held = |p: usize| match lies {
        Lies::InLine => p,
        Lies::Every(period) => p % period,
    };
    let positions = elements.next_multiple_of(block);
    Layout::new(
        block,
        elements,
        (0..positions).map(|p| Some(held(p) as u32).filter(|e| (*e as usize) < elements)).collect(),
    )
    .unwrap()
}

/// A map by the rotations that bring every column to every row; with a fold by 4 those of columns 4
/// apart are the same.
fn map(from: &Layout, to: Layout, giant: u32, folds: Vec<u32>) -> PackedMap {
    let block = to.block();
    let images = DEGREE / block;
    let within = |first: Vec<usize>| first.into_iter().map(|p| (p % block) as i32).collect::<Vec<_>>();
    let columns = if folds == [4] { 4 } else { i32::MAX };
    let rows = within(to.first_positions());
    let all = within(from.first_positions()).into_iter().flat_map(|c| rows.iter().map(move |r| c % columns - r));
    // Where an image is alone, to the left is to the right.
    let mut offsets: Vec<i32> = all.map(|d| if images == 1 { d.rem_euclid(block as i32) } else { d }).collect();
    offsets.sort_unstable();
    offsets.dedup();
    PackedMap { layout: to, images, offsets, giant, folds, unmasked: false }
}

pub(crate) fn packed_literal(case: Case) -> ProgramLiteral {
    let Case { block, giant, folds, .. } = case;
    let mut literal = literal();
    let input = layout(block, SIZES[0], case.input);
    let hidden = layout(block, SIZES[1], case.hidden);
    let sums = layout(block, SIZES[2], Lies::InLine);
    let outputs = layout(block, SIZES[3], Lies::InLine);
    // Where everything repeats, half of each sum is computed at each half.
    let halves = match case.hidden {
        Lies::Every(period) if 2 * period == block => vec![period as u32],
        _ => vec![],
    };
    let maps = vec![
        map(&input, hidden.clone(), giant, halves),
        map(&hidden, sums.clone(), giant, if folds { vec![4] } else { vec![] }),
        map(&sums, outputs, giant, vec![]),
    ];
    let packing = Packing { input, maps };
    let Signature { parameters, .. } = &literal.signature;
    let values = infer_values(literal.signature.input_value(), &literal.steps, &parameters.moduli).unwrap();
    literal.signature.packing = Some(ClientPacking::new(&packing, &literal.steps, &values, literal.output));
    literal.packing = Some(packing);
    literal
}

pub(crate) fn packed(case: Case) -> Program {
    Program::try_from(packed_literal(case)).unwrap()
}

pub(crate) fn images(count: usize) -> ImageMajor<f32> {
    let numbers = (0..8 * count).map(|k| ((k / 8 * 7 + k % 8 * 13) % 21) as f32 / 10.0 - 1.0);
    ImageMajor::new(count, 8, numbers.collect()).unwrap()
}
