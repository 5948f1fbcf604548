//! A model as Burn modules: built from the model language, run on batches, and read back into it.

use std::collections::HashMap;

use beaa_ir::Model;
use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor};

use crate::config::Precision;
use crate::error::Result;
pub(crate) use crate::model::blocks::{Block, Features, host};
use crate::model::blocks::{IMAGE, LayerContext, Manner};

/// A network of Burn modules, one block per layer of the model.
#[derive(Module, Debug)]
pub(crate) struct Network {
    pub(crate) blocks: Vec<Block>,
}

/// What the polynomials of a layer keep to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct VertexLimit {
    /// The largest distance `|b/2a|` of the vertex from zero; 0 for none.
    pub(crate) bound: f32,
    /// The least curvature `|a|`.
    pub(crate) floor: f32,
}

/// What a forward pass keeps beside the logits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keep {
    /// [`Pass::inputs`].
    pub(crate) inputs: bool,
    /// [`Pass::outputs`].
    pub(crate) outputs: bool,
    /// [`Pass::weighted_inputs`].
    pub(crate) weighted_inputs: bool,
}

/// What a forward pass leaves behind.
pub(crate) struct Pass {
    /// `[images, classes]`.
    pub(crate) logits: Tensor<2>,
    /// The input of each activation layer, `[images, elements]`; empty unless kept.
    pub(crate) inputs: Vec<Tensor<2>>,
    /// The output of each activation layer, `[images, elements]`; empty unless kept.
    pub(crate) outputs: Vec<Tensor<2>>,
    /// The input of each layer with weights; empty unless kept.
    pub(crate) weighted_inputs: Vec<Features>,
}

impl Network {
    /// Builds the modules for `model` on `device`; with `train_polynomials` off, their coefficients
    /// stay as they are.
    ///
    /// # Errors
    /// As [`Block::new`].
    pub(crate) fn new(model: &Model, device: &Device, train_polynomials: bool) -> Result<Self> {
        let mut input = model.input().shape();
        let mut blocks = Vec::with_capacity(model.layers().len());
        for (index, (layer, &output)) in model.layers().iter().zip(model.shapes()).enumerate() {
            blocks.push(Block::new(&layer.op, &LayerContext { model, index, input, device, train_polynomials })?);
            input = output;
        }
        Ok(Self { blocks })
    }

    /// Runs a batch `[images, channels, rows, columns]`, convolutions multiplying in `precision`.
    /// Activations from the `replaced`-th on act as ReLU instead of what they are.
    pub(crate) fn forward(&self, images: Tensor<4>, replaced: usize, keep: Keep, precision: Precision) -> Pass {
        let mut x = Features::Map(images);
        let (mut inputs, mut outputs, mut weighted_inputs, mut activations) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let sources: Vec<usize> = self.blocks.iter().filter_map(Block::source).collect();
        let mut read_later = HashMap::from([(IMAGE, x.clone())]);
        // Whether `x` is the output of the next block already.
        let mut done = false;
        for (i, block) in self.blocks.iter().enumerate() {
            let activation = block.is_activation();
            if activation && keep.inputs {
                inputs.push(x.clone().flat());
            }
            if keep.weighted_inputs && block.has_weights() {
                weighted_inputs.push(x.clone());
            }
            let as_relu = activations >= replaced;
            if !done {
                let next_is_relu = self.blocks.get(i + 1).is_some_and(|next| next.is_relu(as_relu));
                let unseen = !keep.inputs && !sources.contains(&i);
                let then_relu = matches!(block, Block::Norm(_)) && next_is_relu && unseen;
                let other = block.source().map(|from| &read_later[&from]);
                x = block.forward(x, other, Manner { as_relu, then_relu, precision });
                done = then_relu;
            } else {
                done = false;
            }
            if activation {
                activations += 1;
                if keep.outputs {
                    outputs.push(x.clone().flat());
                }
            }
            if sources.contains(&i) {
                read_later.insert(i, x.clone());
            }
        }
        Pass { logits: x.flat(), inputs, outputs, weighted_inputs }
    }

    /// The logits of a batch, `[images, classes]`, in single precision and with every activation as
    /// it is.
    pub(crate) fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images, usize::MAX, Keep::default(), Precision::Single).logits
    }

    /// Identities of the coefficients of polynomials.
    pub(crate) fn coefficient_ids(&self) -> Vec<ParamId> {
        let polynomials = self.blocks.iter().filter_map(|b| if let Block::Polynomial(p) = b { Some(p) } else { None });
        polynomials.flat_map(|p| [p.a.id, p.b.id, p.c.id]).collect()
    }

    /// Identities of convolution and linear weights, which alone decay.
    pub(crate) fn weight_ids(&self) -> Vec<ParamId> {
        let weights = self.blocks.iter().filter_map(|b| match b {
            Block::Conv(c) => Some(c.weight.id),
            Block::Linear(l) => Some(l.weight.id),
            _ => None,
        });
        weights.collect()
    }

    /// Applies [`TrainablePolynomial::bounded`](super::polynomial::TrainablePolynomial::bounded) to
    /// each polynomial; `limits` holds one per activation layer.
    pub(crate) fn bounded(mut self, limits: &[VertexLimit]) -> Self {
        let activations = self.blocks.iter().filter(|b| b.is_activation()).count();
        assert_eq!(limits.len(), activations, "limits and activation layers");
        let mut limits = limits.iter();
        let bounded = |block: Block| match (block.is_activation().then(|| limits.next()).flatten(), block) {
            (Some(limit), Block::Polynomial(p)) => Block::Polynomial(p.bounded(limit.bound, limit.floor)),
            (_, block) => block,
        };
        self.blocks = self.blocks.into_iter().map(bounded).collect();
        self
    }

    /// Lets batch normalisation take its running statistics for constants, as it does when training
    /// is over.
    pub(crate) fn fix_norms(&mut self) {
        for block in &mut self.blocks {
            if let Block::Norm(norm) = block {
                norm.training = Param::from_bool(false);
            }
        }
    }

    /// The numbers of this network in the form of `template`, the model it was built from.
    ///
    /// # Errors
    /// As [`Block::export`].
    pub(crate) fn export(&self, template: &Model) -> Result<Model> {
        let mut literal = template.clone().into_literal();
        assert_eq!(literal.layers.len(), self.blocks.len(), "layers and blocks");
        for (layer, block) in literal.layers.iter_mut().zip(&self.blocks) {
            block.export(&mut layer.op)?;
        }
        Ok(literal.try_into()?)
    }
}

#[cfg(test)]
mod tests;
