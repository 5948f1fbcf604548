//! Students of a matrix in every packing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_bench::{PackingFigures, PackingTask, measure_packings};
use beaa_compiler::ckks::Samples;
use beaa_datasets::Dataset;
use beaa_evaluation::model_images::planning_images;
use beaa_evaluation::{Reporter, bad_input};
use beaa_ir::Model;
use serde::{Deserialize, Serialize};

use super::packing_study::PackingStudy;
use super::planned::PlannedRun;
use super::results::Row;
use crate::run_folder::RunFolder;

/// Of images and keys, which protect nothing here.
const SEED: u64 = 1;

/// What a student takes in every packing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackingRow {
    /// Hash of the resolved configuration of its run.
    pub key: String,
    /// Axis to variation.
    pub labels: BTreeMap<String, String>,
    /// Of the program that measured.
    pub version: String,
    /// What was measured.
    pub figures: PackingFigures,
}

impl Row for PackingRow {
    const FILE: &'static str = "packings.jsonl";

    fn key(&self) -> &str {
        &self.key
    }
}

/// Measures the student of a finished run, on the data set that it was trained on, `roots` being
/// where data sets are.
///
/// # Errors
/// If the student is not there or has no program in one of the packings.
pub fn measure(
    study: &PackingStudy,
    planned: &PlannedRun,
    folder: &Path,
    roots: &[PathBuf],
    reporter: &dyn Reporter,
) -> Result<PackingRow> {
    let file = RunFolder::new(&folder.join("students").join(&planned.key)).file("student.safetensors");
    if !file.exists() {
        let remedy = "train it anew with --force, or leave its row out of results.jsonl and give --resume";
        return Err(bad_input(format!(
            "measuring packings: found no {}, expected the student of a finished run; {remedy}",
            file.display()
        )));
    }
    let model = beaa_ir::load_model(&file)?;
    let spec = &planned.experiment.train.literal().data.source;
    let dataset = beaa_datasets::open(spec, roots).context("opening the data set")?;
    let seen = planning_images(&dataset, &model)?;
    let samples = Samples { images: &seen.training, held_out: seen.held_out.as_ref() };
    let options = &planned.experiment.compile;
    let task = PackingTask { model: &model, samples: Some(samples), options, images: &study.images, seed: SEED };
    let mut figures = measure_packings(task)?;
    reporter.check_interrupted("measuring packings")?;
    if study.tfhe {
        exact(&mut figures, study, &model, &dataset, reporter)?;
    }
    Ok(PackingRow {
        key: planned.key.clone(),
        labels: planned.labels.iter().cloned().collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        figures,
    })
}

/// Adds the tfhe backend; a network that it has no program for stays without.
#[cfg(feature = "tfhe")]
fn exact(
    figures: &mut PackingFigures,
    study: &PackingStudy,
    model: &Model,
    dataset: &Dataset,
    reporter: &dyn Reporter,
) -> Result<()> {
    use beaa_bench::{BreakEvenCase, Error, measure_exact};
    use beaa_compiler::{Machine, tfhe};

    use beaa_evaluation::model_images::{calibration_images, trained_pixel_bits};

    let images = calibration_images(dataset, model)?;
    let options = tfhe::Options { pixel_bits: trained_pixel_bits(model), ..tfhe::Options::default() };
    let case = BreakEvenCase { model, images: &images, options };
    match measure_exact(&case, &study.images, &Machine::reference(), SEED) {
        Ok(points) => figures.points.extend(points),
        Err(Error::Compiler(e)) => reporter.note(&format_args!("{}: without tfhe: {e}", model.name())),
        Err(e) => return Err(e.into()),
    }
    Ok(())
}

#[cfg(not(feature = "tfhe"))]
fn exact(_: &mut PackingFigures, _: &PackingStudy, _: &Model, _: &Dataset, _: &dyn Reporter) -> Result<()> {
    let remedy = "build with `--features tfhe`, or set `packings.tfhe` to false";
    Err(bad_input(format!("measuring packings: found a build without tfhe, which the matrix expects; {remedy}")))
}
