//! The passes in order: the table of contents of the compiler. Must never hold logic of its own.

use beaa_ir::Model;

use crate::Compiled;
use crate::cost::report::cost;
use crate::error::Result;
use crate::network::activations::forward;
use crate::network::bounds::{self, analyse};
use crate::network::graph::check;
use crate::network::{calibration, import};
use crate::options::Options;
use crate::pass_timer::Clock;
use crate::passes::emit::{Lowered, check_overflow, emit};
use crate::passes::quantise_weights::means;
use crate::passes::{complete_squares, dead_elements, equalise_rows, fold_affine, tiling};
use crate::plan::accuracy_target::Target;
use crate::plan::graph_summary::gather;
use crate::plan::refine::{Task, settle};
use crate::plan::search::{Ring, rings};

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
    let (safety, caution) = (options.range_safety, calibration::caution(images));
    let mut clock = Clock::default();

    let graph = clock.time("import", || import::import(model, safety))?;
    check(&graph, "import")?;
    let graph = clock.time("merge", || fold_affine::merge(graph));
    check(&graph, "merge")?;
    let mut graph = clock.time("dead", || dead_elements::drop_dead(graph));
    check(&graph, "dead")?;
    let target = clock.time("target", || Target::new(&graph, options, images))?;
    let input = clock.time("samples", || calibration::choose(model, images, calibration::count(&graph)))?;
    if !images.is_empty() {
        clock.time("samples", || calibration::give_ranges(&mut graph, &input, safety));
    }
    let mut graph = clock.time("vertex", || complete_squares::complete_squares(&graph, options.vertex_limit))?;
    check(&graph, "vertex")?;
    complete_squares::check_squares(&graph)?;
    clock.time("balance", || equalise_rows::balance(&mut graph));
    check(&graph, "balance")?;
    let traces = clock.time("trace", || forward(&graph, input));
    let bounds = analyse(&graph);
    let facts = clock.time("facts", || gather(&graph, &bounds, &traces, caution));
    let means = means(&traces);
    let task =
        Task { graph: &graph, facts: &facts, traces: &traces, means: &means, options, target: &target, rings, caution };
    let settled = settle(task, &mut clock)?;
    let lowered = Lowered { graph: &graph, bounds: &bounds, settled, security: options.security };
    let (program, prediction) = clock.time("emit", || emit(model, lowered))?;
    check_overflow(&program)?;
    let program = clock.time("bands", || tiling::bands(program, model, options.memory))?;
    let mut report = cost(&program);
    report.totals.made_up_images = images.is_empty();
    report.totals.agreement = target.agreement(&prediction);
    report.totals.out_of_range = (!images.is_empty()).then(|| bounds::left(&bounds, &traces));
    report.passes = clock.passes;
    Ok(Compiled { program, report })
}
