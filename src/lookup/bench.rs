//! Networks on which `beaa bench backends` compares both backends. Must never choose one that flatters either: the model at hand, and one
//! that is narrow and deep, which a batch is worst for.

use anyhow::Result;
use beaa_bench::{BackendFigures, Case, Recipe, Setting, Shape, backends, pixels, random};
use beaa_compiler::{LookupOptions, Machine, Options};
use beaa_ir::Model;

use super::compile::{calibration, options};
use crate::commands::compile::Target;
use crate::selection::Roots;

/// Images that programs for random networks are calibrated on.
const IMAGES: usize = 1000;
/// Of the narrow network.
const WIDTH: usize = 16;
/// Quadratics of the narrow network.
const SQUARES: usize = 10;
/// Errors of outputs that `ckks` may make there, where they have deviation 4: random networks amplify rounding.
const LOGIT_ERROR: f64 = 0.25;

/// `model`, random unless `given`, and a narrow one.
pub(crate) fn compare(
    (model, given): (&Model, bool),
    (target, roots): (&Target, &Roots),
    setting: &Setting,
    machine: &Machine,
) -> Result<Vec<BackendFigures>> {
    // Random networks have no classes worth keeping: the cheapest integers will do.
    let cheapest = LookupOptions { agreement: 0.0, ..LookupOptions::default() };
    let (images, chosen) = match given {
        true => (calibration(target.samples.as_ref(), model, roots)?, options(target.agreement, model)),
        false => (pixels(model, IMAGES, setting.seed), cheapest.clone()),
    };
    let first = Case { name: model.name().to_owned(), model, images: &images, options: chosen };
    let deep =
        random(Recipe { seed: setting.seed, squares: SQUARES, shape: Shape::Narrow(WIDTH), ..Recipe::default() })?;
    let images = pixels(&deep, IMAGES, setting.seed);
    let name = format!("random, {SQUARES} quadratics of {WIDTH} elements");
    let second = Case { name, model: &deep, images: &images, options: cheapest };
    // What `ckks` would keep classes by are samples that it is not given here.
    let of = |logit_error| Setting {
        options: Options { agreement: None, logit_error, ..setting.options.clone() },
        ..*setting
    };
    let (setting, narrow) = (of(setting.options.logit_error), of(LOGIT_ERROR));
    Ok(vec![backends(&first, &setting, machine)?, backends(&second, &narrow, machine)?])
}
