//! Networks against the reference evaluation of their models, without data or training.

use beaa_ir::{Conv2d, InputSpec, Layer, Linear, ModelLiteral, Polynomial, Pool2d, Provenance, Range, evaluate};

use beaa_ir::{Activation, LayerOp, Tensor as Values};
use burn::tensor::TensorData;

use super::*;

fn numbers(shape: &[usize], salt: usize) -> Values {
    let n: usize = shape.iter().product();
    let data = (0..n).map(|i| (((i + 1) * 7919 + salt * 104_729) % 2003) as f32 / 2003.0 - 0.45).collect();
    Values::new(shape.to_vec(), data).unwrap()
}

/// Every kind of layer, with stride, padding, dilation and groups that differ by direction.
fn model() -> Model {
    let layer = |name: &str, op| Layer { name: name.to_owned(), op };
    let activation = |function| LayerOp::Activation { function, range: Some(Range { min: -1.0, max: 1.0 }) };
    let polynomial = |shape: &[usize], salt| {
        Activation::Polynomial(Polynomial {
            a: numbers(shape, salt),
            b: numbers(shape, salt + 1),
            c: numbers(shape, salt + 2),
        })
    };
    let positive = |n| Values::new(vec![n], (0..n).map(|i| 0.5 + i as f32).collect()).unwrap();
    let literal = ModelLiteral {
        name: "all".to_owned(),
        input: InputSpec::pixels([2, 9, 8], vec![0.4, 0.5], vec![0.3, 0.2]),
        classes: Vec::new(),
        threshold: None,
        layers: vec![
            layer(
                "conv",
                LayerOp::Conv2d(Conv2d {
                    weight: numbers(&[4, 1, 3, 2], 1),
                    bias: Some(numbers(&[4], 2)),
                    stride: [2, 1],
                    padding: [1, 0],
                    dilation: [1, 2],
                    groups: 2,
                }),
            ),
            layer(
                "norm",
                LayerOp::BatchNorm {
                    gamma: numbers(&[4], 3),
                    beta: numbers(&[4], 4),
                    mean: numbers(&[4], 5),
                    var: positive(4),
                    eps: 1e-3,
                },
            ),
            layer("channel", activation(polynomial(&[4, 1, 1], 6))),
            layer(
                "same",
                LayerOp::Conv2d(Conv2d {
                    weight: numbers(&[4, 4, 3, 3], 9),
                    bias: None,
                    stride: [1, 1],
                    padding: [1, 1],
                    dilation: [1, 1],
                    groups: 1,
                }),
            ),
            layer("relu", activation(Activation::Relu)),
            layer("branch", LayerOp::Branch { from: "channel".to_owned() }),
            layer("add", LayerOp::Add { with: "relu".to_owned() }),
            layer("pool", LayerOp::AvgPool(Pool2d { kernel: [2, 3], stride: [1, 2] })),
            layer("element", activation(polynomial(&[4, 4, 2], 10))),
            layer("flatten", LayerOp::Flatten),
            layer("linear", LayerOp::Linear(Linear { weight: numbers(&[5, 32], 13), bias: Some(numbers(&[5], 14)) })),
            layer("square", activation(Activation::Square)),
            layer("last", LayerOp::Linear(Linear { weight: numbers(&[3, 5], 15), bias: None })),
        ],
        accuracy: None,
        provenance: Provenance::default(),
    };
    literal.try_into().unwrap()
}

#[test]
#[allow(deprecated)]
fn forward_equals_the_reference_on_both_devices() {
    let model = model();
    let image = numbers(&[144], 20);
    let expected = evaluate(&model, image.data()).unwrap();
    for device in [Device::flex(), Device::ndarray(), Device::flex().autodiff().inner()] {
        let network = Network::new(&model, &device, true).unwrap();
        let x = Tensor::from_data(TensorData::new(image.data().to_vec(), [1, 2, 9, 8]), &device);
        let logits = host(network.logits(x)).unwrap();
        for (y, e) in logits.iter().zip(&expected) {
            assert!((f64::from(*y) - e).abs() < 1e-4 * (1.0 + e.abs()), "{logits:?} {expected:?}");
        }
    }
}

#[test]
fn what_goes_in_comes_out() {
    let model = model();
    let network = Network::new(&model, &Device::flex().autodiff(), true).unwrap();
    assert_eq!(network.export(&model).unwrap(), model);
}

#[test]
fn coefficients_of_several_granularities_become_one() {
    let mut literal = model().into_literal();
    for layer in &mut literal.layers {
        if let LayerOp::Activation { function: Activation::Polynomial(p), .. } = &mut layer.op {
            p.c = numbers(&[], 30);
        }
    }
    let model: Model = literal.try_into().unwrap();
    let back = Network::new(&model, &Device::flex(), true).unwrap().export(&model).unwrap();
    assert_ne!(back, model);
    let image = numbers(&[144], 20);
    assert_eq!(evaluate(&back, image.data()).unwrap(), evaluate(&model, image.data()).unwrap());
}

#[test]
fn identities_are_unique_and_fixed() {
    let of = || {
        let network = Network::new(&model(), &Device::flex().autodiff(), true).unwrap();
        let mut ids = network.weight_ids();
        ids.extend(network.coefficient_ids());
        ids
    };
    let mut ids = of();
    assert_eq!(ids, of());
    assert_eq!(ids.len(), 4 + 6);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4 + 6);
}

#[test]
fn activations_not_yet_replaced_act_as_relu() {
    let model = model();
    let mut literal = model.clone().into_literal();
    for (k, layer) in literal.layers.iter_mut().enumerate() {
        if let LayerOp::Activation { function, .. } = &mut layer.op
            && k > 2
        {
            *function = Activation::Relu;
        }
    }
    let relu: Model = literal.try_into().unwrap();
    let device = Device::flex();
    let x = Tensor::<4>::from_data(TensorData::new(numbers(&[144], 21).data().to_vec(), [1, 2, 9, 8]), &device);
    let keep = Keep { inputs: true, outputs: true, ..Keep::default() };
    let partly = Network::new(&model, &device, true).unwrap().forward(x.clone(), 1, keep, Precision::Single);
    let expected = Network::new(&relu, &device, true).unwrap().logits(x.clone());
    let expected = host(expected).unwrap();
    assert_eq!(host(partly.logits).unwrap(), expected);
    // Where nobody looks at what normalisation makes, it does the work of the ReLU behind it.
    let unseen = Network::new(&model, &device, true).unwrap().forward(x, 1, Keep::default(), Precision::Single);
    assert_eq!(host(unseen.logits).unwrap(), expected);
    assert_eq!((partly.inputs.len(), partly.outputs.len()), (4, 4));
}
