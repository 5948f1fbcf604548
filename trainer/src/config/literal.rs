//! The configuration as anybody may write it (JSON), every field with a default. Must never be trusted: [`super::check`]
//! turns it into a [`crate::TrainConfig`].

use std::path::PathBuf;

use beaa_datasets::SourceSpec;
use serde::{Deserialize, Serialize};

use super::{PruneConfig, QuantiseConfig};

/// One experiment, not yet checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainLiteral {
    /// For people: what this experiment is; one string or a list of lines. Also accepted as `_comment`.
    #[serde(alias = "_comment")]
    pub description: Text,
    /// A short name; the models are called `<name>-teacher` and `<name>-student`.
    pub name: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceKind,
    /// Which images.
    pub data: DataConfig,
    /// The layers, in order, with `activation` wherever the teacher has a ReLU.
    pub network: Vec<LayerConfig>,
    /// Random changes of the training images.
    pub augmentation: Augmentation,
    /// Training of the ReLU network.
    pub teacher: TeacherConfig,
    /// Training of the network without ReLU.
    pub student: StudentConfig,
}

impl Default for TrainLiteral {
    fn default() -> Self {
        Self {
            description: Text::default(),
            name: "beaa".to_owned(),
            seed: 1,
            device: DeviceKind::default(),
            data: DataConfig::default(),
            network: cryptonets(),
            augmentation: Augmentation::default(),
            teacher: TeacherConfig::default(),
            student: StudentConfig::default(),
        }
    }
}

/// The network of CryptoNets (Gilad-Bachrach et al., ICML 2016) up to its last layer, which gets as many outputs as the
/// data has classes.
fn cryptonets() -> Vec<LayerConfig> {
    let pair = |n| Pair::One(n);
    vec![
        LayerConfig::Conv2d(Conv2dConfig {
            name: None,
            out: 5,
            kernel: pair(5),
            stride: pair(2),
            padding: pair(1),
            dilation: pair(1),
            groups: 1,
            bias: true,
        }),
        LayerConfig::Activation,
        LayerConfig::Flatten,
        LayerConfig::Linear(LinearConfig { name: None, out: Outputs::Number(100), bias: true }),
        LayerConfig::Activation,
        LayerConfig::Linear(LinearConfig { name: None, out: Outputs::Classes, bias: true }),
    ]
}

/// A string, or a list of lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings")]
pub enum Text {
    /// All of it.
    One(String),
    /// Line by line.
    Lines(Vec<String>),
}

impl Default for Text {
    fn default() -> Self {
        Self::One(String::new())
    }
}

/// Burn's device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// `burn-flex`: fast on CPUs, the default.
    #[default]
    Flex,
    /// `burn-ndarray`: deprecated by Burn, and slower where the trainer has no operation of its own.
    Ndarray,
    /// `burn-wgpu`: any GPU with Vulkan, Metal or DirectX; only with the cargo feature `wgpu`.
    Wgpu,
    /// `burn-cuda`: NVIDIA's GPUs; only with the cargo feature `cuda`.
    Cuda,
}

/// Which images, and how many.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Where they are; a plain string names a known set.
    pub source: SourceSpec,
    /// At most so many training images, chosen by the seed; all if absent.
    pub train: Option<usize>,
    /// At most so many validation images.
    pub validation: Option<usize>,
    /// At most so many test images.
    pub test: Option<usize>,
    /// Round pixels to so many bits, as the tfhe backend will; all eight if absent.
    pub pixel_bits: Option<u32>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { source: default_source(), train: None, validation: None, test: None, pixel_bits: None }
    }
}

/// One number for both directions, or `[rows, columns]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a whole number or [rows, columns]")]
pub enum Pair {
    /// Rows and columns alike.
    One(usize),
    /// `[rows, columns]`.
    Two([usize; 2]),
}

impl Pair {
    /// `[rows, columns]`.
    pub fn get(self) -> [usize; 2] {
        match self {
            Self::One(n) => [n, n],
            Self::Two(p) => p,
        }
    }
}

/// A number of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a whole number or \"classes\"")]
pub enum Outputs {
    /// So many.
    Number(usize),
    /// Written `"classes"`: as many as the data set has classes.
    #[serde(with = "classes")]
    Classes,
}

mod classes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("classes")
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "classes" => Ok(()),
            other => Err(D::Error::custom(format!("\"{other}\" instead of \"classes\""))),
        }
    }
}

