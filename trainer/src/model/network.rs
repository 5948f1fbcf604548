//! A model as Burn modules, built from the model language and read back into it. Must never hold anything that the model
//! language cannot say, so that a network can be saved, resumed and exported through one path.

use beaa_ir::{Activation, LayerOp, Model, Shape, Tensor as Values};
use burn::module::{Module, Param, ParamId, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, PaddingConfig2d, Relu};
use burn::tensor::{Device, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::model::polynomial::TrainablePolynomial;
use crate::ops::{average_pool, batch_norm, convolution, relu};

/// Share of the newest batch in batch normalisation's running statistics.
const NORM_MOMENTUM: f64 = 0.1;
/// What a [`Residual`] calls the image, which no block makes.
const IMAGE: usize = usize::MAX;

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

#[derive(Module, Debug)]
pub(crate) enum Block {
    Conv(Conv2d),
    Linear(Linear),
    Norm(BatchNorm),
    Pool(AvgPool2d),
    Flatten(Stateless),
    Add(Residual),
    Relu(Relu),
    Square(Stateless),
    Polynomial(TrainablePolynomial),
    Branch(Residual),
}

#[derive(Module, Debug, Default)]
pub(crate) struct Stateless;

/// Adds the output of block `from`, or goes on from it. Block `IMAGE` stands for the image.
#[derive(Module, Debug)]
pub(crate) struct Residual {
    from: usize,
}

impl Residual {
    fn output(&self, kept: &[(usize, Features)]) -> Option<Features> {
        kept.iter().find(|(k, _)| *k == self.from).map(|(_, batch)| batch.clone())
    }
}

/// A batch between two layers.
#[derive(Debug, Clone)]
pub(crate) enum Features {
    Map(Tensor<4>),
    Flat(Tensor<2>),
}

/// What a forward pass leaves behind.
pub(crate) struct Pass {
    /// `[N, classes]`.
    pub(crate) logits: Tensor<2>,
    /// The input of each activation layer, `[N, elements]`; empty unless asked for.
    pub(crate) inputs: Vec<Tensor<2>>,
    /// The output of each activation layer, `[N, elements]`; empty unless asked for.
    pub(crate) outputs: Vec<Tensor<2>>,
    /// What each layer with weights is fed; empty unless asked for.
    pub(crate) weighted_inputs: Vec<Features>,
}

impl Network {
    /// Builds the modules for `model` on `device`; with `train_polynomials` off, their coefficients stay as they are.
    pub(crate) fn new(model: &Model, device: &Device, train_polynomials: bool) -> Result<Self> {
        let mut input = model.input().shape();
        let mut blocks = Vec::with_capacity(model.layers().len());
        for (i, (layer, &output)) in model.layers().iter().zip(model.shapes()).enumerate() {
            // Fixed identities: a resumed run finds its optimiser state by them.
            let id = |k: u64| ParamId::from((i as u64 + 1) * 16 + k);
            blocks.push(block(model, i, &layer.op, input, id, device, train_polynomials)?);
            input = output;
        }
        Ok(Self { blocks })
    }

    /// Runs a batch `[N, C, H, W]`. Activations from the `replaced`-th on act as ReLU instead of what they are.
    pub(crate) fn forward(&self, images: Tensor<4>, replaced: usize, keep: bool) -> Pass {
        let mut x = Features::Map(images);
        let (mut inputs, mut outputs, mut weighted_inputs, mut activations) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let source = |b: &Block| if let Block::Add(r) | Block::Branch(r) = b { Some(r.from) } else { None };
        let sources: Vec<usize> = self.blocks.iter().filter_map(source).collect();
        let mut kept: Vec<(usize, Features)> = vec![(IMAGE, x.clone())];
        for (i, block) in self.blocks.iter().enumerate() {
            let activation = matches!(block, Block::Relu(_) | Block::Square(_) | Block::Polynomial(_));
            if activation && keep {
                inputs.push(x.clone().flat());
            }
            if keep && matches!(block, Block::Conv(_) | Block::Linear(_)) {
                weighted_inputs.push(x.clone());
            }
            x = match (block, x) {
                (Block::Conv(c), Features::Map(x)) => Features::Map(convolution(c, x)),
                (Block::Pool(p), Features::Map(x)) => Features::Map(average_pool(p, x)),
                (Block::Linear(l), x) => Features::Flat(l.forward(x.flat())),
                (Block::Norm(n), Features::Map(x)) => Features::Map(batch_norm(n, x)),
                (Block::Norm(n), Features::Flat(x)) => Features::Flat(batch_norm(n, x)),
                (Block::Flatten(_), x) => Features::Flat(x.flat()),
                (Block::Add(r), x) => r.output(&kept).into_iter().fold(x, Features::plus),
                (Block::Branch(r), x) => r.output(&kept).unwrap_or(x),
                (Block::Square(_) | Block::Polynomial(_), x) if activations >= replaced => x.relu(),
                (Block::Relu(_), x) => x.relu(),
                (Block::Square(_), Features::Map(x)) => Features::Map(x.square()),
                (Block::Square(_), Features::Flat(x)) => Features::Flat(x.square()),
                (Block::Polynomial(p), Features::Map(x)) => Features::Map(p.forward_map(x)),
                (Block::Polynomial(p), Features::Flat(x)) => Features::Flat(p.forward_flat(x)),
                // The model's shapes are checked: a convolution or pooling never sees a vector.
                (Block::Conv(_) | Block::Pool(_), x) => x,
            };
            if activation {
                activations += 1;
                if keep {
                    outputs.push(x.clone().flat());
                }
            }
            if sources.contains(&i) {
                kept.push((i, x.clone()));
            }
        }
        Pass { logits: x.flat(), inputs, outputs, weighted_inputs }
    }

    /// The logits of a batch with every activation as it is.
    pub(crate) fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images, usize::MAX, false).logits
    }

    /// Identities of the coefficients of polynomials.
    pub(crate) fn coefficient_ids(&self) -> Vec<ParamId> {
        let polynomials = self.blocks.iter().filter_map(|b| if let Block::Polynomial(p) = b { Some(p) } else { None });
        polynomials.flat_map(|p| [p.a.id, p.b.id, p.c.id]).collect()
    }

    /// Identities of convolution and linear weights, which alone decay.
    pub(crate) fn weight_ids(&self) -> Vec<ParamId> {
        self.blocks
            .iter()
            .filter_map(|b| match b {
                Block::Conv(c) => Some(c.weight.id),
                Block::Linear(l) => Some(l.weight.id),
                _ => None,
            })
            .collect()
    }

    /// Applies [`TrainablePolynomial::bounded`] to each polynomial; `limits` holds one per activation layer.
    pub(crate) fn bounded(mut self, limits: &[VertexLimit]) -> Self {
        let mut limits = limits.iter();
        let bound = |block: Block| match block {
            Block::Polynomial(p) => Block::Polynomial(match limits.next() {
                Some(limit) => p.bounded(limit.bound, limit.floor),
                None => p,
            }),
            block @ (Block::Relu(_) | Block::Square(_)) => {
                limits.next();
                block
            }
            block => block,
        };
        self.blocks = self.blocks.into_iter().map(bound).collect();
        self
    }

    /// The numbers of this network in the form of `template`, the model it was built from.
    pub(crate) fn export(&self, template: &Model) -> Result<Model> {
        let mut literal = template.clone().into_literal();
        for (layer, block) in literal.layers.iter_mut().zip(&self.blocks) {
            match (&mut layer.op, block) {
                (LayerOp::Conv2d(c), Block::Conv(b)) => {
                    c.weight = read(&b.weight, c.weight.shape())?;
                    c.bias = b.bias.as_ref().map(|p| read(p, &p.dims())).transpose()?;
                }
                (LayerOp::Linear(l), Block::Linear(b)) => {
                    // Burn keeps [in, out].
                    let weight = b.weight.val().inner().transpose();
                    l.weight = values(weight, l.weight.shape())?;
                    l.bias = b.bias.as_ref().map(|p| read(p, &p.dims())).transpose()?;
                }
                (LayerOp::BatchNorm { gamma, beta, mean, var, .. }, Block::Norm(b)) => {
                    *gamma = read(&b.gamma, gamma.shape())?;
                    *beta = read(&b.beta, beta.shape())?;
                    *mean = values(b.running_mean.value_sync(), mean.shape())?;
                    *var = values(b.running_var.value_sync(), var.shape())?;
                }
                (LayerOp::Activation { function: Activation::Polynomial(p), .. }, Block::Polynomial(b)) => {
                    // All three at the finest granularity of any, as they were built.
                    let shapes = [&p.a, &p.b, &p.c].map(|t| t.shape().to_vec());
                    let shape = shapes.into_iter().max_by_key(|s| s.iter().product::<usize>()).unwrap_or_default();
                    p.a = read(&b.a, &shape)?;
                    p.b = read(&b.b, &shape)?;
                    p.c = read(&b.c, &shape)?;
                }
                _ => {}
            }
        }
        Ok(literal.try_into()?)
    }
}

