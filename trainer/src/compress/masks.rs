//! Pruning on a network of Burn modules: what its layers look like to the schedule, and zeros kept
//! zero after every step.

use std::collections::BTreeMap;

use beaa_datasets::Images;
use beaa_ir::{LayerOp, Model};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

use super::schedule::{PrunableLayer, WeightLayout, choose, due};
use crate::config::{Precision, PruneConfig};
use crate::data;
use crate::distil::objective::detached;
use crate::error::{Error, Problem, Result};
use crate::model::network::{Block, Features, Keep, Network, host};

/// Training images on which contributions are measured.
const SAMPLE: usize = 512;

/// The zeros of a network, by block; 1 where a weight stays.
pub(crate) type Masks = BTreeMap<usize, Tensor<1>>;

/// What is pruned, and when.
pub(crate) struct Pruner {
    config: PruneConfig,
    pruned: Vec<PrunedLayer>,
    /// `[N, C, H, W]`, normalised, without autodiff.
    sample: Tensor<4>,
}

#[derive(Debug, Clone, Copy)]
struct PrunedLayer {
    block: usize,
    sparsity: f64,
    inputs: f64,
    read_by: Option<usize>,
}

impl Pruner {
    /// For students like `model`.
    ///
    /// # Errors
    /// [`Error::Config`] for layers that do not exist or have no weights.
    pub(crate) fn new(config: &PruneConfig, model: &Model, images: &Images, device: &Device) -> Result<Self> {
        let weighted: Vec<usize> = (0..model.layers().len()).filter(|&i| has_weights(model, i)).collect();
        let name = |i: usize| model.layers()[i].name.as_str();
        let inner = if weighted.len() > 2 { &weighted[1..weighted.len() - 1] } else { &[] };
        let mut problems = Vec::new();
        for requested in config.layers.keys().filter(|k| !weighted.iter().any(|&i| name(i) == k.as_str())) {
            let known: Vec<&str> = weighted.iter().map(|&i| name(i)).collect();
            let message = format!("no such layer with weights; expected one of {}", known.join(", "));
            problems.push(Problem { field: format!("student.prune.layers.{requested}"), message });
        }
        if config.layers.is_empty() && inner.is_empty() {
            let message =
                "nothing between the first and the last layer with weights; name the layers to prune".to_owned();
            problems.push(Problem { field: "student.prune.layers".to_owned(), message });
        }
        if !problems.is_empty() {
            return Err(Error::Config { problems });
        }
        let requested = |i: usize| match config.layers.get(name(i)) {
            Some(layer) => Some((layer.sparsity.unwrap_or(config.sparsity), layer.inputs)),
            None => (config.layers.is_empty() && inner.contains(&i)).then_some((config.sparsity, 0.0)),
        };
        let mut pruned: Vec<PrunedLayer> = weighted
            .iter()
            .filter_map(|&i| {
                requested(i).map(|(sparsity, inputs)| PrunedLayer { block: i, sparsity, inputs, read_by: None })
            })
            .collect();
        let blocks: Vec<usize> = pruned.iter().map(|t| t.block).collect();
        for pruned_layer in &mut pruned {
            pruned_layer.read_by = reader(model, pruned_layer.block).and_then(|r| blocks.iter().position(|&b| b == r));
        }
        let count = SAMPLE.min(images.len());
        let chosen: Vec<usize> = (0..count).map(|i| i * images.len() / count.max(1)).collect();
        let sample = data::batch(images, &chosen, model.input(), None, device).images;
        Ok(Self { config: config.clone(), pruned, sample })
    }

    /// Drops what is due after `step` of `total`, which `masks` then says too.
    ///
    /// # Errors
    /// [`Error::Device`] if weights cannot be read.
    pub(crate) fn drop_due(&self, network: Network, masks: &mut Masks, step: usize, total: usize) -> Result<Network> {
        let Some(done) = due(&self.config, step, total) else { return Ok(network) };
        let keep = Keep { weighted_inputs: true, ..Keep::default() };
        let inputs =
            detached(&network).forward(self.sample.clone(), usize::MAX, keep, Precision::Single).weighted_inputs;
        let inputs: BTreeMap<usize, Features> = weighted_blocks(&network).zip(inputs).collect();
        let mut layers = Vec::with_capacity(self.pruned.len());
        let mut means = Vec::with_capacity(self.pruned.len());
        for &PrunedLayer { block, sparsity, inputs: share, read_by } in &self.pruned {
            let (layout, weights) = weights(&network.blocks[block])?;
            let statistics = input_statistics(&network.blocks[block], inputs[&block].clone(), layout.inputs)?;
            means.push(statistics.means);
            let deviations = statistics.deviations;
            layers.push(PrunableLayer { layout, weights, deviations, sparsity, inputs: share, read_by });
        }
        let kept = choose(&self.config, &layers, done);
        let mut network = network;
        for (k, layer) in layers.iter().enumerate() {
            let block = self.pruned[k].block;
            compensate(&mut network.blocks[block], layer, &kept[k], &means[k])?;
            masks.insert(block, mask(&kept[k], &self.sample.device()));
        }
        Ok(network)
    }
}

/// The zeros that `network` has; layers without any are left out.
///
/// # Errors
/// [`Error::Device`] if weights cannot be read.
pub(crate) fn of_zeros(network: &Network) -> Result<Masks> {
    let mut masks = Masks::new();
    for block in weighted_blocks(network) {
        let (_, weights) = weights(&network.blocks[block])?;
        if weights.contains(&0.0) {
            let kept: Vec<bool> = weights.iter().map(|w| *w != 0.0).collect();
            masks.insert(block, mask(&kept, &device_of(&network.blocks[block])));
        }
    }
    Ok(masks)
}

