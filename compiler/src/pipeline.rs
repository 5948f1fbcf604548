//! The passes in order: the table of contents of the compiler. Must never hold logic of its own.

use beaa_ir::Model;

use crate::cost::report::{Report, cost};
use crate::error::Result;
use crate::network::activations::forward;
use crate::network::bounds::{self, analyse};
use crate::network::graph::check;
use crate::network::{calibration, import};
use crate::options::Options;
use crate::pass_timer::PassTimer;
use crate::passes::emit::{Lowered, check_overflow, emit};
use crate::passes::quantise_weights::means;
use crate::passes::{complete_squares, dead_elements, equalise_rows, fold_affine, tiling};
use crate::plan::accuracy_target::AccuracyTarget;
use crate::plan::graph_summary::summarise;
use crate::plan::refine::{RefineTask, refine};
use crate::plan::search::{Ring, rings};

/// What a compilation makes.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The program, with the signature that a client needs.
    pub program: beaa_ir::ckks::Program,
    /// What it costs and how precise it is.
    pub report: Report,
}

/// Lowers `model` to a program. Errors are predicted on made-up images; better give real ones to [`compile_for`].
pub fn compile(model: &Model, options: &Options) -> Result<Compiled> {
    compile_for(model, options, &[])
}

/// Lowers `model` to a program, with errors predicted on `images`: some hundreds of those that the program will see,
/// normalised as the model wants them.
pub fn compile_for(model: &Model, options: &Options, images: &[Vec<f32>]) -> Result<Compiled> {
    options.check()?;
    compile_in(model, options, images, &rings(options))
}

/// For tests and experiments, at any degree from 32 up: nothing encrypted under the program's parameters need be secret,
/// and what checks parameters refuses them.
#[doc(hidden)]
pub fn compile_without_security(
    model: &Model,
    options: &Options,
    images: &[Vec<f32>],
    degree: usize,
) -> Result<Compiled> {
    options.check()?;
    compile_in(model, options, images, &[Ring { degree, allowed: u32::MAX }])
}

fn compile_in(model: &Model, options: &Options, images: &[Vec<f32>], rings: &[Ring]) -> Result<Compiled> {
    let (safety, rounding_margin) = (options.range_safety, calibration::rounding_margin(images));
    let mut timer = PassTimer::default();

    let graph = timer.time("import", || import::import(model, safety))?;
    check(&graph, "import")?;
    let graph = timer.time("merge", || fold_affine::fold_affine(graph));
    check(&graph, "merge")?;
    let mut graph = timer.time("dead", || dead_elements::drop_dead_elements(graph));
    check(&graph, "dead")?;
    let target = timer.time("target", || AccuracyTarget::new(&graph, options, images))?;
    let input =
        timer.time("samples", || calibration::calibration_images(model, images, calibration::image_count(&graph)))?;
    if !images.is_empty() {
        timer.time("samples", || calibration::observe_ranges(&mut graph, &input, safety));
    }
    let mut graph = timer.time("vertex", || complete_squares::complete_squares(&graph, options.vertex_limit))?;
    check(&graph, "vertex")?;
    complete_squares::check_squares(&graph)?;
    timer.time("balance", || equalise_rows::equalise_rows(&mut graph));
    check(&graph, "balance")?;
    let traces = timer.time("trace", || forward(&graph, input));
    let bounds = analyse(&graph);
    let summary = timer.time("facts", || summarise(&graph, &bounds, &traces, rounding_margin));
    let means = means(&traces);
    let task = RefineTask {
        graph: &graph,
        summary: &summary,
        traces: &traces,
        means: &means,
        options,
        target: &target,
        rings,
        rounding_margin,
    };
    let refined = refine(task, &mut timer)?;
    let lowered = Lowered { graph: &graph, bounds: &bounds, refined, security: options.security };
    let (program, prediction) = timer.time("emit", || emit(model, lowered))?;
    check_overflow(&program)?;
    let program = timer.time("bands", || tiling::tile(program, model, options.memory))?;
    let mut report = cost(&program);
    report.totals.made_up_images = images.is_empty();
    report.totals.agreement = target.agreement(&prediction);
    report.totals.out_of_range = (!images.is_empty()).then(|| bounds::out_of_range_share(&bounds, &traces));
    report.passes = timer.passes;
    Ok(Compiled { program, report })
}
