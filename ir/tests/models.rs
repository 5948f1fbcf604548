//! Models: what fits together, what a layer means, and files that survive a round trip or are
//! refused.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use beaa_ir::{
    Accuracy, Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Pool2d,
    Provenance, Range, Shape, Tensor, TrainingData, WeightGrid, evaluate, evaluate_traced, load_model, save_model,
};

fn tensor(shape: &[usize], f: impl Fn(usize) -> f32) -> Tensor {
    Tensor::new(shape.to_vec(), (0..shape.iter().product()).map(f).collect()).unwrap()
}

fn layer(name: &str, op: LayerOp) -> Layer {
    Layer { name: name.into(), op }
}

fn conv(out: usize, per_group: usize, kernel: usize, groups: usize) -> Conv2d {
    Conv2d {
        weight: tensor(&[out, per_group, kernel, kernel], |i| ((i * 7) % 5) as f32 - 2.0),
        bias: Some(tensor(&[out], |i| i as f32)),
        stride: [1, 1],
        padding: [1, 1],
        dilation: [1, 1],
        groups,
    }
}

/// Every kind of layer once.
fn everything() -> ModelLiteral {
    let polynomial = Polynomial {
        a: Tensor::scalar(0.5).unwrap(),
        b: tensor(&[4, 1, 1], |i| i as f32),
        c: tensor(&[4, 4, 4], |i| i as f32),
    };
    ModelLiteral {
        name: "everything".into(),
        input: InputSpec::pixels([2, 4, 4], vec![0.5, 0.25], vec![0.5, 2.0]),
        classes: vec!["a".into(), "b".into(), "c".into()],
        threshold: None,
        layers: vec![
            layer("conv", LayerOp::Conv2d(conv(4, 1, 3, 2))),
            layer(
                "norm",
                LayerOp::BatchNorm {
                    gamma: tensor(&[4], |_| 2.0),
                    beta: tensor(&[4], |i| i as f32),
                    mean: tensor(&[4], |_| 1.0),
                    var: tensor(&[4], |_| 3.0),
                    eps: 1.0,
                },
            ),
            layer(
                "act",
                LayerOp::Activation {
                    function: Activation::Polynomial(polynomial),
                    range: Some(Range { min: -1.0, max: 3.0 }),
                },
            ),
            layer("conv2", LayerOp::Conv2d(conv(4, 4, 3, 1))),
            layer("sum", LayerOp::Add { with: "act".into() }),
            layer("branch", LayerOp::Branch { from: "sum".into() }),
            layer("square", LayerOp::Activation { function: Activation::Square, range: None }),
            layer("relu", LayerOp::Activation { function: Activation::Relu, range: None }),
            layer("pool", LayerOp::AvgPool(Pool2d { kernel: [2, 2], stride: [2, 2] })),
            layer("flat", LayerOp::Flatten),
            layer("fc", LayerOp::Linear(Linear { weight: tensor(&[3, 16], |i| i as f32 / 16.0), bias: None })),
        ],
        accuracy: Some(Accuracy { validation: None, test: Some(0.5) }),
        provenance: Provenance {
            data: Some(TrainingData { name: Some("made up".into()), pixel_bits: Some(4), ..TrainingData::default() }),
            seed: Some(1),
            weight_grids: [("fc".into(), WeightGrid { bits: 6, unit: 0.0625 })].into(),
            record: serde_json::json!({"epochs": 3}),
        },
    }
}

#[test]
fn files_hold_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let model = Model::try_from(everything()).unwrap();
    save_model(&model, &path).unwrap();
    assert_eq!(load_model(&path).unwrap(), model);
}

#[test]
fn damaged_model_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    save_model(&Model::try_from(everything()).unwrap(), &path).unwrap();
    let good = std::fs::read(&path).unwrap();
    for cut in [0, 4, 100, good.len() - 1] {
        std::fs::write(&path, &good[..cut]).unwrap();
        assert!(load_model(&path).is_err(), "cut at {cut}");
    }
    // Changes of the text that keep its length: another layer kind, another name, another version.
    for (from, to) in [
        ("avg_pool", "max_pool"),
        ("conv.weight", "conv.weighs"),
        ("\\\"format\\\":3", "\\\"format\\\":9"),
        ("beaa.model", "beaa.nodel"),
    ] {
        let text = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap_or_else(|| panic!("{from}"));
        let mut bad = good.clone();
        bad[text..text + from.len()].copy_from_slice(to.as_bytes());
        std::fs::write(&path, &bad).unwrap();
        assert!(load_model(&path).is_err(), "{from} -> {to}");
    }
    assert!(load_model(&PathBuf::from("/nonexistent/m")).unwrap_err().to_string().contains("reading model"));
}

#[test]
fn shapes_are_known() {
    let model = Model::try_from(everything()).unwrap();
    let map = |channels, side| Shape::Map { channels, height: side, width: side };
    let flat = |features| Shape::Flat { features };
    assert_eq!(
        model.shapes(),
        [
            map(4, 4),
            map(4, 4),
            map(4, 4),
            map(4, 4),
            map(4, 4),
            map(4, 4),
            map(4, 4),
            map(4, 4),
            map(4, 2),
            flat(16),
            flat(3)
        ]
    );
    assert_eq!(model.outputs(), 3);
}

