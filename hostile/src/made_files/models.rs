//! Good models: one of every layer, one of real numbers, one that tfhe can run; and a state
//! dictionary of PyTorch with its architecture.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use beaa_ir::{
    Accuracy, Activation, Conv2d, InputSpec, InputValues, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial,
    Pool2d, Provenance, Range, RealChannels, Tensor, TrainingData, WeightGrid, save_model,
};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use crate::files::keep;
use crate::scratch::Scratch;

/// Numbers between -1 and 1 that look random.
fn tensor(shape: &[usize]) -> Result<Tensor> {
    let numbers = (0..shape.iter().product::<usize>()).map(|i| ((i * 37 + 11) % 19) as f32 / 9.5 - 1.0);
    Ok(Tensor::new(shape.to_vec(), numbers.collect())?)
}

fn positive(n: usize) -> Result<Tensor> {
    Ok(Tensor::new(vec![n], vec![0.5; n])?)
}

fn linear(out: usize, from: usize) -> Result<LayerOp> {
    Ok(LayerOp::Linear(Linear { weight: tensor(&[out, from])?, bias: Some(tensor(&[out])?) }))
}

fn range() -> Option<Range> {
    Some(Range { min: -3.0, max: 4.0 })
}

/// Every layer once, on images of 1 x 4 x 4.
fn every_layer() -> Result<Model> {
    let convolution = |out, from, padding| -> Result<LayerOp> {
        let (stride, dilation) = ([1, 1], [1, 1]);
        let weight = tensor(&[out, from, 3, 3])?;
        Ok(LayerOp::Conv2d(Conv2d { weight, bias: None, stride, padding: [padding; 2], dilation, groups: 1 }))
    };
    let quadratic = || -> Result<LayerOp> {
        let shape = [2, 1, 1];
        let polynomial = Polynomial { a: tensor(&shape)?, b: tensor(&shape)?, c: tensor(&shape)? };
        Ok(LayerOp::Activation { function: Activation::Polynomial(polynomial), range: range() })
    };
    let normalisation = LayerOp::BatchNorm {
        gamma: positive(2)?,
        beta: tensor(&[2])?,
        mean: tensor(&[2])?,
        var: positive(2)?,
        eps: 1e-5,
    };
    let layers = [
        ("conv1", convolution(2, 1, 1)?),
        ("norm1", normalisation),
        ("act1", quadratic()?),
        ("conv2", convolution(2, 2, 1)?),
        ("add", LayerOp::Add { with: "act1".into() }),
        ("branch", LayerOp::Branch { from: "norm1".into() }),
        ("pool", LayerOp::AvgPool(Pool2d { kernel: [2, 2], stride: [2, 2] })),
        ("square", LayerOp::Activation { function: Activation::Square, range: range() }),
        ("flatten", LayerOp::Flatten),
        ("fc", linear(3, 8)?),
    ];
    let provenance = Provenance {
        data: Some(TrainingData { name: Some("made up".into()), pixel_bits: Some(6), ..TrainingData::default() }),
        seed: Some(1),
        weight_grids: BTreeMap::from([("fc".to_owned(), WeightGrid { bits: 6, unit: 0.05 })]),
        record: json!({"note": ["of nothing"]}),
    };
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let crop = json!({"from": [1, 6, 6], "steps": [{"crop": {"top": 1, "left": 1, "height": 4, "width": 4}}]});
    let input = InputSpec {
        preprocessing: Some(serde_json::from_value(crop)?),
        ..InputSpec::pixels([1, 4, 4], vec![0.5], vec![0.25])
    };
    model("every-layer", input, classes, &layers, provenance)
}

/// Rows of three numbers.
fn rows() -> Result<Model> {
    let names = ["age", "height", "dose"].map(str::to_owned).to_vec();
    let channels = RealChannels { min: vec![0.0, 50.0, 0.0], max: vec![120.0, 220.0, 9.5], names };
    let values = InputValues::Reals(channels);
    let input = InputSpec { values, ..InputSpec::pixels([3, 1, 1], vec![50.0, 160.0, 2.0], vec![20.0, 30.0, 1.5]) };
    let layers = [
        ("flatten", LayerOp::Flatten),
        ("fc1", linear(4, 3)?),
        ("act1", LayerOp::Activation { function: Activation::Square, range: range() }),
        ("fc2", linear(1, 4)?),
    ];
    model("rows", input, vec!["healthy".into(), "ill".into()], &layers, Provenance::default())
}