impl Features {
    pub(crate) fn flat(self) -> Tensor<2> {
        match self {
            Self::Flat(x) => x,
            Self::Map(x) => {
                let [n, c, h, w] = x.dims();
                x.reshape([n, c * h * w])
            }
        }
    }

    fn relu(self) -> Self {
        match self {
            Self::Map(x) => Self::Map(relu(x)),
            Self::Flat(x) => Self::Flat(relu(x)),
        }
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Map(x), Self::Map(y)) => Self::Map(x + y),
            (x, y) => Self::Flat(x.flat() + y.flat()),
        }
    }
}

fn block(
    model: &Model,
    index: usize,
    op: &LayerOp,
    input: Shape,
    id: impl Fn(u64) -> ParamId,
    device: &Device,
    train_polynomials: bool,
) -> Result<Block> {
    Ok(match op {
        LayerOp::Conv2d(c) => {
            let &[out, per_group, kh, kw] = c.weight.shape() else {
                return Err(unexpected(format!("a convolution weight of shape {:?}", c.weight.shape())));
            };
            let config = Conv2dConfig::new([per_group * c.groups, out], [kh, kw])
                .with_stride(c.stride)
                .with_dilation(c.dilation)
                .with_groups(c.groups)
                .with_padding(PaddingConfig2d::Explicit(c.padding[0], c.padding[1], c.padding[0], c.padding[1]))
                .with_bias(false)
                .with_initializer(Initializer::Zeros);
            let mut conv = config.init(device);
            conv.weight = param(id(0), tensor(&c.weight, [out, per_group, kh, kw], device));
            conv.bias = c.bias.as_ref().map(|b| param(id(1), tensor(b, [out], device)));
            Block::Conv(conv)
        }
        LayerOp::Linear(l) => {
            let &[out, inputs] = l.weight.shape() else {
                return Err(unexpected(format!("a linear weight of shape {:?}", l.weight.shape())));
            };
            let weight = transposed(l.weight.data(), out, inputs);
            let weight = Tensor::<2>::from_data(TensorData::new(weight, [inputs, out]), device);
            Block::Linear(Linear {
                weight: param(id(0), weight),
                bias: l.bias.as_ref().map(|b| param(id(1), tensor(b, [out], device))),
            })
        }
        LayerOp::BatchNorm { gamma, beta, mean, var, eps } => {
            let n = gamma.data().len();
            let mut norm = BatchNormConfig::new(n)
                .with_epsilon(f64::from(*eps).max(f64::MIN_POSITIVE))
                .with_momentum(NORM_MOMENTUM)
                .init(device);
            norm.gamma = param(id(0), tensor(gamma, [n], device));
            norm.beta = param(id(1), tensor(beta, [n], device));
            norm.running_mean = RunningState::with_id(id(2), tensor(mean, [n], device));
            norm.running_var = RunningState::with_id(id(3), tensor(var, [n], device));
            Block::Norm(norm)
        }
        LayerOp::AvgPool(p) => Block::Pool(AvgPool2dConfig::new(p.kernel).with_strides(p.stride).init()),
        LayerOp::Flatten => Block::Flatten(Stateless),
        LayerOp::Add { with } => Block::Add(Residual { from: earlier(model, index, with)? }),
        LayerOp::Branch { from } if from == "input" => Block::Branch(Residual { from: IMAGE }),
        LayerOp::Branch { from } => Block::Branch(Residual { from: earlier(model, index, from)? }),
        LayerOp::Activation { function, .. } => match function {
            Activation::Relu => Block::Relu(Relu::new()),
            Activation::Square => Block::Square(Stateless),
            Activation::Polynomial(p) => {
                let parts = [&p.a, &p.b, &p.c];
                let count = parts.iter().map(|t| t.data().len()).max().unwrap_or(1);
                let [a, b, c] = parts.map(|t| spread(t, input, count));
                Block::Polynomial(TrainablePolynomial::new(
                    [&a, &b, &c],
                    [id(0), id(1), id(2)],
                    device,
                    train_polynomials,
                ))
            }
        },
    })
}

