//! From the configuration as written to one that can be trusted. Everything wrong is reported at
//! once, each with the path of its field.

use beaa_base::words::count;
use beaa_ir::text::valid_name;
use serde::Serialize;

use super::layers::layer_names;
use super::problems::Problems;
use super::{
    Augmentation, CoefficientInit, DeviceKind, LayerConfig, OptimiserConfig, Precision, PruneConfig, Replacement,
    StudentActivation, TrainLiteral,
};
use crate::error::{Error, Result};

/// A configuration whose numbers are in range and whose layers have unique names. Immutable.
/// Whether the layers fit the images is only known with the data and is checked when training
/// starts.
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
    /// [`Error::Syntax`] for what is not a configuration, [`Error::Config`] with everything wrong
    /// in one that is.
    pub fn from_json(text: &str) -> Result<Self> {
        beaa_base::json::parse::<TrainLiteral>(text)?.try_into()
    }

    /// Gives everything that was written, defaults filled in.
    pub fn literal(&self) -> &TrainLiteral {
        &self.literal
    }

    /// Gives the unchecked form, to change something and check again.
    pub fn into_literal(self) -> TrainLiteral {
        self.literal
    }

    /// Gives the name of each layer of [`TrainLiteral::network`].
    pub fn layer_names(&self) -> &[String] {
        &self.names
    }
}

impl TryFrom<TrainLiteral> for TrainConfig {
    type Error = Error;

    fn try_from(literal: TrainLiteral) -> Result<Self> {
        let mut p = Problems::default();
        let names = layer_names(&literal.network);
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
        if let Some(n) = &literal.data.normalisation {
            p.require(
                n.mean.iter().all(|m| m.is_finite()) && n.std.iter().all(|s| s.is_finite() && *s > 0.0),
                "data.normalisation",
                "expected finite means and deviations above 0",
            );
        }
        let on_cpu = matches!(literal.device, DeviceKind::Flex | DeviceKind::Ndarray);
        p.require(
            literal.precision == Precision::Single || on_cpu,
            "precision",
            "`bfloat16` on a graphics card; expected `single`, or the device `flex`",
        );
        check_augmentation(&literal.augmentation, &mut p);
        check_teacher(&literal, &mut p);
        check_student(&literal, &mut p);
        if p.0.is_empty() { Ok(Self { literal, names }) } else { Err(Error::Config { problems: p.0 }) }
    }
}

fn check_network(network: &[LayerConfig], names: &[String], p: &mut Problems) {
    p.require(!network.is_empty(), "network", "no layers; expected at least one");
    for (i, layer) in network.iter().enumerate() {
        layer.check(i, names, p);
        let (name, field) = (&names[i], format!("network[{i}].name"));
        let legal = valid_name(name) && name != "input";
        p.require(legal, &field, format!("\"{name}\"; expected letters, digits, `.`, `_` or `-`, not `input`"));
        p.require(!names[..i].contains(name), &field, format!("a second layer called `{name}`"));
    }
}

fn check_augmentation(a: &Augmentation, p: &mut Problems) {
    p.require(a.shift <= 64, "augmentation.shift", format!("{}; expected at most 64", count(a.shift, "pixel")));
    p.within(f64::from(a.rotate), 0.0, 180.0, "augmentation.rotate");
    p.within(f64::from(a.scale), 0.0, 0.9, "augmentation.scale");
    p.within(f64::from(a.contrast), 0.0, 0.9, "augmentation.contrast");
    p.within(f64::from(a.brightness), 0.0, 0.9, "augmentation.brightness");
    p.require(a.cutout <= 64, "augmentation.cutout", format!("{}; expected at most 64", count(a.cutout, "pixel")));
    p.within(f64::from(a.cutmix), 0.0, 1.0, "augmentation.cutmix");
}

fn check_teacher(literal: &TrainLiteral, p: &mut Problems) {
    let t = &literal.teacher;
    check_passes("teacher", t.epochs, t.batch, p);
    check_optimiser("teacher", &t.optimiser, p);
    p.within(f64::from(t.label_smoothing), 0.0, 0.9, "teacher.label_smoothing");
    p.require(
        t.model.is_some() || t.also.is_empty(),
        "teacher.also".to_owned(),
        "files without `teacher.model`; expected that one, too",
    );
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
    p.within(f64::from(s.peak_penalty), 0.0, 1e6, "student.peak_penalty");
    p.require(
        s.range_width == 0.0 || (1.0..=1e6).contains(&s.range_width),
        "student.range_width",
        format!("{}; expected 0 (as seen while fitting) or a number from 1 to 1000000", s.range_width),
    );
    p.require(
        s.fixed_norms <= s.epochs,
        "student.fixed_norms",
        format!("{}; expected 0 to the {} epochs of the student", s.fixed_norms, s.epochs),
    );
    p.require(
        s.repeat_after <= 100_000,
        "student.repeat_after",
        format!("{}; expected 0 (never) to 100000 epochs", s.repeat_after),
    );
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
