//! The passes in order: the table of contents of the compiler. Must never hold logic of its own.

use beaa_ir::Model;

use crate::bounds::{self, analyse};
use crate::clock::Clock;
use crate::emit::{Lowered, check_overflow, emit};
use crate::error::Result;
use crate::facts::gather;
use crate::graph::check;
use crate::integers::means;
use crate::options::Options;
use crate::report::cost;
use crate::search::{Ring, rings};
use crate::settle::{Task, settle};
use crate::target::Target;
use crate::trace::forward;
use crate::{Compiled, balance, bands, dead, import, merge, samples, vertex};

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
    let (safety, caution) = (options.range_safety, samples::caution(images));
    let mut clock = Clock::default();

    let graph = clock.time("import", || import::import(model, safety))?;
    check(&graph, "import")?;
    let graph = clock.time("merge", || merge::merge(graph));
    check(&graph, "merge")?;
    let mut graph = clock.time("dead", || dead::drop_dead(graph));
    check(&graph, "dead")?;
    let target = clock.time("target", || Target::new(&graph, options, images))?;
    let input = clock.time("samples", || samples::choose(model, images, samples::count(&graph)))?;
    if !images.is_empty() {
        clock.time("samples", || samples::give_ranges(&mut graph, &input, safety));
    }
    let mut graph = clock.time("vertex", || vertex::complete_squares(&graph, options.vertex_limit))?;
    check(&graph, "vertex")?;
    vertex::check_squares(&graph)?;
    clock.time("balance", || balance::balance(&mut graph));
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
    let program = clock.time("bands", || bands::bands(program, model, options.memory))?;
    let mut report = cost(&program);
    report.totals.made_up_images = images.is_empty();
    report.totals.agreement = target.agreement(&prediction);
    report.totals.out_of_range = (!images.is_empty()).then(|| bounds::left(&bounds, &traces));
    report.passes = clock.passes;
    Ok(Compiled { program, report })
}