/// The index of the layer called `name` among the first `index`.
fn earlier(model: &Model, index: usize, name: &str) -> Result<usize> {
    let found = model.layers().iter().take(index).position(|l| l.name == name);
    found.ok_or_else(|| unexpected(format!("`{name}`, which is no earlier layer")))
}

/// The coefficients at the finest granularity that any of the three has.
fn spread(coefficient: &Values, input: Shape, count: usize) -> Vec<f32> {
    let stride = input.len() / count.max(1);
    (0..count).map(|k| coefficient.broadcast(input, k * stride)).collect()
}

fn transposed(data: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| data.iter().skip(c).step_by(columns.max(1)).take(rows).copied()).collect()
}

fn param<const D: usize>(id: ParamId, tensor: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(id, tensor).set_require_grad(true)
}

fn tensor<const D: usize>(values: &Values, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.data().to_vec(), shape), device)
}

fn read<const D: usize>(param: &Param<Tensor<D>>, shape: &[usize]) -> Result<Values> {
    values(param.val(), shape)
}

fn values<const D: usize>(tensor: Tensor<D>, shape: &[usize]) -> Result<Values> {
    Ok(Values::new(shape.to_vec(), host(tensor)?)?)
}

/// Copies a tensor to the host, row-major.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.inner().try_into_vec_as::<f32>().map_err(Error::device("reading a tensor"))
}

fn unexpected(found: String) -> Error {
    Error::Data {
        operation: "building a network",
        found,
        expected: "a checked model".to_owned(),
        remedy: "report this as a bug, with the configuration",
    }
}

#[cfg(test)]
mod tests;
