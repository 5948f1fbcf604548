//! `packings` of a matrix: students that are also measured in every packing.

use anyhow::Result;
use beaa_evaluation::bad_input;
use serde::Deserialize;

use super::planned::{Axis, PlannedRun};
use super::run_filter::RunFilter;

/// As anybody may write it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackingStudyLiteral {
    runs: String,
    images: Vec<usize>,
    tfhe: bool,
    claimed: Option<ClaimedSaving>,
}

/// Which share of the time for each image somebody else saves with one element in each ciphertext,
/// against one image in each.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimedSaving {
    /// Images answered together.
    pub images: usize,
    /// The share, 0..1.
    pub saved: f64,
}

/// A checked study.
#[derive(Debug, Clone)]
pub struct PackingStudy {
    /// Keys of the runs whose students are measured.
    pub keys: Vec<String>,
    /// Numbers of images that are answered together, in order.
    pub images: Vec<usize>,
    /// Whether the tfhe backend is measured beside.
    pub tfhe: bool,
    /// What the saving is compared with.
    pub claimed: Option<ClaimedSaving>,
}

impl PackingStudy {
    pub(super) fn new(literal: PackingStudyLiteral, axes: &[Axis], runs: &[PlannedRun]) -> Result<Self> {
        let PackingStudyLiteral { runs: which, images, tfhe, claimed } = literal;
        let filter: RunFilter = which.parse().map_err(|e| bad_input(format!("`packings.runs` {which:?}: {e}")))?;
        let chosen = RunFilter::select(&[filter], "packings.runs", axes, runs)?;
        if images.first().is_none_or(|n| *n == 0) || images.windows(2).any(|w| w[0] >= w[1]) {
            return Err(bad_input(format!("`packings.images` {images:?}; expected growing numbers from 1 on")));
        }
        if let Some(c) = claimed.filter(|c| !images.contains(&c.images) || !(0.0..1.0).contains(&c.saved)) {
            let expected = "a share from 0 to 1, for one of `packings.images`";
            return Err(bad_input(format!(
                "`packings.claimed` {} for {} images; expected {expected}",
                c.saved, c.images
            )));
        }
        Ok(Self { keys: chosen.iter().map(|r| r.key.clone()).collect(), images, tfhe, claimed })
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::Matrix;

    fn parse(packings: &str) -> anyhow::Result<Matrix> {
        let text = r#"{"name": "m", "base": {}, "axes": [{"name": "seed", "path": "seed", "values": [1, 2]}],
            "packings": P}"#;
        Matrix::parse(&text.replace('P', packings), None)
    }

    #[test]
    fn students_and_numbers_of_images_are_checked() {
        let good = r#"{"runs": "seed=2", "images": [1, 64], "tfhe": false, "claimed": {"images": 64, "saved": 0.9}}"#;
        let matrix = parse(good).unwrap();
        let study = matrix.packings.unwrap();
        assert_eq!((study.keys, study.images), (vec![matrix.runs[1].key.clone()], vec![1, 64]));
        for (from, to, part) in [
            ("seed=2", "seed=3", "packings.runs"),
            ("seed=2", "seed", "axis=variation"),
            ("[1, 64]", "[64, 1]", "growing"),
            ("[1, 64]", "[]", "growing"),
            ("[1, 64]", "[0, 64]", "growing"),
            ("0.9", "1.5", "claimed"),
            ("\"images\": 64", "\"images\": 65", "claimed"),
            ("tfhe", "tfhee", "tfhee"),
        ] {
            let error = parse(&good.replacen(from, to, 1)).unwrap_err();
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
    }
}
