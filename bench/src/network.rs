//! Networks to measure when none is given: the CryptoNets shape with random weights, by seed. Must never depend on data:
//! ranges are those of the random images that [`images`] makes.

use beaa_ir::{
    Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Range, Tensor,
    evaluate_traced,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Result;

/// Images from which weights are scaled and ranges taken.
const SAMPLE: usize = 24;
/// Features of a hidden vector.
const HIDDEN: usize = 100;
/// Outputs.
const CLASSES: usize = 10;

/// What a random network looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Everything follows from it.
    pub seed: u64,
    /// Quadratic activations: 2 is the network of CryptoNets, more add hidden layers, 1 leaves the hidden layer out.
    pub squares: usize,
    /// Part of the weights that is left.
    pub density: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { seed: 1, squares: 2, density: 1.0 }
    }
}

/// A 5x5 convolution of 28x28 pixels with stride 2 to 5x13x13, then vectors of 100, then 10; a quadratic of its own for
/// every element in between.
pub fn random(recipe: Recipe) -> Result<Model> {
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    let input = InputSpec { shape: [1, 28, 28], mean: vec![0.5], std: vec![0.5] };
    let weights = |rng: &mut ChaCha8Rng, shape: Vec<usize>| {
        let count = shape.iter().product();
        let mut all: Vec<f32> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
        // Exactly so many are left out, at random places.
        let mut order: Vec<usize> = (0..count).collect();
        for i in 0..count {
            order.swap(i, rng.random_range(i..count));
        }
        let dropped = ((1.0 - recipe.density) * count as f64).round() as usize;
        order.iter().take(dropped).for_each(|&i| {
            if let Some(w) = all.get_mut(i) {
                *w = 0.0;
            }
        });
        Tensor::new(shape, all)
    };
    let quadratic = |rng: &mut ChaCha8Rng, shape: Vec<usize>| -> Result<LayerOp> {
        let count = shape.iter().product();
        let mut around = |low: f32, high: f32| -> Result<Tensor> {
            Ok(Tensor::new(shape.clone(), (0..count).map(|_| rng.random_range(low..high)).collect())?)
        };
        // In a long chain of strong quadratics one large value grows beyond all bounds.
        let (a, b) = if recipe.squares > 2 { ((0.02, 0.06), (0.8, 1.0)) } else { ((0.1, 0.3), (0.3, 0.7)) };
        let p = Polynomial { a: around(a.0, a.1)?, b: around(b.0, b.1)?, c: around(-0.1, 0.1)? };
        Ok(LayerOp::Activation { function: Activation::Polynomial(p), range: None })
    };
    let layer = |name: String, op: LayerOp| Layer { name, op };
    let conv = Conv2d {
        weight: weights(&mut rng, vec![5, 1, 5, 5])?,
        bias: Some(Tensor::new(vec![5], vec![0.1; 5])?),
        stride: [2, 2],
        padding: [1, 1],
        dilation: [1, 1],
        groups: 1,
    };
    let mut layers = vec![
        layer("conv1".into(), LayerOp::Conv2d(conv)),
        layer("activation1".into(), quadratic(&mut rng, vec![5, 13, 13])?),
        layer("flatten".into(), LayerOp::Flatten),
    ];
    let mut width = 5 * 13 * 13;
    for i in 1..=recipe.squares.max(1) {
        let out = if i == recipe.squares.max(1) { CLASSES } else { HIDDEN };
        let weight = weights(&mut rng, vec![out, width])?;
        let bias = Some(Tensor::new(vec![out], vec![0.05; out])?);
        layers.push(layer(format!("fc{i}"), LayerOp::Linear(Linear { weight, bias })));
        if out == HIDDEN {
            layers.push(layer(format!("activation{}", i + 1), quadratic(&mut rng, vec![out])?));
        }
        width = out;
    }
    let name = format!("random, {} squares, seed {}", recipe.squares.max(1), recipe.seed);
    let literal =
        ModelLiteral { name, input, classes: vec![], layers, accuracy: None, training: serde_json::Value::Null };
    scaled(literal, recipe.seed)
}

