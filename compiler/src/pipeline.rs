//! The table of contents of the compiler: its passes by effect, in order.

use std::fmt::Display;

use beaa_ir::Model;
use beaa_ir::images::{ElementMajor, ImageMajor};
use beaa_ir::promise::Promise;

use crate::cost::budget::check_size;
use crate::cost::coverage::Coverage;
use crate::cost::report::{PlannedImages, Report, cost};
use crate::error::{Error, Result};
use crate::network::activations::{forward, means};
use crate::network::bounds::{Bounds, analyse, out_of_range_share, ranges_narrow};
use crate::network::calibration::{calibration_images, check_samples, image_count, observe_ranges, rounding_margin};
use crate::network::graph::Graph;
use crate::network::import::import;
use crate::network::limits::{check_finite, check_known, missing_range};
use crate::network::promise::promise;
use crate::options::Options;
use crate::pass_runner::{PassRunner, Product};
use crate::passes::complete_squares::{check_squares, complete_squares};
use crate::passes::dead_elements::drop_dead_elements;
use crate::passes::emit::{Lowered, check_overflow, emit};
use crate::passes::equalise_rows::equalise_rows;
use crate::passes::fold_affine::fold_affine;
use crate::passes::tiling::tile;
use crate::plan::accuracy_target::AccuracyTarget;
use crate::plan::graph_summary::summarise;
use crate::plan::refine::{RefineTask, RefinedPlan, refine};
use crate::plan::rings::{Ring, Rings};
use crate::plan::simulate_noise::SimulatedNetwork;
use crate::plan::worst_case::WorstCase;

/// An output that varies by no more than this share of itself says nothing of the image.
const CONSTANT_SHARE: f64 = 1e-9;

/// What a compilation makes.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The program, with the signature that a client needs.
    pub program: beaa_ir::ckks::Program,
    /// What it costs and how precise it is.
    pub report: Report,
}

/// Lowers `model` to a program. Errors are predicted on made-up images; better give real ones to
/// [`compile_for`].
///
/// # Errors
/// As [`compile_for`].
pub fn compile(model: &Model, options: &Options) -> Result<Compiled> {
    compile_for(model, options, None)
}

/// Lowers `model` to a program, with errors predicted on `images`: some hundreds of those that the
/// program will see, normalised as the model wants them, or made-up ones.
///
/// # Errors
/// An [`Error`](crate::Error): options out of range, no image or images of another size than the
/// model's, layers that cannot be evaluated under encryption, or no parameters for the precision,
/// security and memory asked for.
pub fn compile_for(model: &Model, options: &Options, images: Option<&ImageMajor<f32>>) -> Result<Compiled> {
    compile_observed(model, options, images, &mut |_, _| {})
}

