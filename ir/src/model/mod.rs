//! The language between trainer and compiler: a network as a list of named layers. [`ModelLiteral`]
//! is what anybody writes, [`Model`] is what has been checked.

mod evaluate;
mod file;
mod input;
mod provenance;
mod shapes;

pub use evaluate::{Trace, evaluate, evaluate_traced};
pub use file::{is_model, load_model, model_from_bytes, model_to_bytes, save_model};
pub use input::{InputSpec, InputValues, OutOfRange, RealChannels};
pub use provenance::{Provenance, TrainingData, WeightGrid};
pub(crate) use shapes::MAX_ELEMENTS;
pub use shapes::{output_shape, window_positions};

use serde::{Deserialize, Serialize};

use crate::{Classes, Error, Result, Shape, Tensor};

/// A network as anybody may write it, not yet checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelLiteral {
    /// A short name, for people.
    pub name: String,
    /// What an image looks like and how its pixels are normalised.
    pub input: InputSpec,
    /// One name per output, in order, or two for a single output. May be empty: classes are then
    /// numbered.
    pub classes: Vec<String>,
    /// With a single output, the score above which an image is of the second class; 0 without it.
    pub threshold: Option<f64>,
    /// The layers, in order of evaluation.
    pub layers: Vec<Layer>,
    /// The accuracy measured when the model was written.
    pub accuracy: Option<Accuracy>,
    /// How the model came to be.
    pub provenance: Provenance,
}

/// A network whose names are unique, whose shapes fit, and whose shapes are known. Immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    literal: ModelLiteral,
    shapes: Vec<Shape>,
    classes: Classes,
}

impl TryFrom<ModelLiteral> for Model {
    type Error = Error;

    fn try_from(mut literal: ModelLiteral) -> Result<Self> {
        let shapes = shapes::infer(&literal)?;
        literal.provenance.check(&literal.layers)?;
        let outputs = shapes.last().map_or(literal.input.shape().len(), |s| s.len());
        let classes = Classes::new(literal.classes.clone(), outputs, literal.threshold)?;
        literal.threshold = classes.threshold();
        Ok(Self { literal, shapes, classes })
    }
}

impl Model {
    /// A short name.
    pub fn name(&self) -> &str {
        &self.literal.name
    }

    /// What an image looks like.
    pub fn input(&self) -> &InputSpec {
        &self.literal.input
    }

    /// What the outputs say: the classes, and how logits become one.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.literal.layers
    }

    /// The output shape of each layer, in the order of [`Self::layers`].
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// Number of outputs for one image.
    pub fn outputs(&self) -> usize {
        self.classes.outputs()
    }

    /// The accuracy measured when the model was written.
    pub fn accuracy(&self) -> Option<Accuracy> {
        self.literal.accuracy
    }

    /// How the model came to be, as far as its maker said.
    pub fn provenance(&self) -> &Provenance {
        &self.literal.provenance
    }

    /// The unchecked form, to change something and check again.
    pub fn into_literal(self) -> ModelLiteral {
        self.literal
    }
}

/// Fractions of images classified right, 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// On the validation images, if there were any.
    pub validation: Option<f64>,
    /// On the test images.
    pub test: Option<f64>,
}

/// One named layer. Its input is the layer before it, or the image.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Unique in the model; tensors in the file are named `<layer>.<tensor>`.
    pub name: String,
    /// What it computes.
    pub op: LayerOp,
}

/// What a layer computes.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerOp {
    /// Cross-correlation with zero padding, as every framework's `Conv2d`.
    Conv2d(Conv2d),
    /// `y = W x + b`. On a feature map, the map is read in index order.
    Linear(Linear),
    /// Inference form: `y = gamma (x - mean) / sqrt(var + eps) + beta`, per channel (per feature on
    /// a vector).
    BatchNorm {
        /// `[C]`.
        gamma: Tensor,
        /// `[C]`.
        beta: Tensor,
        /// `[C]`.
        mean: Tensor,
        /// `[C]`, not negative.
        var: Tensor,
        /// Added to `var`.
        eps: f32,
    },
    /// Average pooling without padding.
    AvgPool(Pool2d),
    /// Feature map to vector, index order kept.
    Flatten,
    /// Residual: this layer's input plus the output of the named earlier layer, of the same shape.
    Add {
        /// Name of the other layer.
        with: String,
    },
    /// Goes on from the output of the named earlier layer, or from the image (`input`), instead of
    /// from the layer before: the start of a second branch, which an `Add` later joins.
    Branch {
        /// Name of that layer, or `input`.
        from: String,
    },
    /// A function of each element.
    Activation {
        /// Which function.
        function: Activation,
        /// The inputs seen in training.
        range: Option<Range>,
    },
}

/// The smallest and the largest value that an activation's input took in training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Smallest.
    pub min: f32,
    /// Largest.
    pub max: f32,
}

/// A function of each element.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`: teachers only, cannot be compiled for CKKS.
    Relu,
    /// `x^2`.
    Square,
    /// `a x^2 + b x + c`.
    Polynomial(Polynomial),
}

/// Coefficients of a quadratic; each is `[]`, `[C,1,1]` or the whole feature map's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Polynomial {
    /// Of `x^2`.
    pub a: Tensor,
    /// Of `x`.
    pub b: Tensor,
    /// Constant.
    pub c: Tensor,
}

/// A two-dimensional convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv2d {
    /// `[out, in / groups, kernel height, kernel width]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Option<Tensor>,
    /// `[rows, columns]`.
    pub stride: [usize; 2],
    /// `[rows, columns]` of zeros on either side.
    pub padding: [usize; 2],
    /// `[rows, columns]`.
    pub dilation: [usize; 2],
    /// Number of groups of channels.
    pub groups: usize,
}

/// A fully connected layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Option<Tensor>,
}

/// A pooling window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pool2d {
    /// `[rows, columns]`.
    pub kernel: [usize; 2],
    /// `[rows, columns]`.
    pub stride: [usize; 2],
}

impl LayerOp {
    /// Returns the layer's tensors, each with its name in the file format.
    pub fn tensors(&self) -> Vec<(&'static str, &Tensor)> {
        let mut tensors = Vec::new();
        match self {
            Self::Conv2d(Conv2d { weight, bias, .. }) | Self::Linear(Linear { weight, bias }) => {
                tensors.push(("weight", weight));
                tensors.extend(bias.iter().map(|bias| ("bias", bias)));
            }
            Self::BatchNorm { gamma, beta, mean, var, .. } => {
                tensors.extend([("gamma", gamma), ("beta", beta), ("mean", mean), ("var", var)]);
            }
            Self::Activation { function: Activation::Polynomial(p), .. } => {
                tensors.extend([("a", &p.a), ("b", &p.b), ("c", &p.c)]);
            }
            Self::AvgPool(_) | Self::Flatten | Self::Add { .. } | Self::Branch { .. } | Self::Activation { .. } => {}
        }
        tensors
    }

    /// The name of this kind in the file format.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conv2d(_) => "conv2d",
            Self::Linear(_) => "linear",
            Self::BatchNorm { .. } => "batch_norm",
            Self::AvgPool(_) => "avg_pool",
            Self::Flatten => "flatten",
            Self::Add { .. } => "add",
            Self::Branch { .. } => "branch",
            Self::Activation { .. } => "activation",
        }
    }
}
