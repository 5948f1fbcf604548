//! A small program made by hand, and images for it.

use beaa_ckks::primes::ntt_primes;
use beaa_ir::ckks::{
    LayerNote, LinearTerm, ParameterSet, Program, ProgramLiteral, ReadElements, Signature, Step, StepOp,
};
use beaa_ir::images::ImageMajor;
use beaa_ir::promise::{Interval, Promise};
use beaa_ir::{Classes, InputSpec, SparseMatrix};

/// `y = (x_0 + 2 x_1 - x_2)^2 - 0.5 (x_3)^2`, relinearised late; promised to lie between -2 and 18.
pub(crate) fn program(weight: i32) -> Program {
    let degree = 4096;
    let moduli: Vec<u64> = [36, 30, 34].iter().map(|&b| ntt_primes(degree, b, 1, &[]).unwrap()[0]).collect();
    let w1 = SparseMatrix::from_rows(4, vec![vec![(0, 4), (1, 8), (2, -4)], vec![(3, weight)]]).unwrap();
    let w2 = SparseMatrix::from_rows(2, vec![vec![(0, 4), (1, -2)]]).unwrap();
    let step = |layer: &str, op| Step { layer: layer.into(), op };
    let (scale, ws) = (2_f64.powi(26), 4.0);
    let out = (scale * ws).powi(2) * ws;
    let steps = vec![
        step(
            "fc1",
            StepOp::Linear { terms: vec![LinearTerm { input: 0, weights: w1 }], weight_scale: ws, bias: vec![0, 0] },
        ),
        step("act1", StepOp::Square { input: 1 }),
        step(
            "fc2",
            StepOp::Linear { terms: vec![LinearTerm { input: 2, weights: w2 }], weight_scale: ws, bias: vec![0] },
        ),
        step("fc2", StepOp::Relinearise { input: 3 }),
        step("fc2", StepOp::Rescale { input: 4 }),
    ];
    let signature = Signature {
        model: "hand-made".into(),
        input: InputSpec::pixels([1, 2, 2], vec![0.5], vec![0.5]),
        reads: ReadElements::all(4),
        classes: Classes::new(vec![], 1, None).unwrap(),
        input_limbs: 3,
        input_scale: scale,
        output_limbs: 2,
        output_scale: out / moduli[2] as f64,
        output_components: 2,
        switches_keys: true,
        promise: Some(Promise { outputs: vec![Interval { min: -2.0, max: 18.0 }], images: None }),
        packing: None,
        parameters: ParameterSet { degree, moduli, special: vec![], security: 128 },
    };
    let note =
        LayerNote { layer: "fc2".into(), value: 5, bound: 20.0, error: 2e-3, rounding: None, remark: String::new() };
    Program::try_from(ProgramLiteral {
        signature,
        steps,
        output: 5,
        notes: vec![note],
        alternatives: vec![],
        packing: None,
    })
    .unwrap()
}

#[allow(dead_code, reason = "not every test runs the program")]
pub(crate) fn images(count: usize) -> ImageMajor<f32> {
    let numbers = (0..4 * count).map(|k| ((k / 4 * 7 + k % 4 * 13) % 21) as f32 / 10.0 - 1.0);
    ImageMajor::new(count, 4, numbers.collect()).unwrap()
}
