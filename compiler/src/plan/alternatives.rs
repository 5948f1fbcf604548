//! Every choice that the search made against its neighbours: what each would have led to, all else being equal, and why it
//! was not taken. Must never influence the choice.

use beaa_ir::ckks::{Alternative, AlternativeCost};

use crate::network::graph::Graph;
use crate::options::Options;
use crate::plan::graph_summary::{GraphSummary, NodeKind};
use crate::plan::level_plan::{LevelPlan, PlanChoice, plan_levels};
use crate::plan::primes::PrimeTable;
use crate::plan::search::{Ring, Tables, Variable, better, stepped, variables};

/// What was chosen, from what.
pub(crate) struct ChosenPlan<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) summary: &'a GraphSummary,
    pub(crate) options: &'a Options,
    pub(crate) rings: &'a [Ring],
    pub(crate) choice: &'a PlanChoice,
    pub(crate) plan: &'a LevelPlan,
    /// Choices whose error, simulated, is more than asked for although the planner thinks otherwise.
    pub(crate) rejected: &'a [PlanChoice],
}

impl ChosenPlan<'_> {
    /// All neighbours of the choice. `simulated` is the error of the chosen plan, `asked` the one that it may have.
    pub(crate) fn alternatives(&self, simulated: f64, requested: f64, tables: &mut Tables) -> Vec<Alternative> {
        let ratio = simulated / self.plan.variance.sqrt().max(f64::MIN_POSITIVE);
        let judge = Judge { chosen: self.plan, ratio, requested };
        let mut all = Vec::new();
        for &Ring { degree, allowed } in self.rings {
            let primes = &*tables.entry(degree).or_insert_with(|| PrimeTable::new(degree));
            if degree == self.plan.degree {
                self.neighbours(&judge, primes, allowed, &mut all);
            } else {
                let (chosen, instead) = (format!("N = {}", self.plan.degree), format!("N = {degree}"));
                let found = plan_levels(self.summary, self.choice, primes, allowed);
                all.push(judge.alternative("program", chosen, instead, found, allowed));
            }
        }
        all
    }

    fn neighbours(&self, judge: &Judge<'_>, primes: &PrimeTable, allowed: u32, all: &mut Vec<Alternative>) {
        let mut add = |layer: &str, chosen: String, instead: String, next: &PlanChoice| {
            let found = plan_levels(self.summary, next, primes, allowed);
            let mut alternative = judge.alternative(layer, chosen, instead, found, allowed);
            if self.rejected.contains(next) {
                alternative.verdict = "its error, simulated, is more than asked for".into();
            }
            all.push(alternative);
        };
        let special = |has: bool| if has { "a special prime" } else { "no special prime" }.to_owned();
        let other = PlanChoice { special: !self.choice.special, ..self.choice.clone() };
        add("program", special(self.choice.special), special(other.special), &other);
        for variable in variables(self.summary, self.options) {
            for by in [-1, 1] {
                let Some(next) = stepped(self.choice, variable, by) else { continue };
                let (layer, say): (&str, fn(u32) -> String) = match variable {
                    Variable::Input => ("input", |b| format!("scale 2^{b}")),
                    Variable::Weight(id) => (&self.graph.nodes[id].label, |b| format!("{b}-bit weights")),
                    Variable::Waterline(id) => (&self.graph.nodes[id].label, |b| format!("rescaled to 2^{b} or above")),
                };
                add(layer, say(value(self.choice, variable)), say(value(&next, variable)), &next);
            }
        }
        for (id, node) in self.summary.nodes.iter().enumerate() {
            if matches!(node.kind, NodeKind::Square { .. }) {
                let mut next = self.choice.clone();
                next.relinearise_eagerly[id] = !next.relinearise_eagerly[id];
                let say = |relinearise_eagerly: bool| {
                    if relinearise_eagerly { "relinearised at once" } else { "relinearised later or not at all" }
                };
                let layer = &self.graph.nodes[id].label;
                add(
                    layer,
                    say(self.choice.relinearise_eagerly[id]).into(),
                    say(next.relinearise_eagerly[id]).into(),
                    &next,
                );
            }
        }
    }
}

fn value(choice: &PlanChoice, variable: Variable) -> u32 {
    match variable {
        Variable::Input => choice.input_bits,
        Variable::Weight(id) => choice.weight_bits[id],
        Variable::Waterline(id) => choice.waterline[id],
    }
}

/// The chosen plan, what its error really is to what the planner takes it for, and the error asked for.
struct Judge<'a> {
    chosen: &'a LevelPlan,
    ratio: f64,
    requested: f64,
}

impl Judge<'_> {
    fn alternative(
        &self,
        layer: &str,
        chosen: String,
        instead: String,
        found: Option<LevelPlan>,
        allowed: u32,
    ) -> Alternative {
        let error = |p: &LevelPlan| p.variance.sqrt() * self.ratio;
        let outcome = found.as_ref().map(|p| AlternativeCost {
            seconds: p.seconds,
            limbs: p.moduli.len(),
            log_qp: p.log_qp,
            error: error(p),
        });
        let verdict = match &found {
            None => "there are no primes for it".into(),
            Some(p) if p.log_qp > f64::from(allowed) => {
                format!("needs {:.0} bits of modulus, {allowed} are secure", p.log_qp.ceil())
            }
            Some(p) => match (self.slower_by(p), error(p) / self.requested) {
                (Some(slower_by), _) => slower_by,
                (None, spent) if spent > 1.0 => format!("error {spent:.2} times what was asked for"),
                (None, _) => self.no_dearer(p),
            },
        };
        Alternative { layer: layer.into(), chosen, instead, verdict, outcome }
    }

    fn slower_by(&self, p: &LevelPlan) -> Option<String> {
        let slower = p.seconds / self.chosen.seconds.max(f64::MIN_POSITIVE) - 1.0;
        (slower > 1e-9).then(|| format!("{:.1} % slower", slower * 100.0))
    }

    fn no_dearer(&self, p: &LevelPlan) -> String {
        let bits = p.log_qp - self.chosen.log_qp;
        match better(p, self.chosen) {
            true => "would be better: the search missed it".into(),
            false if bits > 0.01 => format!("as fast, {bits:.1} bits more modulus to send"),
            // A choice without effect, or a smaller error that nobody asked for.
            false => "makes no difference".into(),
        }
    }
}
