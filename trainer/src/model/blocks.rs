//! One layer as Burn modules: built from the model language, run on a batch, and read back into the
//! model language. Nothing is held that this language cannot say, so that a network is saved,
//! resumed and exported in one way.

use beaa_ir::{Activation, LayerOp, Model, Shape, Tensor as Values};
use burn::module::{Module, Param, ParamId, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, PaddingConfig2d, Relu};
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::Precision;
use crate::error::{Error, Result};
use crate::model::polynomial::TrainablePolynomial;
use crate::ops::{average_pool, batch_norm, convolution, relu};

/// Share of the newest batch in batch normalisation's running statistics.
const NORM_MOMENTUM: f64 = 0.1;

/// A layer of a network.
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

/// A layer without parameters.
#[derive(Module, Debug, Default)]
pub(crate) struct Stateless;

/// Adds the output of another block, or goes on from it.
#[derive(Module, Debug)]
pub(crate) struct Residual {
    /// The block's index, or [`IMAGE`].
    from: usize,
}

/// What a [`Residual`] calls the image, which no block makes.
pub(crate) const IMAGE: usize = usize::MAX;

/// A batch between two layers.
#[derive(Debug, Clone)]
pub(crate) enum Features {
    /// `[images, channels, rows, columns]`.
    Map(Tensor<4>),
    /// `[images, features]`.
    Flat(Tensor<2>),
}

/// How a block runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// An activation acts as ReLU, whatever it is.
    pub(crate) as_relu: bool,
    /// Normalisation does the work of the ReLU behind it, too.
    pub(crate) then_relu: bool,
    /// What convolutions multiply.
    pub(crate) precision: Precision,
}

/// What a block is built for.
pub(crate) struct LayerContext<'a> {
    pub(crate) model: &'a Model,
    /// Of the layer in the model.
    pub(crate) index: usize,
    /// Of one image before the layer.
    pub(crate) input: Shape,
    pub(crate) device: &'a Device,
    /// Whether coefficients of polynomials learn.
    pub(crate) train_polynomials: bool,
}

impl LayerContext<'_> {
    /// The identity of the layer's `k`-th parameter: fixed, because a resumed run finds its
    /// optimiser's state by it.
    fn id(&self, k: u64) -> ParamId {
        ParamId::from((self.index as u64 + 1) * 16 + k)
    }

    /// The index of the earlier layer called `name`, or [`IMAGE`].
    fn earlier(&self, name: &str) -> Result<usize> {
        if name == "input" {
            return Ok(IMAGE);
        }
        let found = self.model.layers().iter().take(self.index).position(|l| l.name == name);
        found.ok_or_else(|| unexpected(format!("`{name}`, which is no earlier layer")))
    }

    fn parameter<const D: usize>(&self, k: u64, values: &Values, shape: [usize; D]) -> Param<Tensor<D>> {
        learning(self.id(k), tensor(values.data().to_vec(), shape, self.device))
    }
}

