//! Runs the passes: times each, checks every graph, and shows what was made to an observer, which
//! cannot change it.

use std::fmt;
use std::time::Instant;

use crate::cost::report::PassTime;
use crate::error::{Error, Result};
use crate::network::graph::{Graph, check};
use crate::plan::graph_summary::GraphSummary;
use crate::plan::level_plan::LevelPlan;

/// What a pass has made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Product<'a> {
    Graph(&'a Graph),
    Summary(&'a GraphSummary),
    Plan(&'a LevelPlan),
}

impl fmt::Display for Product<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(graph) => graph.fmt(f),
            Self::Summary(summary) => summary.fmt(f),
            Self::Plan(plan) => plan.fmt(f),
        }
    }
}

/// The passes of one compilation.
pub(crate) struct PassRunner<'a> {
    /// The passes that have run, in order of first use.
    pub(crate) times: Vec<PassTime>,
    observer: &'a mut dyn FnMut(&'static str, Product<'_>),
    is_stopped: &'a dyn Fn() -> bool,
}

impl<'a> PassRunner<'a> {
    /// A runner that calls `observer` with the name of every pass that makes something worth
    /// seeing, and ends once `is_stopped` says so.
    pub(crate) fn new(
        observer: &'a mut dyn FnMut(&'static str, Product<'_>),
        is_stopped: &'a dyn Fn() -> bool,
    ) -> Self {
        Self { times: Vec::new(), observer, is_stopped }
    }

    /// Refuses to go on once it is to be stopped.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub(crate) fn go_on(&self) -> Result<()> {
        if (self.is_stopped)() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Runs a pass and adds to its time.
    pub(crate) fn time<T>(&mut self, pass: &'static str, run: impl FnOnce() -> T) -> T {
        let _span = tracing::debug_span!("pass", name = pass).entered();
        let start = Instant::now();
        let result = run();
        let seconds = start.elapsed().as_secs_f64();
        tracing::debug!(pass, seconds, "pass done");
        match self.times.iter_mut().find(|p| p.pass == pass) {
            Some(p) => p.seconds += seconds,
            None => self.times.push(PassTime { pass, seconds }),
        }
        result
    }

    /// Shows what a pass has made.
    pub(crate) fn show(&mut self, pass: &'static str, product: Product<'_>) {
        (self.observer)(pass, product);
    }

    /// Runs a pass that makes a graph, checks the graph and shows it.
    ///
    /// # Errors
    /// The pass's own, [`Error::Stopped`] once it is to be stopped, and [`Error::Internal`] for a
    /// graph that breaks an invariant.
    pub(crate) fn rewrite(&mut self, pass: &'static str, run: impl FnOnce() -> Result<Graph>) -> Result<Graph> {
        self.go_on()?;
        let graph = self.time(pass, run)?;
        check(&graph, pass)?;
        self.show(pass, Product::Graph(&graph));
        Ok(graph)
    }
}
