//! What `beaa bench backends` compares both backends on. Must never calibrate integers on images that the model is not for.

use anyhow::Result;
use beaa_bench::{BackendFigures, BenchSettings, BreakEvenCase, compare_backends, random_pixels};
use beaa_compiler::ckks::Options;
use beaa_compiler::{Machine, tfhe};
use beaa_ir::Model;

use super::compile::{calibration, options};
use crate::commands::compile::Target;
use crate::dataset_args::Roots;

/// Random images that the program of a random network is calibrated on.
const IMAGES: usize = 1000;

/// Of `model`, which is random unless `given`.
pub(crate) fn compare(
    (model, given): (&Model, bool),
    (target, roots): (&Target, &Roots),
    setting: &BenchSettings,
    machine: &Machine,
) -> Result<BackendFigures> {
    let (images, chosen) = match given {
        true => (calibration(target.samples.as_ref(), model, roots)?, options(target.agreement, model)),
        // It has no classes worth keeping: the cheapest integers will do.
        false => {
            (random_pixels(model, IMAGES, setting.seed), tfhe::Options { agreement: 0.0, ..tfhe::Options::default() })
        }
    };
    // What `ckks` would keep classes by are samples that it is not given here.
    let setting = BenchSettings { options: Options { agreement: None, ..setting.options.clone() }, ..*setting };
    Ok(compare_backends(&BreakEvenCase { model, images: &images, options: chosen }, &setting, machine)?)
}
