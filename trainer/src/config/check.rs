//! From the configuration as written to one that can be trusted. Must report everything wrong at once, each with the path
//! of its field.

use beaa_ir::text::valid_name;
use serde::Serialize;

use super::{
    Augmentation, CoefficientInit, LayerConfig, OptimiserConfig, Outputs, PruneConfig, Replacement, StudentActivation,
    TrainLiteral,
};
use crate::error::{Error, Problem, Result};

/// A configuration whose numbers are in range and whose layers have unique names. Immutable. Whether the layers fit the
/// images is only known with the data and is checked when training starts.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct TrainConfig {
    literal: TrainLiteral,
    #[serde(skip)]
    names: Vec<String>,
}

impl TrainConfig {
    /// Reads and checks a JSON configuration.
    ///
    /// # Errors
    /// [`Error::Syntax`] for what is not a configuration, [`Error::Config`] with everything wrong in one that is.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str::<TrainLiteral>(text)?.try_into()
    }

    /// Everything that was written, defaults filled in.
    pub fn literal(&self) -> &TrainLiteral {
        &self.literal
    }

    /// The unchecked form, to change something and check again.
    pub fn into_literal(self) -> TrainLiteral {
        self.literal
    }

    /// The name of each layer of [`TrainLiteral::network`].
    pub fn layer_names(&self) -> &[String] {
        &self.names
    }
}

impl TryFrom<TrainLiteral> for TrainConfig {
    type Error = Error;

    fn try_from(literal: TrainLiteral) -> Result<Self> {
        let mut p = Problems::default();
        let names = names(&literal.network);
        if !valid_name(&literal.name) {
            p.add("name", format!("\"{}\"; expected letters, digits, `.`, `_` or `-`", literal.name));
        }
        for (field, limit) in [
            ("data.train", literal.data.train),
            ("data.validation", literal.data.validation),
            ("data.test", literal.data.test),
        ] {
            p.require(limit != Some(0), field, "0 images; expected at least 1, or leave it out for all");
        }
        check_network(&literal.network, &names, &mut p);
        if let Some(bits) = literal.data.pixel_bits {
            p.require((1..=8).contains(&bits), "data.pixel_bits", format!("{bits}; expected 1 to 8"));
        }
        check_augmentation(&literal.augmentation, &mut p);
        check_teacher(&literal, &mut p);
        check_student(&literal, &mut p);
        if p.0.is_empty() { Ok(Self { literal, names }) } else { Err(Error::Config { problems: p.0 }) }
    }
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { field: field.into(), message: message.into() });
    }

    fn require(&mut self, holds: bool, field: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.add(field, message);
        }
    }

    fn within(&mut self, value: f64, low: f64, high: f64, field: impl Into<String>) {
        if !(low..=high).contains(&value) {
            self.add(field, format!("{value}; expected a number from {low} to {high}"));
        }
    }
}

fn names(network: &[LayerConfig]) -> Vec<String> {
    let mut counts = std::collections::HashMap::new();
    let mut name = |explicit: Option<&String>, kind: &'static str| {
        let n = counts.entry(kind).or_insert(0_usize);
        *n += 1;
        explicit.cloned().unwrap_or_else(|| format!("{kind}{n}"))
    };
    network
        .iter()
        .map(|layer| match layer {
            LayerConfig::Conv2d(c) => name(c.name.as_ref(), "conv"),
            LayerConfig::Linear(l) => name(l.name.as_ref(), "linear"),
            LayerConfig::BatchNorm(b) => name(b.name.as_ref(), "norm"),
            LayerConfig::AvgPool(a) => name(a.name.as_ref(), "pool"),
            LayerConfig::Flatten => name(None, "flatten"),
            LayerConfig::Activation => name(None, "activation"),
            LayerConfig::Add(a) => name(a.name.as_ref(), "add"),
        })
        .collect()
}