#[test]
fn what_does_not_fit_is_named() {
    let change = |f: &dyn Fn(&mut ModelLiteral)| {
        let mut literal = everything();
        f(&mut literal);
        Model::try_from(literal).unwrap_err().to_string()
    };
    let grid = |m: &mut ModelLiteral, layer: &str, bits: u32| {
        m.provenance.weight_grids.insert(layer.into(), WeightGrid { bits, unit: 0.5 });
    };
    let weight = |shape: &[usize]| LayerOp::Linear(Linear { weight: tensor(shape, |_| 0.0), bias: None });
    let cases: Vec<(String, &str)> = vec![
        (change(&|m| m.layers[10].op = weight(&[3, 15])), "`fc`"),
        (change(&|m| m.layers[10].op = weight(&[4, 16])), "4 outputs"),
        (change(&|m| m.layers[4].op = LayerOp::Add { with: "fc".into() }), "earlier layer"),
        (change(&|m| m.layers[1].name = "conv".into()), "unique"),
        (change(&|m| m.layers[0].name = "a b".into()), "letters"),
        (change(&|m| m.layers[0].op = LayerOp::Conv2d(conv(4, 1, 3, 3))), "groups"),
        (change(&|m| m.layers[0].op = LayerOp::Conv2d(conv(4, 1, 9, 2))), "window"),
        (change(&|m| m.layers[0].op = LayerOp::Conv2d(Conv2d { stride: [0, 1], ..conv(4, 1, 3, 2) })), "positive"),
        (change(&|m| m.layers.swap(8, 9)), "feature map"),
        (change(&|m| grid(m, "pool", 6)), "layer with weights"),
        (change(&|m| grid(m, "fc", 1)), "2 to 16 bits"),
        (change(&|m| m.provenance.data.as_mut().unwrap().pixel_bits = Some(9)), "1 to 8 bits"),
        (change(&|m| m.input.std = vec![1.0, 0.0]), "positive deviations"),
        (change(&|m| m.input.shape = [usize::MAX, 2, 2]), "2^24"),
    ];
    for (message, part) in cases {
        assert!(message.contains(part), "{message:?} should say {part:?}");
    }
    assert!(Tensor::new(vec![2], vec![1.0, f32::NAN]).is_err());
    assert!(Tensor::new(vec![2, usize::MAX], vec![1.0]).is_err());
}

#[test]
fn layers_mean_what_they_say() {
    let model = Model::try_from(everything()).unwrap();
    let image: Vec<f32> = (0..32).map(|i| (i % 7) as f32 - 3.0).collect();
    let trace = evaluate_traced(&model, &image).unwrap();
    // Element (1, 2, 3) by hand: output channel 1 belongs to group 0, so it reads plane 0 around
    // row 2, column 3.
    let weight = |i: usize| ((i * 7) % 5) as f64 - 2.0;
    let mut sum = 1.0;
    for (u, row) in (1..4).enumerate() {
        for (v, column) in (2..4).enumerate() {
            sum += weight(9 + u * 3 + v) * f64::from(image[row * 4 + column]);
        }
    }
    let at = 16 + 2 * 4 + 3;
    assert_eq!(trace[0][at], sum);
    let normal = (sum - 1.0) / 2.0 * 2.0 + 1.0;
    assert_eq!(trace[1][at], normal);
    let activated = 0.5 * normal * normal + normal + at as f64;
    assert_eq!(trace[2][at], activated);
    assert_eq!(trace[4][at], trace[3][at] + activated);
    assert_eq!(trace[5], trace[4]);
    assert_eq!(trace[6][at], trace[4][at] * trace[4][at]);
    let pooled = [0, 1, 4, 5].iter().map(|o| trace[7][16 + o]).sum::<f64>() / 4.0;
    assert_eq!(trace[8][4], pooled);
    let last: f64 = (0..16).map(|i| (16 + i) as f64 / 16.0 * trace[9][i]).sum();
    assert!((trace[10][1] - last).abs() < 1e-9 * last.abs());
    assert_eq!(evaluate(&model, &image).unwrap(), trace[10]);
    assert!(evaluate(&model, &image[1..]).is_err());
}

#[test]
fn a_branch_goes_on_from_an_earlier_layer_or_from_the_image() {
    let branched = |from: &str| {
        let mut literal = everything();
        literal.input.shape = [1, 4, 4];
        (literal.input.mean, literal.input.std) = (vec![0.0], vec![1.0]);
        literal.classes.clear();
        literal.provenance = Provenance::default();
        literal.layers = vec![
            layer("main", LayerOp::Conv2d(conv(2, 1, 3, 1))),
            layer("again", LayerOp::Branch { from: from.into() }),
            layer("side", LayerOp::Conv2d(conv(2, 1, 3, 1))),
            layer("sum", LayerOp::Add { with: "main".into() }),
        ];
        Model::try_from(literal)
    };
    let image: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let trace = evaluate_traced(&branched("input").unwrap(), &image).unwrap();
    assert!(trace[3].iter().zip(&trace[0]).all(|(sum, main)| *sum == 2.0 * main));
    assert!(branched("main").unwrap_err().to_string().contains("`side`"), "two channels do not fit");
    assert!(branched("sum").unwrap_err().to_string().contains("`input`"), "a later layer");
}

#[test]
fn pixels_are_normalised_per_channel() {
    let spec = InputSpec::pixels([2, 1, 2], vec![0.5, 0.0], vec![0.5, 2.0]);
    assert_eq!(spec.normalise(&[0, 255, 0, 255]), [-1.0, 1.0, 0.0, 0.5]);
    assert_eq!(spec.bound(), 1.0);
}