/// Linear maps and one ReLU.
fn relu() -> Result<Model> {
    let layers = [
        ("flatten", LayerOp::Flatten),
        ("fc1", linear(3, 4)?),
        ("act1", LayerOp::Activation { function: Activation::Relu, range: range() }),
        ("fc2", linear(2, 3)?),
    ];
    model("relu", InputSpec::pixels([1, 2, 2], vec![0.0], vec![1.0]), vec![], &layers, Provenance::default())
}

fn model(
    name: &str,
    input: InputSpec,
    classes: Vec<String>,
    layers: &[(&str, LayerOp)],
    provenance: Provenance,
) -> Result<Model> {
    let threshold = (classes.len() == 2 && name == "rows").then_some(0.25);
    let accuracy = Some(Accuracy { validation: Some(0.75), test: Some(0.5) });
    let layers = layers.iter().map(|(name, op)| Layer { name: (*name).to_owned(), op: op.clone() }).collect();
    let name = name.to_owned();
    Ok(Model::try_from(ModelLiteral { name, input, classes, threshold, layers, accuracy, provenance })?)
}

/// Writes the files of every reader.
pub(super) fn make() -> Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.path().join("x.safetensors");
    for (model, readers) in [
        (every_layer()?, &["model", "model-compile"][..]),
        (rows()?, &["model", "model-compile"]),
        (relu()?, &["model", "model-compile-tfhe"]),
    ] {
        save_model(&model, &path)?;
        let bytes = std::fs::read(&path)?;
        readers.iter().try_for_each(|reader| keep(reader, &format!("{}.safetensors", model.name()), &bytes))?;
    }
    state_dictionary()
}

fn state_dictionary() -> Result<()> {
    let names: [(&str, &[usize]); 10] = [
        ("conv1.weight", &[2, 1, 3, 3]),
        ("norm1.weight", &[2]),
        ("norm1.bias", &[2]),
        ("norm1.running_mean", &[2]),
        ("norm1.running_var", &[2]),
        ("act1.a", &[2, 1, 1]),
        ("act1.b", &[2, 1, 1]),
        ("act1.c", &[2, 1, 1]),
        ("fc.weight", &[3, 8]),
        ("fc.bias", &[3]),
    ];
    let bytes = |name: &str, shape: &[usize]| -> Result<Vec<u8>> {
        let tensor = if name.ends_with("var") { positive(2)? } else { tensor(shape)? };
        Ok(tensor.data().iter().flat_map(|v| v.to_le_bytes()).collect())
    };
    let tensors = names.iter().map(|(name, shape)| bytes(name, shape)).collect::<Result<Vec<_>>>()?;
    let views = names
        .iter()
        .zip(&tensors)
        .map(|((name, shape), bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes)?)));
    let views = views.collect::<Result<Vec<_>>>()?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    keep("state-dictionary", "network.safetensors", &safetensors::serialize(views, Some(metadata))?)?;
    let architecture = json!({
        "format": 1,
        "name": "network",
        "input": {"shape": [1, 4, 4], "mean": [0.5], "std": [0.25]},
        "classes": ["a", "b", "c"],
        "layers": [
            {"type": "conv2d", "name": "conv1", "stride": 1, "padding": [1, 1]},
            {"type": "batch_norm", "name": "norm1", "eps": 0.00001},
            {"type": "activation", "name": "act1", "function": "polynomial", "range": {"min": -3.0, "max": 4.0}},
            {"type": "avg_pool", "name": "pool", "kernel": 2},
            {"type": "flatten", "name": "flatten"},
            {"type": "linear", "name": "fc"},
        ],
    });
    keep("architecture", "network.json", format!("{architecture:#}\n").as_bytes())
}
