//! The table of contents of the compiler: its passes by effect, in order.

use std::fmt::Display;

use beaa_ir::Model;
use beaa_ir::images::ElementMajor;
use beaa_ir::promise::Promise;

use crate::cost::budget::check_size;
use crate::cost::report::{PlannedImages, Report, cost};
use crate::error::{Error, Result};
use crate::network::activations::{forward, means};
use crate::network::bounds::{analyse, out_of_range_share};
use crate::network::calibration::{calibration_images, check_samples, image_count, observe_ranges, rounding_margin};
use crate::network::graph::Graph;
use crate::network::import::import;
use crate::network::limits::{check_finite, check_known, missing_range};
use crate::network::margins::MeasuredImages;
use crate::network::promise::promise;
use crate::network::sample_outputs::sample_outputs;
use crate::options::Options;
use crate::packing::Packing;
use crate::pass_runner::{PassRunner, Product};
use crate::passes::complete_squares::{check_squares, complete_squares};
use crate::passes::dead_elements::drop_dead_elements;
use crate::passes::emit::{Lowered, check_overflow, emit};
use crate::passes::equalise_rows::equalise_rows;
use crate::passes::fold_affine::fold_affine;
use crate::passes::tiling::tile;
use crate::passes::unread_inputs::drop_unread_inputs;
use crate::plan::accuracy_target::AccuracyTarget;
use crate::plan::agreement::simulate_agreement;
use crate::plan::confidence::Flips;
use crate::plan::coverage::PlannedFor;
use crate::plan::graph_summary::summarise;
use crate::plan::packings::{Planned, cheapest_packing};
use crate::plan::refine::RefineTask;
use crate::plan::rings::{Ring, Rings};
use crate::plan::simulate_noise::SimulatedNetwork;
use crate::samples::Samples;

/// Plans that are simulated on all images that agreement is measured on, at most.
const MAX_ATTEMPTS: usize = 5;
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

/// Lowers `model` to a program, with errors predicted on `samples`, or on made-up images.
///
/// # Errors
/// An [`Error`](crate::Error): options out of range, no image or images of another size than the
/// model's, layers that cannot be evaluated under encryption, or no parameters for the precision,
/// security and memory asked for.
pub fn compile_for(model: &Model, options: &Options, samples: Option<Samples<'_>>) -> Result<Compiled> {
    compile_until(model, options, samples, &|| false)
}

/// Lowers `model` as [`compile_for`] does, and ends before it is done once `is_stopped` says so,
/// which is asked between two passes and two attempts at a plan.
///
/// # Errors
/// As [`compile_for`]; [`Error::Stopped`].
pub fn compile_until(
    model: &Model,
    options: &Options,
    samples: Option<Samples<'_>>,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Compiled> {
    options.check()?;
    run_passes(model, options, samples, &Rings::new(options), Watcher { observer: &mut |_, _| {}, is_stopped })
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
    samples: Option<Samples<'_>>,
    observer: &mut dyn FnMut(&'static str, &dyn Display),
) -> Result<Compiled> {
    options.check()?;
    let observer = &mut |pass, product: Product<'_>| observer(pass, &product);
    run_passes(model, options, samples, &Rings::new(options), Watcher { observer, is_stopped: &|| false })
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
    samples: Option<Samples<'_>>,
    degree: usize,
) -> Result<Compiled> {
    options.check()?;
    let rings = Rings::single(Ring { degree, allowed: u32::MAX }, options.batch, 1);
    run_passes(model, options, samples, &rings, Watcher { observer: &mut |_, _| {}, is_stopped: &|| false })
}

/// Whoever watches a compilation: sees what passes make, and says when to end.
struct Watcher<'a> {
    observer: &'a mut dyn FnMut(&'static str, Product<'_>),
    is_stopped: &'a dyn Fn() -> bool,
}