/// Makes the weights that `masks` drops exactly zero again.
pub(crate) fn apply(mut network: Network, masks: &Masks) -> Network {
    for (&index, mask) in masks {
        match &mut network.blocks[index] {
            Block::Conv(c) => c.weight = masked_weights(c.weight.clone(), mask),
            Block::Linear(l) => l.weight = masked_weights(l.weight.clone(), mask),
            block => unreachable!("weights of {block:?}"),
        }
    }
    network
}

/// 1 where a weight is kept, 0 elsewhere.
fn mask(kept: &[bool], device: &Device) -> Tensor<1> {
    let mask: Vec<f32> = kept.iter().map(|k| if *k { 1.0 } else { 0.0 }).collect();
    Tensor::from_data(TensorData::new(mask, [kept.len()]), device)
}

/// What a layer's inputs are like, one by one.
struct InputStatistics {
    means: Vec<f32>,
    deviations: Vec<f32>,
}

fn has_weights(model: &Model, index: usize) -> bool {
    matches!(model.layers()[index].op, LayerOp::Conv2d(_) | LayerOp::Linear(_))
}

fn weighted_blocks(network: &Network) -> impl Iterator<Item = usize> + '_ {
    network.blocks.iter().enumerate().filter(|(_, b)| b.has_weights()).map(|(i, _)| i)
}

/// The fully connected layer that alone reads the outputs of fully connected layer `index`, each
/// through an activation of its own.
fn reader(model: &Model, index: usize) -> Option<usize> {
    let layers = model.layers();
    matches!(layers.get(index)?.op, LayerOp::Linear(_)).then_some(())?;
    let elementwise =
        |op: &LayerOp| matches!(op, LayerOp::Activation { .. } | LayerOp::BatchNorm { .. } | LayerOp::Flatten);
    let next = (index + 1..layers.len()).find(|&i| layers.get(i).is_some_and(|l| !elementwise(&l.op)))?;
    let between: Vec<&str> = layers.get(index..next)?.iter().map(|l| l.name.as_str()).collect();
    let joined = layers.iter().any(|l| match &l.op {
        LayerOp::Add { with: from } | LayerOp::Branch { from } => between.contains(&from.as_str()),
        _ => false,
    });
    (matches!(layers.get(next)?.op, LayerOp::Linear(_)) && !joined).then_some(next)
}

fn device_of(block: &Block) -> Device {
    match block {
        Block::Conv(c) => c.weight.val().inner().device(),
        Block::Linear(l) => l.weight.val().inner().device(),
        block => unreachable!("weights of {block:?}"),
    }
}

fn weights(block: &Block) -> Result<(WeightLayout, Vec<f32>)> {
    match block {
        Block::Conv(c) => {
            let [outputs, inputs, height, width] = c.weight.dims();
            let layout = WeightLayout { outputs, inputs, taps: height * width, inputs_first: false };
            Ok((layout, host(c.weight.val())?))
        }
        Block::Linear(l) => {
            let [inputs, outputs] = l.weight.dims();
            Ok((WeightLayout { outputs, inputs, taps: 1, inputs_first: true }, host(l.weight.val())?))
        }
        block => unreachable!("weights of {block:?}"),
    }
}

/// The statistics of `inputs` by channel or element, of which a weight sees `seen`.
fn input_statistics(block: &Block, inputs: Features, seen: usize) -> Result<InputStatistics> {
    let (count, each, values) = match (block, inputs) {
        (Block::Conv(_), Features::Map(x)) => {
            let [_, c, h, w] = x.dims();
            (c, h * w, host(x)?)
        }
        (_, x) => {
            let x = x.flat();
            (x.dims()[1], 1, host(x)?)
        }
    };
    let mut sums = vec![(0.0_f64, 0.0_f64); count];
    for image in values.chunks(count * each) {
        for (input, (sum, squares)) in image.chunks(each).zip(&mut sums) {
            for &v in input {
                *sum += f64::from(v);
                *squares += f64::from(v).powi(2);
            }
        }
    }
    let n = (values.len() / count) as f64;
    let deviation = |&(s, q): &(f64, f64)| (q / n - (s / n).powi(2)).max(0.0).sqrt() as f32;
    // A convolution in groups reads other channels for every group: all count alike.
    let grouped = seen != count;
    let deviations = if grouped { vec![1.0; seen] } else { sums.iter().map(deviation).collect() };
    Ok(InputStatistics { means: sums.iter().map(|s| (s.0 / n) as f32).collect(), deviations })
}

/// Puts the mean of what is dropped into the bias of a fully connected layer.
fn compensate(block: &mut Block, layer: &PrunableLayer, kept: &[bool], means: &[f32]) -> Result<()> {
    if let Block::Linear(l) = block
        && let Some(bias) = l.bias.take()
    {
        let mut values = host(bias.val())?;
        let outputs = layer.layout.outputs;
        for (p, w) in layer.weights.iter().enumerate().filter(|(p, _)| !kept[*p]) {
            values[p % outputs] += w * means[p / outputs];
        }
        let (id, old, _) = bias.consume();
        let tensor = Tensor::<1>::from_data(TensorData::new(values, [outputs]), &old.inner().device());
        l.bias = Some(trainable(id, tensor));
    }
    Ok(())
}

fn masked_weights<const D: usize>(param: Param<Tensor<D>>, mask: &Tensor<1>) -> Param<Tensor<D>> {
    let (id, weights, _) = param.consume();
    let shape = weights.dims();
    trainable(id, weights.inner() * mask.clone().reshape(shape))
}

/// A parameter of the same identity that learns.
fn trainable<const D: usize>(id: burn::module::ParamId, tensor: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(id, Tensor::from_inner(tensor).require_grad())
}
