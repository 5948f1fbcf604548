//! The baseline against the meaning of a model, `ir::evaluate`.

use beaa_ir::{
    Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Pool2d, Provenance, Tensor,
    evaluate,
};

use super::*;
use crate::{NetworkRecipe, random_images, random_network};

fn check(model: &Model, count: usize, block: usize) {
    let images = random_images(model, count, 5).unwrap();
    let plain = BaselineF32::new(model).unwrap();
    let found = plain.run(&images.to_element_major(), block).unwrap();
    for (i, image) in images.rows().enumerate() {
        for (o, expected) in evaluate(model, image).unwrap().into_iter().enumerate() {
            let found = f64::from(found.element(o)[i]);
            assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()), "image {i}: {found} for {expected}");
        }
    }
}

#[test]
fn the_standard_network_gives_the_same_answers() {
    let model = random_network(NetworkRecipe::default()).unwrap();
    check(&model, 24, 8);
    check(&model, 5, 5);
    assert_eq!(BaselineF32::new(&model).unwrap().products(), 5 * 169 * 25 + 845 * 100 + 1000);
}

#[test]
fn every_kind_of_layer_gives_the_same_answers() {
    let tensor = |shape: &[usize], seed: usize| {
        let n: usize = shape.iter().product();
        let value = |i: usize| ((i * 37 + seed * 101) % 97) as f32 / 97.0 - 0.4;
        Tensor::new(shape.to_vec(), (0..n).map(value).collect()).unwrap()
    };
    let positive = |shape: &[usize]| Tensor::new(shape.to_vec(), vec![0.7; shape.iter().product()]).unwrap();
    let conv = |out: usize, input: usize, groups: usize, bias: bool| {
        LayerOp::Conv2d(Conv2d {
            weight: tensor(&[out, input / groups, 3, 2], out),
            bias: bias.then(|| tensor(&[out], 3)),
            stride: [1, 2],
            padding: [1, 1],
            dilation: [1, 1],
            groups,
        })
    };
    let norm = |c: usize| LayerOp::BatchNorm {
        gamma: tensor(&[c], 1),
        beta: tensor(&[c], 2),
        mean: tensor(&[c], 3),
        var: positive(&[c]),
        eps: 1e-5,
    };
    let polynomial = |shape: &[usize]| LayerOp::Activation {
        function: Activation::Polynomial(Polynomial { a: tensor(shape, 4), b: tensor(shape, 5), c: tensor(shape, 6) }),
        range: None,
    };
    let square = || LayerOp::Activation { function: Activation::Square, range: None };
    let ops = vec![
        conv(4, 2, 2, true),
        norm(4),
        polynomial(&[4, 1, 1]),
        norm(4),
        square(),
        LayerOp::AvgPool(Pool2d { kernel: [2, 1], stride: [2, 1] }),
        polynomial(&[]),
        LayerOp::Add { with: "l5".into() },
        LayerOp::Flatten,
        LayerOp::Linear(Linear { weight: tensor(&[7, 4 * 4 * 5], 8), bias: None }),
        polynomial(&[7]),
    ];
    let layers = ops.into_iter().enumerate().map(|(i, op)| Layer { name: format!("l{i}"), op }).collect();
    let input = InputSpec::pixels([2, 8, 9], vec![0.5, 0.4], vec![0.5, 0.3]);
    let literal = ModelLiteral {
        name: "all".into(),
        input,
        classes: vec![],
        threshold: None,
        layers,
        accuracy: None,
        provenance: Provenance::default(),
    };
    check(&Model::try_from(literal).unwrap(), 12, 4);
}

#[test]
fn relu_and_odd_blocks_are_refused() {
    let model = random_network(NetworkRecipe::default()).unwrap();
    let plain = BaselineF32::new(&model).unwrap();
    assert!(plain.run(&ElementMajor::filled(784, 1, 0.0), 2).is_err());
    assert!(plain.run(&ElementMajor::filled(3, 1, 0.0), 1).is_err());
    let mut literal = model.into_literal();
    literal.layers[1].op = LayerOp::Activation { function: Activation::Relu, range: None };
    assert!(BaselineF32::new(&Model::try_from(literal).unwrap()).is_err());
}
