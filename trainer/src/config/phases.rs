//! Configuration of the two phases: how the teacher and how the student is trained.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{PruneConfig, QuantiseConfig, Rounds};

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
    /// Gradients are scaled down so that their global norm does not exceed this; `null` for never.
    /// Default 5.
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
    /// Orthogonalised momentum (Jordan et al., 2024) for convolution and linear weights, at steps
    /// as large as AdamW's (Liu et al., 2025); AdamW for everything else.
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
    /// A trained model file to take instead of training one. The student has its layers then, not
    /// those of `network`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// More such files: the teacher is the mean of the logits of all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<PathBuf>,
}

impl Default for TeacherConfig {
    fn default() -> Self {
        let optimiser = OptimiserConfig::default();
        Self { epochs: 10, batch: 128, optimiser, label_smoothing: 0.0, model: None, also: Vec::new() }
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
    /// Weight of the normalised squared difference of the activations' outputs to the teacher's;
    /// default 0 (off).
    pub feature_matching: f32,
    /// Weight of the squared excursion of activations' inputs beyond their range, in units of the
    /// inputs' root mean square, mean over all inputs of a layer; default 0.01.
    pub range_penalty: f32,
    /// Weight of `sqrt(1 + d²) - 1`, `d` being an image's largest excursion in a layer in the same
    /// units, mean over the batch; default 0 (off). A chain of quadratics squares what escapes, so
    /// that one input in millions decides how many bits all take: a mean over all inputs does not
    /// feel it, and the gradient of its square overflows.
    pub peak_penalty: f32,
    /// The range of a layer's inputs ends here, in root mean squares of them, if what was seen
    /// while fitting did not end before; default 0: as seen.
    pub range_width: f32,
    /// In this many epochs, the last ones, batch normalisation takes its running statistics, as it
    /// does in the finished network; default 0. By the statistics of a batch, an input that escapes
    /// is divided by a deviation that it has itself widened: nothing holds it back, and nobody sees
    /// it before training is over.
    pub fixed_norms: usize,
    /// After this many epochs the batches are those of the first epoch again, in the same order,
    /// with the same changes; default 0: never. The teacher's logits are then known, unless
    /// features are matched.
    pub repeat_after: usize,
    /// Polynomials keep `|b/2a|` below this many times the root mean square of their layer's
    /// inputs; 0 for no bound. Default 8. The compiler wants it bounded, so that an activation is a
    /// single square.
    pub vertex_bound: f32,
    /// Share of the target spread evenly over all classes, 0..1; default 0.
    pub label_smoothing: f32,
    /// A trained network's file to go on from instead of the teacher's weights: a student with its
    /// coefficients, or one with ReLU, all of whose activations are replaced as a teacher's are.
    /// The teacher may then be any network for the same images and classes, unless features are
    /// matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// Weights dropped on the way; none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune: Option<PruneConfig>,
    /// Weights rounded on the way to integers as the compiler will; not by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantise: Option<QuantiseConfig>,
}

impl StudentConfig {
    /// Whether the student's activations are compared with the teacher's, so that both must have
    /// the same: otherwise the teacher of a student to go on from may be any network.
    pub(crate) fn compares_activations(&self) -> bool {
        self.feature_matching > 0.0
    }

    /// Which batches come again.
    pub(crate) fn rounds(&self) -> Rounds {
        Rounds { length: self.repeat_after, epochs: self.epochs }
    }

    /// Whether the teacher's logits of batches that come again are kept.
    pub(crate) fn keeps_logits(&self) -> bool {
        self.lambda > 0.0 && !self.compares_activations()
    }

    /// Whether the loss depends on where activations' inputs lie.
    pub(crate) fn minds_ranges(&self) -> bool {
        self.range_penalty > 0.0 || self.peak_penalty > 0.0
    }
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
            peak_penalty: 0.0,
            range_width: 0.0,
            fixed_norms: 0,
            repeat_after: 0,
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

/// Writes the name in configurations.
impl std::fmt::Display for StudentActivation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
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
        /// Coefficient of `x²`; not 0.
        a: f32,
        /// Coefficient of `x`.
        b: f32,
        /// The constant.
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