/// Like [`compile_for`], and calls `observer` after every pass with its name and the text of what
/// it made.
///
/// # Errors
/// As [`compile_for`].
#[doc(hidden)]
pub fn compile_observed(
    model: &Model,
    options: &Options,
    images: Option<&ImageMajor<f32>>,
    observer: &mut dyn FnMut(&'static str, &dyn Display),
) -> Result<Compiled> {
    options.check()?;
    run_passes(model, options, images, &Rings::new(options), &mut |pass, product| observer(pass, &product))
}

/// Lowers `model` for the ring of any degree from 32 up, whatever its security: for tests and
/// experiments. Whatever checks parameters refuses those of its programs.
///
/// # Errors
/// As [`compile_for`].
#[doc(hidden)]
pub fn compile_without_security(
    model: &Model,
    options: &Options,
    images: Option<&ImageMajor<f32>>,
    degree: usize,
) -> Result<Compiled> {
    options.check()?;
    let rings = Rings::single(Ring { degree, allowed: u32::MAX }, options.batch);
    run_passes(model, options, images, &rings, &mut |_, _| {})
}

fn run_passes(
    model: &Model,
    options: &Options,
    images: Option<&ImageMajor<f32>>,
    rings: &Rings,
    observer: &mut dyn FnMut(&'static str, Product<'_>),
) -> Result<Compiled> {
    if let Some(images) = images {
        check_samples(images, model.input().shape().len())?;
    }
    check_size(model)?;
    let mut passes = PassRunner::new(observer);
    let Prepared { graph, target, promise, input } = prepare(model, options, images, &mut passes)?;

    let activations = passes.time("activations", || forward(&graph, input));
    let (bounds, means) = (analyse(&graph), means(&activations));
    let margin = rounding_margin(images);
    let summary = passes.time("summarise", || summarise(&graph, &bounds, &activations, margin));
    passes.show("summarise", Product::Summary(&summary));
    let network = SimulatedNetwork {
        graph: &graph,
        classes: model.classes(),
        activations: &activations,
        rounding_margin: margin,
    };
    let task = RefineTask {
        network: &network,
        summary: &summary,
        means: &means,
        options,
        target: &target,
        rings,
        worst_case: None,
    };
    let found = refine(task, &mut passes);
    let found = match images {
        Some(images) => found.map(|refined| {
            (refined, Coverage::LikeSamples { samples: images.images(), range_safety: options.range_safety })
        }),
        None => cover(found, task, &bounds, model.input().shape, &mut passes),
    };
    let (refined, coverage) = found.map_err(|e| missing_range(e, &graph, &bounds, &activations))?;
    passes.show("refine", Product::Plan(&refined.plan));

    let lowered = Lowered {
        graph: &graph,
        bounds: &bounds,
        refined,
        promise,
        coverage: coverage.remark(),
        security: options.security,
    };
    let (program, prediction) = passes.time("emit", || emit(model, lowered))?;
    check_overflow(&program)?;
    let program = passes.time("tile", || tile(program, model, options.memory))?;

    let mut report = cost(&program);
    report.totals.made_up_images = images.is_none();
    report.totals.coverage = Some(coverage);
    report.totals.constant_outputs = constant_rows(&activations[graph.output]);
    report.totals.agreement = target.agreement(&prediction);
    report.totals.out_of_range = images.map(|_| out_of_range_share(&bounds, &activations));
    let degree = report.totals.degree;
    report.totals.planned = Some(PlannedImages { images: options.batch, batches: rings.batches(degree) });
    report.passes = passes.times;
    Ok(Compiled { program, report })
}

/// Makes a plan hold for every image that is promised without samples, where parameters do, and
/// says for which images it does. `typical` was planned by images that look normalised.
fn cover(
    typical: Result<RefinedPlan>,
    task: RefineTask<'_>,
    bounds: &[Bounds],
    shape: [usize; 3],
    passes: &mut PassRunner<'_>,
) -> Result<(RefinedPlan, Coverage)> {
    let RefineTask { network, options, target, .. } = task;
    let &SimulatedNetwork { graph, classes, rounding_margin, .. } = network;
    let anywhere = !ranges_narrow(graph, bounds);
    let worst_case = passes.time("worst_case", || WorstCase::new(graph, bounds, shape, anywhere, rounding_margin))?;
    let Some(worst_case) = worst_case else {
        let why = "hardly any made-up image stays within the ranges of the model's file, which are those of images \
                   that the compiler does not know; errors are those of made-up images that look normalised";
        return Ok((typical?, Coverage::Nothing { why: why.into() }));
    };
    let made_up = worst_case.images.images();
    let coverage = if anywhere {
        Coverage::EveryAllowed { made_up }
    } else {
        Coverage::WithinRanges { made_up, range_safety: options.range_safety, outside: worst_case.outside }
    };
    let typical = match typical {
        Ok(mut refined) => {
            let mut worst = refined.prediction.clone();
            passes.time("worst_case", || worst_case.apply(&mut worst, &refined.quantised, &refined.plan))?;
            tracing::debug!(typical = refined.prediction.output, worst = worst.output, ?coverage, "worst image");
            if target.budget_used(&worst) <= 1.0 {
                refined.prediction = worst;
                return Ok((refined, coverage));
            }
            Ok((refined, worst))
        }
        Err(e @ (Error::Precision { .. } | Error::Parameters { .. })) => Err(e),
        Err(e) => return Err(e),
    };
    // Planned anew, by the images that it must hold for.
    let activations = passes.time("activations", || forward(graph, worst_case.images.clone()));
    let means = means(&activations);
    let summary = passes.time("summarise", || summarise(graph, bounds, &activations, rounding_margin));
    let network = SimulatedNetwork { graph, classes, activations: &activations, rounding_margin };
    let task =
        RefineTask { network: &network, summary: &summary, means: &means, worst_case: Some(&worst_case), ..task };
    match refine(task, passes) {
        Ok(found) => Ok((found, coverage)),
        Err(e @ (Error::Precision { .. } | Error::Parameters { .. })) => {
            let (mut refined, worst) = typical?;
            let mut why = format!(
                "some allowed images have an error of {:.1e}, {:.1e} was asked for, and no parameters are good for \
                 all of them ({e})",
                worst.output, options.logit_error
            );
            if anywhere {
                // Nothing says what images there will be, so the client must reckon with these.
                refined.prediction = worst;
                why.push_str("; errors are those of the worst of made-up images");
            } else {
                why.push_str("; errors are those of made-up images that look normalised");
            }
            Ok((refined, Coverage::Nothing { why }))
        }
        Err(e) => Err(e),
    }
}

/// Elements that are the same for all images, to as many digits as a program could show.
pub(crate) fn constant_rows(values: &ElementMajor<f64>) -> Vec<usize> {
    let constant = |row: &[f64]| {
        let (lo, hi) = row.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        row.len() > 1 && hi - lo <= CONSTANT_SHARE * lo.abs().max(hi.abs())
    };
    values.rows().enumerate().filter(|(_, row)| constant(row)).map(|(j, _)| j).collect()
}

/// A network ready to be planned.
struct Prepared {
    /// Affine maps and squares only, rows equalised.
    graph: Graph,
    target: AccuracyTarget,
    /// What a client is told of images and answers.
    promise: Option<Promise>,
    /// The images that magnitudes and errors are estimated on.
    input: ElementMajor<f64>,
}

/// The passes on the graph.
fn prepare(
    model: &Model,
    options: &Options,
    images: Option<&ImageMajor<f32>>,
    passes: &mut PassRunner<'_>,
) -> Result<Prepared> {
    let safety = options.range_safety;
    let graph = passes.rewrite("import", || import(model, safety))?;
    let graph = passes.rewrite("fold_affine", || Ok(fold_affine(graph)))?;
    let mut graph = passes.rewrite("drop_dead_elements", || Ok(drop_dead_elements(graph)))?;

    if images.is_none() {
        check_known(&graph, &analyse(&graph), false)?;
    }
    let promise = passes.time("promise", || promise(model, &graph, images))?;
    let input = passes.time("calibrate", || calibration_images(model, images, image_count(&graph)))?;
    let activations = passes.time("calibrate", || forward(&graph, input.clone()));
    check_finite(&graph, &activations, if images.is_some() { "the samples" } else { "made-up images" })?;
    let target = passes.time("accuracy_target", || AccuracyTarget::new(&graph, model.classes(), options, images))?;
    // Ranges are so tight that made-up images must not be used for them.
    if images.is_some() {
        graph = passes.rewrite("observe_ranges", || Ok(observe_ranges(graph, &activations, safety)))?;
        check_known(&graph, &analyse(&graph), true)?;
    }

    let graph = passes.rewrite("complete_squares", || complete_squares(&graph, options.vertex_limit))?;
    check_squares(&graph)?;
    let graph = passes.rewrite("equalise_rows", || Ok(equalise_rows(graph, &model.provenance().weight_grids)))?;
    Ok(Prepared { graph, target, promise, input })
}

/// The graph as the pipeline leaves it after a pass, with default options and without images.
#[cfg(test)]
pub(crate) fn graph_after(pass: &str, model: &Model) -> Graph {
    let mut found = None;
    let mut keep = |name: &'static str, product: Product<'_>| {
        if let (true, Product::Graph(graph)) = (name == pass, product) {
            found = Some(graph.clone());
        }
    };
    prepare(model, &Options::default(), None, &mut PassRunner::new(&mut keep)).unwrap();
    found.unwrap_or_else(|| panic!("no pass `{pass}`"))
}