/// One layer. Written `"activation"`, `"flatten"` or `{"conv2d": {"out": 5, "kernel": 5}}`. Layers without a name are
/// called after their kind and counted: `conv1`, `activation1`, `flatten1`, `linear1`, `norm1`, `pool1`, `add1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerConfig {
    /// Two-dimensional convolution.
    Conv2d(Conv2dConfig),
    /// Fully connected.
    Linear(LinearConfig),
    /// Batch normalisation; best before an activation, where the compiler folds it away.
    BatchNorm(BatchNormConfig),
    /// Average pooling.
    AvgPool(AvgPoolConfig),
    /// Feature map to vector.
    Flatten,
    /// ReLU in the teacher, a polynomial in the student.
    Activation,
    /// Residual connection.
    Add(AddConfig),
}

/// A convolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2dConfig {
    /// Name in the model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Channels of the output.
    pub out: usize,
    /// Extent of the window.
    pub kernel: Pair,
    /// Step of the window; default 1.
    #[serde(default = "one")]
    pub stride: Pair,
    /// Zeros on either side; default 0.
    #[serde(default = "zero")]
    pub padding: Pair,
    /// Spacing of the window's elements; default 1.
    #[serde(default = "one")]
    pub dilation: Pair,
    /// Groups of channels; default 1.
    #[serde(default = "one_group")]
    pub groups: usize,
    /// Whether to add a learnt constant; default yes.
    #[serde(default = "yes")]
    pub bias: bool,
}

/// A fully connected layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearConfig {
    /// Name in the model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Number of outputs, or `"classes"`.
    pub out: Outputs,
    /// Whether to add a learnt constant; default yes.
    #[serde(default = "yes")]
    pub bias: bool,
}

/// Batch normalisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchNormConfig {
    /// Name in the model file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Added to the variance; default 1e-5.
    pub epsilon: f32,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { name: None, epsilon: 1e-5 }
    }
}

/// Average pooling without padding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPoolConfig {
    /// Name in the model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Extent of the window.
    pub kernel: Pair,
    /// Step of the window; default: the kernel.
    #[serde(default)]
    pub stride: Option<Pair>,
}

/// Residual connection: the input plus the output of an earlier layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddConfig {
    /// Name in the model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of the earlier layer.
    pub with: String,
}

/// Random changes of the training images, drawn anew for every image of every epoch; all off by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Shift by up to so many pixels in each direction; what is uncovered repeats the border.
    pub shift: usize,
    /// Turn by up to so many degrees either way (bilinear, border repeated).
    pub rotate: f32,
    /// Enlarge or shrink by up to this fraction (bilinear, border repeated).
    pub scale: f32,
    /// Mirror left to right, half of the time.
    pub flip: bool,
    /// Change the contrast by up to this fraction, about the mean of the image.
    pub contrast: f32,
    /// Change the brightness by up to this fraction of the full range.
    pub brightness: f32,
}

/// How weights are updated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimiserConfig {
    /// Which rule.
    pub kind: OptimiserKind,
    /// Peak, after the warm-up; default 1e-3.
    pub learning_rate: f64,
    /// Epochs (or a fraction of one) over which the rate rises linearly from nothing; default 0.5.
    pub warm_up: f64,
    /// The rate at the end of the cosine, as a fraction of the peak; default 0.01.
    pub final_fraction: f64,
    /// Decay of convolution and linear weights, decoupled for `adamw`; default 1e-4.
    pub weight_decay: f32,
    /// Gradients are scaled down so that their global norm does not exceed this; `null` for never. Default 5.
    pub clip_norm: Option<f64>,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            kind: OptimiserKind::Adamw,
            learning_rate: 1e-3,
            warm_up: 0.5,
            final_fraction: 0.01,
            weight_decay: 1e-4,
            clip_norm: Some(5.0),
        }
    }
}

/// Update rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimiserKind {
    /// Adam with decoupled weight decay (Loshchilov & Hutter, 2019).
    Adamw,
    /// Stochastic gradient descent with momentum 0.9.
    Sgd,
    /// Orthogonalised momentum (Jordan et al., 2024) for convolution and linear weights, at steps as large as AdamW's (Liu et al.,
    /// 2025); AdamW for everything else.
    Muon,
}