/// Uniformly random pixels.
pub fn pixels(model: &Model, count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let size = model.input().shape().len();
    (0..count).map(|_| (0..size).map(|_| rng.random()).collect()).collect()
}

/// The same, normalised.
pub fn images(model: &Model, count: usize, seed: u64) -> Vec<Vec<f32>> {
    pixels(model, count, seed).iter().map(|image| model.input().normalise(image)).collect()
}

/// Scales every layer so that what goes into an activation has deviation 1 and outputs have 4, and notes the ranges.
fn scaled(literal: ModelLiteral, seed: u64) -> Result<Model> {
    let mut model = Model::try_from(literal)?;
    let sample = images(&model, SAMPLE, seed);
    for at in 0..model.layers().len() {
        let last = at + 1 == model.layers().len();
        let values = outputs_of(&model, &sample, at)?;
        let mut literal = model.into_literal();
        let next_is_activation = literal.layers.get(at + 1).is_some_and(|l| matches!(l.op, LayerOp::Activation { .. }));
        let mut factor = 1.0;
        if let Some(Layer {
            op: LayerOp::Conv2d(Conv2d { weight, bias, .. }) | LayerOp::Linear(Linear { weight, bias }),
            ..
        }) = literal.layers.get_mut(at)
        {
            let square: f64 = values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64;
            factor = if last { 4.0 } else { 1.0 } / square.sqrt().max(1e-9);
            for tensor in [Some(weight), bias.as_mut()].into_iter().flatten() {
                let data = tensor.data().iter().map(|w| (f64::from(*w) * factor) as f32).collect();
                *tensor = Tensor::new(tensor.shape().to_vec(), data)?;
            }
        }
        if next_is_activation {
            // A little more than was seen, as other images will go a little further.
            let most = 1.1 * factor * values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            if let Some(Layer { op: LayerOp::Activation { range, .. }, .. }) = literal.layers.get_mut(at + 1) {
                *range = Some(Range { min: -most as f32, max: most as f32 });
            }
        }
        model = Model::try_from(literal)?;
    }
    Ok(model)
}

fn outputs_of(model: &Model, images: &[Vec<f32>], layer: usize) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for image in images {
        all.extend(evaluate_traced(model, image)?.get(layer).into_iter().flatten());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use beaa_ir::evaluate;

    use super::*;

    #[test]
    fn the_standard_network_has_cryptonets_shape() {
        let model = random(Recipe::default()).unwrap();
        let shapes: Vec<usize> = model.shapes().iter().map(|s| s.len()).collect();
        assert_eq!(shapes, [845, 845, 845, 100, 100, 10]);
        assert_eq!(model, random(Recipe::default()).unwrap());
        let LayerOp::Activation { range: Some(range), .. } = &model.layers()[1].op else { panic!("no range") };
        for image in images(&model, 10, 99) {
            let trace = evaluate_traced(&model, &image).unwrap();
            assert!(trace[0].iter().all(|&v| v.abs() < 1.5 * f64::from(range.max)));
        }
    }

    #[test]
    fn depth_and_density_are_as_asked() {
        for squares in [1, 2, 4] {
            let model = random(Recipe { squares, ..Recipe::default() }).unwrap();
            let found = model.layers().iter().filter(|l| matches!(l.op, LayerOp::Activation { .. })).count();
            assert_eq!(found, squares);
            let image = images(&model, 1, 3).remove(0);
            assert!(evaluate(&model, &image).unwrap().iter().all(|v| v.abs() < 100.0));
        }
        let model = random(Recipe { density: 0.1, ..Recipe::default() }).unwrap();
        for layer in model.layers() {
            if let LayerOp::Linear(l) = &layer.op {
                let left = l.weight.data().iter().filter(|w| **w != 0.0).count() as f64;
                assert!((left / l.weight.data().len() as f64 - 0.1).abs() < 0.01);
            }
        }
    }
}