fn check_network(network: &[LayerConfig], names: &[String], p: &mut Problems) {
    p.require(!network.is_empty(), "network", "no layers; expected at least one");
    for (i, layer) in network.iter().enumerate() {
        let at = |rest: &str| format!("network[{i}].{rest}");
        match layer {
            LayerConfig::Conv2d(c) => {
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
            LayerConfig::Linear(l) => {
                p.require(l.out != Outputs::Number(0), at("linear.out"), "0 outputs; expected at least 1");
            }
            LayerConfig::BatchNorm(b) => {
                p.within(f64::from(b.epsilon), 1e-9, 1.0, at("batch_norm.epsilon"));
            }
            LayerConfig::AvgPool(a) => {
                let zero = a.kernel.get().contains(&0) || a.stride.is_some_and(|s| s.get().contains(&0));
                p.require(!zero, at("avg_pool"), "a kernel or stride of 0; expected at least 1");
            }
            LayerConfig::Add(a) => {
                let earlier = names.iter().take(i).any(|n| *n == a.with);
                let known = names.iter().take(i).cloned().collect::<Vec<_>>().join(", ");
                p.require(earlier, at("add.with"), format!("`{}`; expected an earlier layer: {known}", a.with));
            }
            LayerConfig::Flatten | LayerConfig::Activation => {}
        }
        if let Some(name) = names.get(i) {
            let legal = name != "input" && valid_name(name);
            p.require(legal, at("name"), format!("\"{name}\"; expected letters, digits, `.`, `_` or `-`, not `input`"));
            p.require(!names.iter().take(i).any(|n| n == name), at("name"), format!("a second layer called `{name}`"));
        }
    }
}

fn check_augmentation(a: &Augmentation, p: &mut Problems) {
    p.require(a.shift <= 64, "augmentation.shift", format!("{} pixels; expected at most 64", a.shift));
    p.within(f64::from(a.rotate), 0.0, 180.0, "augmentation.rotate");
    p.within(f64::from(a.scale), 0.0, 0.9, "augmentation.scale");
    p.within(f64::from(a.contrast), 0.0, 0.9, "augmentation.contrast");
    p.within(f64::from(a.brightness), 0.0, 0.9, "augmentation.brightness");
}

fn check_teacher(literal: &TrainLiteral, p: &mut Problems) {
    let t = &literal.teacher;
    check_passes("teacher", t.epochs, t.batch, p);
    check_optimiser("teacher", &t.optimiser, p);
    p.within(f64::from(t.label_smoothing), 0.0, 0.9, "teacher.label_smoothing");
}

fn check_student(literal: &TrainLiteral, p: &mut Problems) {
    let s = &literal.student;
    check_passes("student", s.epochs, s.batch, p);
    check_optimiser("student", &s.optimiser, p);
    p.within(f64::from(s.label_smoothing), 0.0, 0.9, "student.label_smoothing");
    p.within(s.coefficient_factor, 0.0, 1e3, "student.coefficient_factor");
    p.within(f64::from(s.lambda), 0.0, 1.0, "student.lambda");
    p.within(f64::from(s.temperature), 0.05, 1e3, "student.temperature");
    p.within(f64::from(s.feature_matching), 0.0, 1e6, "student.feature_matching");
    p.within(f64::from(s.range_penalty), 0.0, 1e6, "student.range_penalty");
    p.require(
        s.vertex_bound == 0.0 || (0.5..=1e6).contains(&s.vertex_bound),
        "student.vertex_bound",
        format!("{}; expected 0 (no bound) or a number from 0.5 to 1000000", s.vertex_bound),
    );
    if let Some(prune) = &s.prune {
        check_pruning(prune, p);
    }
    if let Some(q) = &s.quantise {
        p.require((2..=16).contains(&q.bits), "student.quantise.bits", format!("{}; expected 2 to 16", q.bits));
        p.within(q.from, 0.0, 1.0, "student.quantise.from");
    }
    if let CoefficientInit::Constant { a, b, c } = s.init {
        p.require(
            a.is_finite() && b.is_finite() && c.is_finite() && a != 0.0,
            "student.init.constant",
            "expected finite numbers, `a` not 0",
        );
    }
    let activations = literal.network.iter().filter(|l| matches!(l, LayerConfig::Activation)).count();
    p.require(
        s.activation == StudentActivation::Relu || activations > 0,
        "network",
        "no `activation`; expected at least one for a student to replace",
    );
    p.require(
        s.replacement == Replacement::AtOnce || s.epochs >= 2,
        "student.replacement",
        "progressive with fewer than 2 epochs; expected at least 2, or \"at_once\"",
    );
}

fn check_pruning(prune: &PruneConfig, p: &mut Problems) {
    p.within(prune.sparsity, 0.0, 0.999, "student.prune.sparsity");
    p.within(prune.from, 0.0, 1.0, "student.prune.from");
    p.within(prune.to, prune.from.clamp(0.0, 1.0), 1.0, "student.prune.to");
    p.require((1..=1024).contains(&prune.block), "student.prune.block", format!("{}; expected 1 to 1024", prune.block));
    for (name, layer) in &prune.layers {
        p.within(layer.sparsity.unwrap_or(0.0), 0.0, 0.999, format!("student.prune.layers.{name}.sparsity"));
        p.within(layer.inputs, 0.0, 0.999, format!("student.prune.layers.{name}.inputs"));
    }
}

fn check_passes(phase: &str, epochs: usize, batch: usize, p: &mut Problems) {
    p.require((1..=100_000).contains(&epochs), format!("{phase}.epochs"), format!("{epochs}; expected 1 to 100000"));
    p.require((2..=65_536).contains(&batch), format!("{phase}.batch"), format!("{batch}; expected 2 to 65536 images"));
}

fn check_optimiser(phase: &str, o: &OptimiserConfig, p: &mut Problems) {
    let at = |field: &str| format!("{phase}.optimiser.{field}");
    p.within(o.learning_rate, 1e-9, 100.0, at("learning_rate"));
    p.within(o.warm_up, 0.0, 1e5, at("warm_up"));
    p.within(o.final_fraction, 0.0, 1.0, at("final_fraction"));
    p.within(f64::from(o.weight_decay), 0.0, 10.0, at("weight_decay"));
    if let Some(norm) = o.clip_norm {
        p.within(norm, 1e-6, 1e9, at("clip_norm"));
    }
}
