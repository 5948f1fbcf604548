//! Pruning on a network of Burn modules: what its layers look like to [`crate::compress::schedule`], and zeros kept zero after every
//! step. Must never touch a weight that is not to be dropped.

use beaa_datasets::Images;
use beaa_ir::{LayerOp, Model};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

use crate::compress::schedule::{PrunableLayer, WeightLayout, choose, due};
use crate::config::PruneConfig;
use crate::data;
use crate::error::{Error, Problem, Result};
use crate::model::network::{Block, Features, Network, host};

/// Training images on which contributions are measured.
const SAMPLE: usize = 512;

/// The zeros of a network, by block; 1 where a weight stays.
pub(crate) type Masks = Vec<(usize, Tensor<1>)>;

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
        let name = |i: usize| model.layers().get(i).map_or("", |l| l.name.as_str());
        let inner = weighted.get(1..weighted.len().saturating_sub(1)).unwrap_or_default();
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
    pub(crate) fn drop_due(&self, network: Network, masks: &mut Masks, step: usize, total: usize) -> Result<Network> {
        let Some(done) = due(&self.config, step, total) else { return Ok(network) };
        let weighted_inputs =
            crate::distil::objective::detached(&network).forward(self.sample.clone(), usize::MAX, true).weighted_inputs;
        let statistics = weighted_blocks(&network)
            .zip(weighted_inputs)
            .map(|(i, weighted_inputs)| Ok((i, input_statistics(&network, i, weighted_inputs)?)));
        let statistics = statistics.collect::<Result<Vec<(usize, InputStatistics)>>>()?;
        let of_block = |block: usize| statistics.iter().find(|(i, _)| *i == block).map(|(_, s)| s.clone());
        let mut layers = Vec::with_capacity(self.pruned.len());
        let mut means = Vec::with_capacity(self.pruned.len());
        for pruned_layer in &self.pruned {
            let (Some((layout, weights)), Some(s)) =
                (weights(&network, pruned_layer.block)?, of_block(pruned_layer.block))
            else {
                continue;
            };
            let &PrunedLayer { sparsity, inputs, read_by, .. } = pruned_layer;
            means.push(s.means);
            layers.push(PrunableLayer { layout, weights, deviations: s.deviations, sparsity, inputs, read_by });
        }
        let kept = choose(&self.config, &layers, done);
        let mut network = network;
        for (((pruned_layer, layer), kept), means) in self.pruned.iter().zip(&layers).zip(&kept).zip(&means) {
            network = compensate(network, pruned_layer.block, layer, kept, means)?;
            let mask: Vec<f32> = kept.iter().map(|k| if *k { 1.0 } else { 0.0 }).collect();
            masks.retain(|(block, _)| *block != pruned_layer.block);
            masks.push((
                pruned_layer.block,
                Tensor::from_data(TensorData::new(mask, [kept.len()]), &self.sample.device()),
            ));
        }
        Ok(network)
    }
}

/// The zeros that `network` has; layers without any are left out.
pub(crate) fn of_zeros(network: &Network) -> Result<Masks> {
    let mut masks = Masks::new();
    for block in weighted_blocks(network) {
        let Some((_, weights)) = weights(network, block)? else { continue };
        if weights.contains(&0.0) {
            let mask: Vec<f32> = weights.iter().map(|w| if *w == 0.0 { 0.0 } else { 1.0 }).collect();
            let device = network.blocks.iter().find_map(device_of).unwrap_or_default();
            masks.push((block, Tensor::from_data(TensorData::new(mask, [weights.len()]), &device)));
        }
    }
    Ok(masks)
}

/// Makes the weights that `masks` drops exactly zero again.
pub(crate) fn apply(mut network: Network, masks: &Masks) -> Network {
    for (index, mask) in masks {
        if let Some(block) = network.blocks.get_mut(*index) {
            match block {
                Block::Conv(c) => c.weight = masked_weights(c.weight.clone(), mask),
                Block::Linear(l) => l.weight = masked_weights(l.weight.clone(), mask),
                _ => {}
            }
        }
    }
    network
}

