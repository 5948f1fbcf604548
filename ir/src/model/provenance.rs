//! How a model came to be, as far as later steps ask: which images, how they were rounded, which
//! weights are integers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Layer, LayerOp};
use crate::{Error, Result};

/// What the trainer knew and the compiler, or the command, would otherwise have to guess.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provenance {
    /// The images that the model was trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<TrainingData>,
    /// Seed of everything random in training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// By layer: the integers that its weights were trained as.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weight_grids: BTreeMap<String, WeightGrid>,
    /// Whatever else is worth keeping, such as the configuration; not interpreted.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub record: Value,
}

/// The images that a model was trained on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingData {
    /// Name of the data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The data set's description, as a configuration gives it; only who opens data sets interprets
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Value>,
    /// Checksum of all images and labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Bits that pixels were rounded to, 1 to 8; none where they were left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_bits: Option<u32>,
}

/// The integers that a layer's weights were trained as: each weight, times what the layers behind
/// it multiply its output by (`|gamma| / sqrt(var + eps)` of a normalisation, `sqrt|a|` of a
/// quadratic), is an integer times `unit`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightGrid {
    /// Bits of the integers, sign included: from `-(2^(bits-1) - 1)` to `2^(bits-1) - 1`.
    pub bits: u32,
    /// What the integer 1 stands for.
    pub unit: f32,
}

impl Provenance {
    /// Refuses what no training could have led to.
    pub(super) fn check(&self, layers: &[Layer]) -> Result<()> {
        let bad =
            |found: String, expected: &str| Err(Error::malformed("checking a model's provenance", found, expected));
        if let Some(bits) = self.data.as_ref().and_then(|d| d.pixel_bits).filter(|b| !(1..=8).contains(b)) {
            return bad(format!("pixels of {bits} bits"), "1 to 8 bits");
        }
        for (name, grid) in &self.weight_grids {
            let has_weights = |l: &&Layer| matches!(l.op, LayerOp::Conv2d(_) | LayerOp::Linear(_));
            if !layers.iter().filter(has_weights).any(|l| l.name == *name) {
                return bad(format!("integer weights of `{name}`"), "the name of a layer with weights");
            }
            if !(2..=16).contains(&grid.bits) || !grid.unit.is_finite() || grid.unit <= 0.0 {
                return bad(format!("{grid:?} of `{name}`"), "2 to 16 bits and a positive unit");
            }
        }
        Ok(())
    }

    /// Interprets what version 1 of the model file kept: any JSON, by convention of the trainer
    /// `seed`, `data` with `name` and `checksum`, and `configuration`, whose `data` has `source`
    /// and `pixel_bits`. All of it stays in the record.
    pub(super) fn from_version_1(training: Value) -> Self {
        let text = |pointer: &str| training.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let data = TrainingData {
            name: text("/data/name"),
            source: training.pointer("/configuration/data/source").cloned(),
            checksum: text("/data/checksum"),
            pixel_bits: training
                .pointer("/configuration/data/pixel_bits")
                .and_then(Value::as_u64)
                .and_then(|bits| u32::try_from(bits).ok())
                .filter(|bits| (1..=8).contains(bits)),
        };
        Self {
            data: Some(data).filter(|d| *d != TrainingData::default()),
            seed: training.pointer("/seed").and_then(Value::as_u64),
            weight_grids: BTreeMap::new(),
            record: training,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_version_1_kept_is_understood() {
        let training = json!({
            "phase": "student", "seed": 7, "data": {"name": "mnist", "checksum": "ab"},
            "configuration": {"data": {"source": {"name": "mnist", "validation": 2000}, "pixel_bits": 1}},
        });
        let found = Provenance::from_version_1(training.clone());
        let data = found.data.unwrap();
        assert_eq!((found.seed, data.pixel_bits, data.checksum.as_deref()), (Some(7), Some(1), Some("ab")));
        assert_eq!(data.source, Some(json!({"name": "mnist", "validation": 2000})));
        assert_eq!(found.record, training);
    }

    #[test]
    fn other_records_of_version_1_are_kept_without_a_guess() {
        assert_eq!(Provenance::from_version_1(Value::Null), Provenance::default());
        for other in [json!({"imported": {"format": "onnx"}}), json!("by hand"), json!([1, 2])] {
            let expected = Provenance { record: other.clone(), ..Provenance::default() };
            assert_eq!(Provenance::from_version_1(other), expected);
        }
    }

    #[test]
    fn a_file_holds_only_what_is_known() {
        assert_eq!(serde_json::to_value(Provenance::default()).unwrap(), json!({}));
        assert!(serde_json::from_value::<Provenance>(json!({"sead": 1})).is_err());
    }
}
