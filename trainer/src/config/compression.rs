//! Configuration of what makes a student cheaper for the compiler: pruned weights, and weights on
//! the integers' grid. `compress` does what is configured here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Gradual pruning (Zhu & Gupta, 2017) while the student learns: what is dropped grows from nothing
/// at `from` to all that is asked for at `to`, as `1 - (1 - t)³`. A weight once dropped is exactly
/// zero from then on, and the compiler leaves it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PruneConfig {
    /// Share of the weights that are zero at the end, 0..1, those of dropped inputs counted;
    /// default 0.
    pub sparsity: f64,
    /// Begin, as a share of the student's steps; default 0.1.
    pub from: f64,
    /// End, as a share of the student's steps; what follows trains the weights that are left.
    /// Default 0.7.
    pub to: f64,
    /// Whether each layer has that share of zeros, or all together, with one threshold; default
    /// `layer`.
    pub per: PruneScope,
    /// Weights of so many neighbouring outputs are dropped together, so that the matrix kernel
    /// finds rows that read the same inputs; default 1, each weight by itself.
    pub block: usize,
    /// By what weights are compared; default `contribution`.
    pub score: PruneScore,
    /// Layers to prune, by name, and how each differs. When empty: every convolution and fully
    /// connected layer except the first and the last.
    pub layers: BTreeMap<String, LayerPruning>,
}

impl Default for PruneConfig {
    fn default() -> Self {
        Self {
            sparsity: 0.0,
            from: 0.1,
            to: 0.7,
            per: PruneScope::Layer,
            block: 1,
            score: PruneScore::Contribution,
            layers: BTreeMap::new(),
        }
    }
}

/// How one layer is pruned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LayerPruning {
    /// Share of zero weights instead of the common one.
    pub sparsity: Option<f64>,
    /// Share of the inputs that are dropped whole: elements of the feature map before, hidden
    /// units, or channels of a convolution. Whatever made them is then not computed either. Default
    /// 0.
    pub inputs: f64,
}

/// Over what a share is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PruneScope {
    /// Each layer.
    Layer,
    /// All pruned layers together.
    Global,
}

/// By what weights are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PruneScore {
    /// `|w|`.
    Magnitude,
    /// `|w|` times the standard deviation of what it multiplies, on training images (after Sun et
    /// al., 2023, who take the norm; the mean goes into the bias here).
    Contribution,
}

/// Quantisation-aware training: linear layers compute with weights rounded to the compiler's
/// integers, gradients pass straight through (Bengio et al., 2013; Jacob et al., 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuantiseConfig {
    /// Bits of a signed integer weight, 2 to 16; default 6.
    pub bits: u32,
    /// Begin, as a share of the student's steps; default 0.5.
    pub from: f64,
}

impl Default for QuantiseConfig {
    fn default() -> Self {
        Self { bits: 6, from: 0.5 }
    }
}