fn run_passes(
    model: &Model,
    options: &Options,
    samples: Option<Samples<'_>>,
    rings: &Rings,
    Watcher { observer, is_stopped }: Watcher<'_>,
) -> Result<Compiled> {
    if let Some(samples) = samples {
        for images in [Some(samples.images), samples.held_out].into_iter().flatten() {
            check_samples(images, model.input().shape().len())?;
        }
    }
    let images = samples.map(|s| s.images);
    check_size(model)?;
    let mut passes = PassRunner::new(observer, is_stopped);
    let Prepared { graph, mut target, measured, promise, input } = prepare(model, options, samples, &mut passes)?;

    passes.go_on()?;
    let activations = passes.time("activations", || forward(&graph, input));
    let (bounds, means) = (analyse(&graph), means(&activations));
    let margin = rounding_margin(images);
    passes.go_on()?;
    let summary = passes.time("summarise", || summarise(&graph, &bounds, &activations, margin));
    passes.show("summarise", Product::Summary(&summary));
    let network = SimulatedNetwork {
        graph: &graph,
        classes: model.classes(),
        activations: &activations,
        rounding_margin: margin,
    };
    let planned_for = PlannedFor { bounds: &bounds, shape: model.input().shape, samples: images };
    let mut attempts = 0;
    let (refined, coverage, flips) = loop {
        attempts += 1;
        let task = RefineTask {
            network: &network,
            summary: &summary,
            means: &means,
            options,
            target: &target,
            rings,
            worst_case: None,
        };
        let Planned { refined, coverage, .. } = cheapest_packing(task, &planned_for, &mut passes)
            .map_err(|e| missing_range(e, &graph, &bounds, &activations))?;
        let Some(requested) = target.requested else {
            let flips = target.flips(&refined.prediction);
            break (refined, coverage, flips);
        };
        passes.go_on()?;
        let simulate = || simulate_agreement(&graph, model.classes(), &measured.images, &refined);
        let flips = passes.time("simulate_agreement", simulate)?;
        if flips.show(requested) {
            break (refined, coverage, Some(flips));
        }
        if attempts == MAX_ATTEMPTS {
            return Err(unshown(requested, &flips));
        }
        target = target.corrected(&refined.prediction, &flips);
    };
    passes.show("refine", Product::Plan(&refined.plan));

    let lowered = Lowered {
        graph: &graph,
        bounds: &bounds,
        refined,
        promise,
        coverage: coverage.remark(),
        security: options.security,
    };
    passes.go_on()?;
    let program = passes.time("emit", || emit(model, lowered))?;
    check_overflow(&program)?;
    passes.go_on()?;
    let packed = program.packing().is_some();
    let program = match passes.time("tile", || tile(program, model, options.memory)) {
        // Bands need no more than what is asked for; other packings have none.
        Err(Error::Memory { .. }) if packed && options.packing == Packing::Auto => {
            let options = Options { packing: Packing::Element, ..options.clone() };
            return run_passes(model, &options, samples, rings, Watcher { observer, is_stopped });
        }
        tiled => tiled?,
    };
    let program = passes.time("drop_unread_inputs", || drop_unread_inputs(program))?;

    let mut report = cost(&program);
    report.totals.made_up_images = images.is_none();
    report.totals.coverage = Some(coverage);
    report.totals.constant_outputs = constant_rows(&activations[graph.output]);
    report.totals.agreement = flips.map(|flips| measured.agreement(&flips));
    report.totals.out_of_range = images.map(|_| out_of_range_share(&bounds, &activations));
    let batches = options.batch.div_ceil(program.signature().capacity());
    report.totals.planned = Some(PlannedImages { images: options.batch, batches });
    report.passes = passes.times;
    Ok(Compiled { program, report })
}

/// No plan of as many attempts kept the classes of as many images as was asked for.
fn unshown(requested: f64, flips: &Flips) -> Error {
    let found = requested.to_string();
    let expected = format!("at most {:.4}, which the best plan shows; ask for less", flips.at_least());
    Error::Option { option: "agreement", found, expected }
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
struct Prepared<'a> {
    /// Affine maps and squares only, rows equalised.
    graph: Graph,
    target: AccuracyTarget,
    /// The images that agreement is measured on.
    measured: MeasuredImages<'a>,
    /// What a client is told of images and answers.
    promise: Option<Promise>,
    /// The images that magnitudes and errors are estimated on.
    input: ElementMajor<f64>,
}

/// The passes on the graph.
fn prepare<'a>(
    model: &Model,
    options: &Options,
    samples: Option<Samples<'a>>,
    passes: &mut PassRunner<'_>,
) -> Result<Prepared<'a>> {
    let (safety, images) = (options.range_safety, samples.map(|s| s.images));
    let graph = passes.rewrite("import", || import(model, safety))?;
    let graph = passes.rewrite("fold_affine", || Ok(fold_affine(graph)))?;
    let mut graph = passes.rewrite("drop_dead_elements", || Ok(drop_dead_elements(graph)))?;

    if images.is_none() {
        check_known(&graph, &analyse(&graph), false)?;
    }
    let seen = passes.time("sample_outputs", || images.map(|i| sample_outputs(&graph, i)).transpose())?;
    let outputs = seen.as_ref().map(|s| s.outputs.as_slice());
    let promise = passes.time("promise", || promise(model, &graph, images.zip(outputs)))?;
    passes.go_on()?;
    let measured = passes.time("margins", || match (samples, &seen) {
        (Some(samples), Some(seen)) => MeasuredImages::new(&graph, model.classes(), samples, seen, options),
        _ => Ok(MeasuredImages::default()),
    })?;
    passes.go_on()?;
    let input = passes.time("calibrate", || calibration_images(model, images, image_count(&graph)))?;
    passes.go_on()?;
    let activations = passes.time("calibrate", || forward(&graph, input.clone()));
    check_finite(&graph, &activations, if images.is_some() { "the samples" } else { "made-up images" })?;
    let target = passes.time("accuracy_target", || AccuracyTarget::new(model.classes(), options, &measured))?;
    // Ranges are so tight that made-up images must not be used for them.
    if images.is_some() {
        graph = passes.rewrite("observe_ranges", || Ok(observe_ranges(graph, &activations, safety)))?;
        check_known(&graph, &analyse(&graph), true)?;
    }

    let graph = passes.rewrite("complete_squares", || complete_squares(&graph, options.vertex_limit))?;
    check_squares(&graph)?;
    let graph = passes.rewrite("equalise_rows", || Ok(equalise_rows(graph, &model.provenance().weight_grids)))?;
    Ok(Prepared { graph, target, measured, promise, input })
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
    prepare(model, &Options::default(), None, &mut PassRunner::new(&mut keep, &|| false)).unwrap();
    found.unwrap_or_else(|| panic!("no pass `{pass}`"))
}
