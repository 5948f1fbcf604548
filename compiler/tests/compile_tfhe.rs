//! The whole lowering for the `tfhe` backend on small networks: ReLU and quadratics, files, what is
//! refused.

#![allow(clippy::unwrap_used)]

use beaa_compiler::Machine;
use beaa_compiler::tfhe::{Options, compile, explain};
use beaa_ir::images::ImageMajor;
use beaa_ir::tfhe::{evaluate, load_program, quantise_pixels, save_program};
use beaa_ir::{Activation, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Provenance, Tensor};

const SIDE: usize = 6;

/// Numbers between -1 and 1 that look random.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    let mut state = seed as u64 * 7919 + 17;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn linear(name: &str, [outputs, inputs]: [usize; 2], seed: usize) -> Layer {
    let weight = Tensor::new(vec![outputs, inputs], numbers(outputs * inputs, seed)).unwrap();
    let bias = Some(Tensor::new(vec![outputs], numbers(outputs, seed + 1)).unwrap());
    Layer { name: name.into(), op: LayerOp::Linear(Linear { weight, bias }) }
}

fn activation(name: &str, function: Activation) -> Layer {
    Layer { name: name.into(), op: LayerOp::Activation { function, range: None } }
}

fn quadratic(n: usize, seed: usize) -> Activation {
    let t = |s| Tensor::new(vec![n], numbers(n, s)).unwrap();
    Activation::Polynomial(Polynomial { a: t(seed), b: t(seed + 1), c: t(seed + 2) })
}

fn model(functions: [Activation; 2]) -> Model {
    let [first, second] = functions;
    let layers = vec![
        Layer { name: "flatten".into(), op: LayerOp::Flatten },
        linear("one", [10, SIDE * SIDE], 1),
        activation("f", first),
        linear("two", [8, 10], 2),
        activation("g", second),
        linear("three", [4, 8], 3),
    ];
    let input = InputSpec::pixels([1, SIDE, SIDE], vec![0.4], vec![0.5]);
    let literal = ModelLiteral {
        name: "small".into(),
        input,
        classes: Vec::new(),
        threshold: None,
        layers,
        accuracy: None,
        provenance: Provenance::default(),
    };
    Model::try_from(literal).unwrap()
}

fn images(count: usize) -> ImageMajor<u8> {
    let image = |i| numbers(SIDE * SIDE, 100 + i).iter().map(|v| if *v > 0.0 { 255 } else { 0 }).collect::<Vec<u8>>();
    ImageMajor::from_rows(SIDE * SIDE, (0..count).map(image)).unwrap()
}

/// Logits of random networks lie closer together than those of trained ones, so that a few classes
/// change; chance would be a quarter.
#[test]
fn relu_and_quadratics_keep_their_classes() {
    for functions in [[Activation::Relu, Activation::Relu], [quadratic(10, 7), quadratic(8, 11)]] {
        let model = model(functions);
        let options = Options { agreement: 0.8, pixel_bits: Some(1), ..Options::default() };
        let compiled = compile(&model, &options, &Machine::reference(), &images(1200)).unwrap();
        assert!(compiled.report.agreement >= 0.8, "{}", explain(&compiled.report));
        assert!(compiled.program.signature().log2_failure <= options.log2_failure);
        assert!(compiled.report.stages[0].proven);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        save_program(&compiled.program, &path).unwrap();
        assert_eq!(load_program(&path).unwrap(), compiled.program);
    }
}

#[test]
fn a_proven_stage_never_wraps_whatever_the_image() {
    let options = Options { agreement: 0.0, pixel_bits: Some(1), ..Options::default() };
    let compiled =
        compile(&model([Activation::Relu, Activation::Relu]), &options, &Machine::reference(), &images(300)).unwrap();
    let mut literal = compiled.program.as_literal().clone();
    // The first stage alone, then nothing that could wrap.
    literal.stages.truncate(1);
    let rows = literal.stages[0].bias.len();
    literal.last = beaa_ir::SparseMatrix::from_rows(rows, vec![Vec::new(); 4]).unwrap();
    literal.last_bias = vec![0; 4];
    let program = beaa_ir::tfhe::Program::try_from(literal).unwrap();
    for row in 0..rows {
        let (columns, weights) = program.stages()[0].weights.row(row);
        for sign in [1, -1] {
            let mut pixels = vec![0_u8; SIDE * SIDE];
            columns
                .iter()
                .zip(weights)
                .filter(|(_, w)| w.signum() == sign)
                .for_each(|(&c, _)| pixels[c as usize] = 255);
            assert_eq!(evaluate(&program, &quantise_pixels(1, &pixels)).wrapped, 0, "row {row}");
        }
    }
}

