//! The passes in order: the table of contents of the compiler. Must never hold logic of its own.

use beaa_ir::Model;

use crate::bounds::analyse;
use crate::clock::Clock;
use crate::emit::{Lowered, check_overflow, emit};
use crate::error::Result;
use crate::facts::gather;
use crate::graph::check;
use crate::options::Options;
use crate::report::cost;
use crate::{Compiled, balance, bands, import, integers, merge, predict, search, vertex};

/// Attempts at a plan whose prediction for the worst output also meets the target: the search knows the mean only.
const ATTEMPTS: usize = 12;

/// Lowers `model` to a program.
pub fn compile(model: &Model, options: &Options) -> Result<Compiled> {
    options.check()?;
    let safety = options.range_safety;
    let mut clock = Clock::default();

    let graph = clock.time("import", || import::import(model, safety))?;
    check(&graph, "import")?;
    let graph = clock.time("merge", || merge::merge(graph));
    check(&graph, "merge")?;
    let mut graph = clock.time("vertex", || vertex::complete_squares(&graph, options.vertex_limit, safety))?;
    check(&graph, "vertex")?;
    vertex::check_squares(&graph)?;
    clock.time("balance", || balance::balance(&mut graph, safety));
    check(&graph, "balance")?;
    let facts = clock.time("facts", || gather(&graph, &analyse(&graph, safety)));

    let (mut allowed, mut best, mut tables) = (options.logit_error, f64::INFINITY, search::Tables::new());
    for attempt in 1.. {
        let found = clock.time("search", || search::search(&facts, options, allowed, &mut tables));
        let (choice, plan) = found.map_err(|e| predict::as_asked(e, best, options))?;
        let mut graph = graph.clone();
        let (rounded, stats) = clock.time("integers", || integers::round(&mut graph, &choice, &plan, safety))?;
        check(&graph, "integers")?;
        let deviations = clock.time("predict", || predict::predict(&graph, &rounded, &stats, &choice, &plan));
        let output = deviations.get(plan.values[graph.output]).copied().unwrap_or_default();
        best = best.min(output.total());
        if output.total() > options.logit_error && attempt < ATTEMPTS {
            allowed *= 0.9 * options.logit_error / output.total();
            continue;
        }
        predict::check_target(output, options)?;
        let lowered =
            Lowered { graph: &graph, stats: &stats, rounded, choice: &choice, plan: &plan, deviations: &deviations };
        let program = clock.time("emit", || emit(model, options.security, lowered))?;
        check_overflow(&program)?;
        let program = clock.time("bands", || bands::bands(program, model, options.memory))?;
        let mut report = cost(&program);
        report.totals.output_rounding = Some(output.rounding);
        report.passes = clock.passes;
        return Ok(Compiled { program, report });
    }
    Err(crate::error::internal("search", "no attempt was made"))
}