impl Block {
    /// The modules for the layer `op`.
    ///
    /// # Errors
    /// [`Error::Data`] for a layer that no checked model has.
    pub(crate) fn new(op: &LayerOp, context: &LayerContext<'_>) -> Result<Self> {
        let device = context.device;
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
                conv.weight = context.parameter(0, &c.weight, [out, per_group, kh, kw]);
                conv.bias = c.bias.as_ref().map(|b| context.parameter(1, b, [out]));
                Self::Conv(conv)
            }
            LayerOp::Linear(l) => {
                let &[out, inputs] = l.weight.shape() else {
                    return Err(unexpected(format!("a linear weight of shape {:?}", l.weight.shape())));
                };
                let weight = tensor(transposed(l.weight.data(), out, inputs), [inputs, out], device);
                Self::Linear(Linear {
                    weight: learning(context.id(0), weight),
                    bias: l.bias.as_ref().map(|b| context.parameter(1, b, [out])),
                })
            }
            LayerOp::BatchNorm { gamma, beta, mean, var, eps } => {
                let n = gamma.data().len();
                let mut norm = BatchNormConfig::new(n)
                    .with_epsilon(f64::from(*eps).max(f64::MIN_POSITIVE))
                    .with_momentum(NORM_MOMENTUM)
                    .init(device);
                let state = |k, values: &Values| {
                    RunningState::with_id(context.id(k), tensor(values.data().to_vec(), [n], device))
                };
                norm.gamma = context.parameter(0, gamma, [n]);
                norm.beta = context.parameter(1, beta, [n]);
                norm.running_mean = state(2, mean);
                norm.running_var = state(3, var);
                Self::Norm(norm)
            }
            LayerOp::AvgPool(p) => Self::Pool(AvgPool2dConfig::new(p.kernel).with_strides(p.stride).init()),
            LayerOp::Flatten => Self::Flatten(Stateless),
            LayerOp::Add { with } => Self::Add(Residual { from: context.earlier(with)? }),
            LayerOp::Branch { from } => Self::Branch(Residual { from: context.earlier(from)? }),
            LayerOp::Activation { function: Activation::Relu, .. } => Self::Relu(Relu::new()),
            LayerOp::Activation { function: Activation::Square, .. } => Self::Square(Stateless),
            LayerOp::Activation { function: Activation::Polynomial(p), .. } => {
                let count = coefficients(p).data().len();
                let [a, b, c] = [&p.a, &p.b, &p.c].map(|t| spread(t, context.input, count));
                let ids = [context.id(0), context.id(1), context.id(2)];
                Self::Polynomial(TrainablePolynomial::new([&a, &b, &c], ids, device, context.train_polynomials))
            }
        })
    }

    /// Runs a batch; `other` is the output of the block [`Self::source`].
    pub(crate) fn forward(&self, x: Features, other: Option<&Features>, manner: Manner) -> Features {
        let Manner { as_relu, then_relu, precision } = manner;
        match (self, x) {
            (Self::Conv(c), Features::Map(x)) => Features::Map(convolution(c, x, precision)),
            (Self::Pool(p), Features::Map(x)) => Features::Map(average_pool(p, x)),
            (Self::Conv(_) | Self::Pool(_), Features::Flat(x)) => {
                unreachable!("a vector of {:?} before {self:?}, in a model whose shapes are checked", x.dims())
            }
            (Self::Linear(l), x) => Features::Flat(l.forward(x.flat())),
            (Self::Norm(n), Features::Map(x)) => Features::Map(batch_norm(n, x, then_relu)),
            (Self::Norm(n), Features::Flat(x)) => Features::Flat(batch_norm(n, x, then_relu)),
            (Self::Flatten(_), x) => Features::Flat(x.flat()),
            (Self::Add(r), x) => x.plus(other_output(r, other)),
            (Self::Branch(r), _) => other_output(r, other),
            (Self::Relu(_), x) => x.relu(),
            (Self::Square(_) | Self::Polynomial(_), x) if as_relu => x.relu(),
            (Self::Square(_), Features::Map(x)) => Features::Map(x.square()),
            (Self::Square(_), Features::Flat(x)) => Features::Flat(x.square()),
            (Self::Polynomial(p), Features::Map(x)) => Features::Map(p.forward_map(x)),
            (Self::Polynomial(p), Features::Flat(x)) => Features::Flat(p.forward_flat(x)),
        }
    }

    /// Writes the block's numbers into the layer that it was built for.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be read.
    pub(crate) fn export(&self, op: &mut LayerOp) -> Result<()> {
        match (op, self) {
            (LayerOp::Conv2d(c), Self::Conv(b)) => {
                c.weight = read(&b.weight, c.weight.shape())?;
                c.bias = b.bias.as_ref().map(|p| read(p, &p.dims())).transpose()?;
            }
            (LayerOp::Linear(l), Self::Linear(b)) => {
                // Burn keeps [in, out].
                let weight = b.weight.val().inner().transpose();
                l.weight = values(weight, l.weight.shape())?;
                l.bias = b.bias.as_ref().map(|p| read(p, &p.dims())).transpose()?;
            }
            (LayerOp::BatchNorm { gamma, beta, mean, var, .. }, Self::Norm(b)) => {
                *gamma = read(&b.gamma, gamma.shape())?;
                *beta = read(&b.beta, beta.shape())?;
                *mean = values(b.running_mean.value_sync(), mean.shape())?;
                *var = values(b.running_var.value_sync(), var.shape())?;
            }
            (LayerOp::Activation { function: Activation::Polynomial(p), .. }, Self::Polynomial(b)) => {
                let shape = coefficients(p).shape().to_vec();
                p.a = read(&b.a, &shape)?;
                p.b = read(&b.b, &shape)?;
                p.c = read(&b.c, &shape)?;
            }
            (LayerOp::AvgPool(_), Self::Pool(_))
            | (LayerOp::Flatten, Self::Flatten(_))
            | (LayerOp::Add { .. }, Self::Add(_))
            | (LayerOp::Branch { .. }, Self::Branch(_))
            | (LayerOp::Activation { .. }, Self::Relu(_) | Self::Square(_)) => {}
            (op, block) => unreachable!("{block:?} for the layer {}", op.kind()),
        }
        Ok(())
    }

    pub(crate) fn is_activation(&self) -> bool {
        matches!(self, Self::Relu(_) | Self::Square(_) | Self::Polynomial(_))
    }

    /// Whether the block computes a ReLU, as an activation does where `as_relu` is set.
    pub(crate) fn is_relu(&self, as_relu: bool) -> bool {
        matches!(self, Self::Relu(_)) || as_relu && self.is_activation()
    }

    /// Whether the block is a convolution or fully connected.
    pub(crate) fn has_weights(&self) -> bool {
        matches!(self, Self::Conv(_) | Self::Linear(_))
    }

    /// The block, or [`IMAGE`], whose output this block reads beside the output before it.
    pub(crate) fn source(&self) -> Option<usize> {
        if let Self::Add(r) | Self::Branch(r) = self { Some(r.from) } else { None }
    }
}