/// What a layer is fed, input by input.
#[derive(Clone)]
struct InputStatistics {
    means: Vec<f32>,
    deviations: Vec<f32>,
}

fn has_weights(model: &Model, index: usize) -> bool {
    model.layers().get(index).is_some_and(|l| matches!(l.op, LayerOp::Conv2d(_) | LayerOp::Linear(_)))
}

fn weighted_blocks(network: &Network) -> impl Iterator<Item = usize> + '_ {
    let weighted = |(_, b): &(usize, &Block)| matches!(b, Block::Conv(_) | Block::Linear(_));
    network.blocks.iter().enumerate().filter(weighted).map(|(i, _)| i)
}

/// The fully connected layer that alone reads the outputs of fully connected layer `index`, each through an activation of
/// its own.
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

fn device_of(block: &Block) -> Option<Device> {
    match block {
        Block::Conv(c) => Some(c.weight.val().inner().device()),
        Block::Linear(l) => Some(l.weight.val().inner().device()),
        _ => None,
    }
}

fn weights(network: &Network, index: usize) -> Result<Option<(WeightLayout, Vec<f32>)>> {
    Ok(match network.blocks.get(index) {
        Some(Block::Conv(c)) => {
            let [outputs, inputs, height, width] = c.weight.dims();
            let layout = WeightLayout { outputs, inputs, taps: height * width, inputs_first: false };
            Some((layout, host(c.weight.val())?))
        }
        Some(Block::Linear(l)) => {
            let [inputs, outputs] = l.weight.dims();
            Some((WeightLayout { outputs, inputs, taps: 1, inputs_first: true }, host(l.weight.val())?))
        }
        _ => None,
    })
}

fn input_statistics(network: &Network, index: usize, weighted_inputs: Features) -> Result<InputStatistics> {
    let (count, each, values) = match (network.blocks.get(index), weighted_inputs) {
        (Some(Block::Conv(_)), Features::Map(x)) => {
            let [_, c, h, w] = x.dims();
            (c, h * w, host(x)?)
        }
        (_, x) => {
            let x = x.flat();
            (x.dims()[1], 1, host(x)?)
        }
    };
    let mut sums = vec![(0.0_f64, 0.0_f64); count];
    for image in values.chunks((count * each).max(1)) {
        for (input, (sum, squares)) in image.chunks(each.max(1)).zip(&mut sums) {
            for &v in input {
                *sum += f64::from(v);
                *squares += f64::from(v).powi(2);
            }
        }
    }
    let n = (values.len() / count.max(1)).max(1) as f64;
    // A convolution in groups reads other channels for every group: all count alike.
    let grouped = matches!(network.blocks.get(index), Some(Block::Conv(c)) if c.groups > 1);
    let deviation = |&(s, q): &(f64, f64)| if grouped { 1.0 } else { (q / n - (s / n).powi(2)).max(0.0).sqrt() as f32 };
    Ok(InputStatistics {
        means: sums.iter().map(|s| (s.0 / n) as f32).collect(),
        deviations: sums.iter().map(deviation).collect(),
    })
}

/// Puts the mean of what is dropped into the bias of a fully connected layer.
fn compensate(
    mut network: Network,
    index: usize,
    layer: &PrunableLayer,
    kept: &[bool],
    means: &[f32],
) -> Result<Network> {
    if let Some(Block::Linear(l)) = network.blocks.get_mut(index)
        && let Some(bias) = l.bias.take()
    {
        let mut values = host(bias.val())?;
        let outputs = layer.layout.outputs.max(1);
        for (p, (w, _)) in layer.weights.iter().zip(kept).enumerate().filter(|(_, (_, k))| !**k) {
            if let (Some(b), Some(mean)) = (values.get_mut(p % outputs), means.get(p / outputs)) {
                *b += w * mean;
            }
        }
        let (id, old, _) = bias.consume();
        let tensor = Tensor::<1>::from_data(TensorData::new(values, [outputs]), &old.inner().device());
        l.bias = Some(trainable(id, tensor));
    }
    Ok(network)
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
