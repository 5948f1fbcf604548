//! The table of contents of the compiler: its passes by effect, in order.

use std::fmt::Display;

use beaa_ir::Model;
use beaa_ir::images::{ElementMajor, ImageMajor};

use crate::cost::report::{Report, cost};
use crate::error::Result;
use crate::network::activations::{forward, means};
use crate::network::bounds::{analyse, out_of_range_share};
use crate::network::calibration::{calibration_images, check_samples, image_count, observe_ranges, rounding_margin};
use crate::network::graph::Graph;
use crate::network::import::import;
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
use crate::plan::refine::{RefineTask, refine};
use crate::plan::search::{Ring, rings};
use crate::plan::simulate_noise::SimulatedNetwork;

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
    run_passes(model, options, images, &rings(options), &mut |pass, product| observer(pass, &product))
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
    run_passes(model, options, images, &[Ring { degree, allowed: u32::MAX }], &mut |_, _| {})
}

fn run_passes(
    model: &Model,
    options: &Options,
    images: Option<&ImageMajor<f32>>,
    rings: &[Ring],
    observer: &mut dyn FnMut(&'static str, Product<'_>),
) -> Result<Compiled> {
    if let Some(images) = images {
        check_samples(images, model.input().shape().len())?;
    }
    let mut passes = PassRunner::new(observer);
    let Prepared { graph, target, input } = prepare(model, options, images, &mut passes)?;

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
    let task = RefineTask { network: &network, summary: &summary, means: &means, options, target: &target, rings };
    let refined = refine(task, &mut passes)?;
    passes.show("refine", Product::Plan(&refined.plan));

    let lowered = Lowered { graph: &graph, bounds: &bounds, refined, security: options.security };
    let (program, prediction) = passes.time("emit", || emit(model, lowered))?;
    check_overflow(&program)?;
    let program = passes.time("tile", || tile(program, model, options.memory))?;

    let mut report = cost(&program);
    report.totals.made_up_images = images.is_none();
    report.totals.agreement = target.agreement(&prediction);
    report.totals.out_of_range = images.map(|_| out_of_range_share(&bounds, &activations));
    report.passes = passes.times;
    Ok(Compiled { program, report })
}

/// A network ready to be planned.
struct Prepared {
    /// Affine maps and squares only, rows equalised.
    graph: Graph,
    target: AccuracyTarget,
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

    let target = passes.time("accuracy_target", || AccuracyTarget::new(&graph, model.classes(), options, images))?;
    let input = passes.time("calibrate", || calibration_images(model, images, image_count(&graph)))?;
    // Ranges are so tight that made-up images must not be used for them.
    if images.is_some() {
        graph = passes.rewrite("observe_ranges", || Ok(observe_ranges(graph, &input, safety)))?;
    }

    let graph = passes.rewrite("complete_squares", || complete_squares(&graph, options.vertex_limit))?;
    check_squares(&graph)?;
    let graph = passes.rewrite("equalise_rows", || Ok(equalise_rows(graph, &model.provenance().weight_grids)))?;
    Ok(Prepared { graph, target, input })
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