/// Training of the teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TeacherConfig {
    /// Passes over the training images; default 10.
    pub epochs: usize,
    /// Images per step; default 128. The last, incomplete batch of an epoch is left out.
    pub batch: usize,
    /// How weights are updated.
    pub optimiser: OptimiserConfig,
    /// Share of the target spread evenly over all classes, 0..1; default 0.
    pub label_smoothing: f32,
    /// A trained model file to take instead of training one. The student has its layers then, not those of `network`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
}

impl Default for TeacherConfig {
    fn default() -> Self {
        Self { epochs: 10, batch: 128, optimiser: OptimiserConfig::default(), label_smoothing: 0.0, model: None }
    }
}

/// Training of the student.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StudentConfig {
    /// What replaces the ReLU; default `element`.
    pub activation: StudentActivation,
    /// First coefficients; default `"least_squares"`.
    pub init: CoefficientInit,
    /// Whether all activations change at once (default) or one after the other.
    pub replacement: Replacement,
    /// Passes over the training images; default 10.
    pub epochs: usize,
    /// Images per step; default 128.
    pub batch: usize,
    /// How weights are updated.
    pub optimiser: OptimiserConfig,
    /// Learning rate of the coefficients, as a multiple of the weights'; default 0.3.
    pub coefficient_factor: f64,
    /// λ in `(1 - λ) CE + λ T² KL(teacher/T || student/T)`; default 0.7, 0 turns distillation off.
    pub lambda: f32,
    /// T; default 4.
    pub temperature: f32,
    /// Weight of the normalised squared difference of the activations' outputs to the teacher's; default 0 (off).
    pub feature_matching: f32,
    /// Weight of the squared excursion of activations' inputs beyond the range seen while fitting, in units of the
    /// inputs' root mean square; default 0.01.
    pub range_penalty: f32,
    /// Polynomials keep `|b/2a|` below this many times the root mean square of their layer's inputs; 0 for no
    /// bound. Default 8. The compiler wants it bounded, so that an activation is a single square.
    pub vertex_bound: f32,
    /// Share of the target spread evenly over all classes, 0..1; default 0.
    pub label_smoothing: f32,
    /// A trained student's file to go on from, with its coefficients, instead of the teacher's weights and `init`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// Weights dropped on the way; none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune: Option<PruneConfig>,
    /// Weights rounded on the way to integers as the compiler will; not by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantise: Option<QuantiseConfig>,
}

impl Default for StudentConfig {
    fn default() -> Self {
        Self {
            activation: StudentActivation::Element,
            init: CoefficientInit::LeastSquares,
            replacement: Replacement::AtOnce,
            epochs: 10,
            batch: 128,
            optimiser: OptimiserConfig::default(),
            coefficient_factor: 0.3,
            lambda: 0.7,
            temperature: 4.0,
            feature_matching: 0.0,
            range_penalty: 0.01,
            vertex_bound: 8.0,
            label_smoothing: 0.0,
            start: None,
            prune: None,
            quantise: None,
        }
    }
}

/// What replaces the ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StudentActivation {
    /// Nothing: the student keeps the ReLU (a control experiment; cannot be compiled for CKKS).
    Relu,
    /// `x²`, as CryptoNets.
    Square,
    /// One least-squares quadratic per layer, not trained.
    Fixed,
    /// One trained quadratic per layer.
    Layer,
    /// One trained quadratic per channel (per feature after flatten).
    Channel,
    /// One trained quadratic per element of the feature map.
    Element,
}

impl StudentActivation {
    /// Whether its coefficients are trained.
    pub(crate) fn learns(self) -> bool {
        matches!(self, Self::Layer | Self::Channel | Self::Element)
    }
}

/// First coefficients of the quadratics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CoefficientInit {
    /// Least squares against ReLU over the teacher's own pre-activations.
    LeastSquares,
    /// The same for all.
    Constant {
        /// Of `x²`; not 0.
        a: f32,
        /// Of `x`.
        b: f32,
        /// Constant.
        c: f32,
    },
}

/// When activations are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// All from the first step.
    AtOnce,
    /// From the first to the last, evenly over the first half of the epochs.
    Progressive,
}

fn default_source() -> SourceSpec {
    SourceSpec::named("pneumoniamnist")
}

fn one() -> Pair {
    Pair::One(1)
}

fn zero() -> Pair {
    Pair::One(0)
}

fn one_group() -> usize {
    1
}

fn yes() -> bool {
    true
}
