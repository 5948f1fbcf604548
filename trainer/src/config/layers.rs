//! The layers that a configuration may list, what they are called, and what their numbers must be.

use serde::{Deserialize, Serialize};

use super::problems::Problems;

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
    /// Gives `[rows, columns]`.
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
    /// A fixed number.
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

/// One layer. Written `"activation"`, `"flatten"` or `{"conv2d": {"out": 5, "kernel": 5}}`. Layers
/// without a name are called after their kind and counted: `conv1`, `activation1`, `flatten1`,
/// `linear1`, `norm1`, `pool1`, `add1`.
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

impl LayerConfig {
    /// What layers of this kind are called, and the name that was written, if any.
    fn kind_and_name(&self) -> (&'static str, Option<&String>) {
        match self {
            Self::Conv2d(c) => ("conv", c.name.as_ref()),
            Self::Linear(l) => ("linear", l.name.as_ref()),
            Self::BatchNorm(b) => ("norm", b.name.as_ref()),
            Self::AvgPool(a) => ("pool", a.name.as_ref()),
            Self::Flatten => ("flatten", None),
            Self::Activation => ("activation", None),
            Self::Add(a) => ("add", a.name.as_ref()),
        }
    }

    /// Reports what is wrong with the numbers of layer `i` of a network whose layers are called
    /// `names`.
    pub(super) fn check(&self, i: usize, names: &[String], p: &mut Problems) {
        let at = |rest: &str| format!("network[{i}].{rest}");
        match self {
            Self::Conv2d(c) => {
                p.require(c.out > 0, at("conv2d.out"), "0 channels; expected at least 1");
                p.require(c.groups > 0, at("conv2d.groups"), "0; expected at least 1");
                if c.groups > 0 {
                    p.require(
                        c.out % c.groups == 0,
                        at("conv2d.groups"),
                        format!("{}; expected a divisor of the {} channels", c.groups, c.out),
                    );
                }
                for (what, pair) in [("kernel", c.kernel), ("stride", c.stride), ("dilation", c.dilation)] {
                    p.require(!pair.get().contains(&0), at(&format!("conv2d.{what}")), "0; expected at least 1");
                }
                for (k, pad) in c.kernel.get().into_iter().zip(c.padding.get()) {
                    p.require(
                        pad < k.max(1),
                        at("conv2d.padding"),
                        format!("{pad}; expected less than the kernel, {k}: windows wholly in the padding see nothing"),
                    );
                }
            }
            Self::Linear(l) => {
                p.require(l.out != Outputs::Number(0), at("linear.out"), "0 outputs; expected at least 1");
            }
            Self::BatchNorm(b) => {
                p.within(f64::from(b.epsilon), 1e-9, 1.0, at("batch_norm.epsilon"));
            }
            Self::AvgPool(a) => {
                let zero = a.kernel.get().contains(&0) || a.stride.is_some_and(|s| s.get().contains(&0));
                p.require(!zero, at("avg_pool"), "a kernel or stride of 0; expected at least 1");
            }
            Self::Add(a) => {
                let earlier = names.iter().take(i).any(|n| *n == a.with);
                let known = names.iter().take(i).cloned().collect::<Vec<_>>().join(", ");
                p.require(earlier, at("add.with"), format!("`{}`; expected an earlier layer: {known}", a.with));
            }
            Self::Flatten | Self::Activation => {}
        }
    }
}

/// The name of each layer of `network`: as written, or its kind and a number.
pub(super) fn layer_names(network: &[LayerConfig]) -> Vec<String> {
    let mut counts = std::collections::HashMap::new();
    let name = |layer: &LayerConfig| {
        let (kind, written) = layer.kind_and_name();
        let n = counts.entry(kind).or_insert(0_usize);
        *n += 1;
        written.cloned().unwrap_or_else(|| format!("{kind}{n}"))
    };
    network.iter().map(name).collect()
}

/// The network of CryptoNets (Gilad-Bachrach et al., ICML 2016) up to its last layer, which gets as
/// many outputs as the data has classes.
pub(super) fn cryptonets() -> Vec<LayerConfig> {
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