fn other_output(residual: &Residual, other: Option<&Features>) -> Features {
    match other {
        Some(other) => other.clone(),
        None => unreachable!("no output of block {}", residual.from),
    }
}

impl Features {
    /// `[images, features]`.
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

/// The coefficients with the finest granularity; all three get it.
fn coefficients(polynomial: &beaa_ir::Polynomial) -> &Values {
    let beaa_ir::Polynomial { a, b, c } = polynomial;
    let finer = |x, y| if Values::data(y).len() >= Values::data(x).len() { y } else { x };
    [b, c].into_iter().fold(a, finer)
}

/// `count` coefficients for feature maps of shape `input`, of which there may be fewer.
fn spread(coefficient: &Values, input: Shape, count: usize) -> Vec<f32> {
    let stride = input.len() / count;
    (0..count).map(|k| coefficient.broadcast(input, k * stride)).collect()
}

/// `data`, `[rows, columns]`, as `[columns, rows]`.
fn transposed(data: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    assert_eq!(data.len(), rows * columns, "elements of a matrix");
    (0..columns).flat_map(|c| (0..rows).map(move |r| data[r * columns + c])).collect()
}

fn learning<const D: usize>(id: ParamId, tensor: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(id, tensor).set_require_grad(true)
}

fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data, shape), device)
}

fn read<const D: usize>(param: &Param<Tensor<D>>, shape: &[usize]) -> Result<Values> {
    values(param.val(), shape)
}

fn values<const D: usize>(tensor: Tensor<D>, shape: &[usize]) -> Result<Values> {
    Ok(Values::new(shape.to_vec(), host(tensor)?)?)
}

/// Copies a tensor to the host, row-major.
///
/// # Errors
/// [`Error::Device`] if the device fails.
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