#[test]
fn too_few_samples_and_senseless_options_are_refused() {
    let model = model([Activation::Relu, Activation::Square]);
    let few = compile(&model, &Options::default(), &Machine::reference(), &images(10)).unwrap_err().to_string();
    assert!(few.contains("--samples"), "{few}");
    let options = Options { activation_bits: Some(12), ..Options::default() };
    let message = compile(&model, &options, &Machine::reference(), &images(100)).unwrap_err().to_string();
    assert!(message.contains("activation_bits"), "{message}");
}

/// Such weights are finite, so the model's file is in order; only its values on images show it.
#[test]
fn a_network_that_overflows_on_the_samples_is_refused_by_its_layer() {
    let mut literal = model([quadratic(10, 7), quadratic(8, 11)]).into_literal();
    let huge = |t: &Tensor| Tensor::new(t.shape().to_vec(), t.data().iter().map(|v| v * 3e38).collect()).unwrap();
    for layer in &mut literal.layers {
        match &mut layer.op {
            LayerOp::Linear(linear) => linear.weight = huge(&linear.weight),
            LayerOp::Activation { function: Activation::Polynomial(p), .. } => p.a = huge(&p.a),
            _ => {}
        }
    }
    let model = Model::try_from(literal).unwrap();
    let message = compile(&model, &Options::default(), &Machine::reference(), &images(100)).unwrap_err().to_string();
    for part in ["on the samples", "`three`", "overflows", "finite", "train or export"] {
        assert!(message.contains(part), "{message}");
    }
}

/// The small network with some rows of its last layer zero: classes that training never saw.
fn with_zero_rows(rows: &[usize]) -> Model {
    let mut literal = model([quadratic(10, 7), quadratic(8, 11)]).into_literal();
    for layer in literal.layers.iter_mut().filter(|l| l.name == "three") {
        let LayerOp::Linear(last) = &mut layer.op else { unreachable!() };
        let numbers = last.weight.data().iter().enumerate();
        let kept = numbers.map(|(i, &w)| if rows.contains(&(i / 8)) { 0.0 } else { w }).collect();
        last.weight = Tensor::new(vec![4, 8], kept).unwrap();
    }
    Model::try_from(literal).unwrap()
}

#[test]
fn rows_of_zeros_are_exact_and_never_wrong() {
    let options = Options { agreement: 0.5, pixel_bits: Some(1), ..Options::default() };
    for rows in [vec![], vec![1], vec![0, 3], vec![0, 1, 2, 3]] {
        let model = with_zero_rows(&rows);
        let compiled = compile(&model, &options, &Machine::reference(), &images(400)).unwrap();
        let failure = compiled.report.log2_failure;
        assert!(failure <= options.log2_failure, "{rows:?}: 2^{failure}");
        assert_eq!(compiled.report.constant_outputs, rows);
        let signature = compiled.program.signature();
        for image in images(20).rows() {
            let answer = evaluate(&compiled.program, &quantise_pixels(signature.pixel_steps, image)).outputs;
            let exact = beaa_ir::evaluate(&model, &model.input().normalise(image)).unwrap();
            for (&row, found) in rows.iter().zip(rows.iter().map(|&r| signature.logits(&answer)[r])) {
                assert!((found - exact[row]).abs() < 1e-6, "row {row}: {found} against {}", exact[row]);
            }
        }
    }
}

#[test]
fn a_probability_that_nothing_reaches_is_refused_with_the_layer() {
    let options = Options { log2_failure: -128.0, pixel_bits: Some(8), ..Options::default() };
    let model = model([quadratic(10, 7), quadratic(8, 11)]);
    let error = compile(&model, &options, &Machine::reference(), &images(400)).unwrap_err().to_string();
    assert!(["`one`", "`two`", "`three`"].iter().any(|layer| error.contains(layer)), "{error}");
    assert!(error.contains("compile for ckks"), "{error}");
}
