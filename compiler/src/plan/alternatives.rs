//! Every choice that the search made against its neighbours: what each would have led to, all else
//! being equal, and why it was not taken. Only reports; the choice is made before.

use beaa_base::words::count;
use beaa_ir::ckks::{Alternative, AlternativeCost};

use crate::network::graph::Graph;
use crate::options::Options;
use crate::plan::assign_levels::assign_levels;
use crate::plan::graph_summary::{GraphSummary, NodeKind};
use crate::plan::level_plan::{Answer, LevelPlan, PlanChoice};
use crate::plan::primes::PrimeTable;
use crate::plan::rings::{Ring, Rings, answer_bytes};
use crate::plan::search::{Tables, better};
use crate::plan::variables::{Variable, stepped, value, variables};

/// What was chosen, from what.
pub(crate) struct ChosenPlan<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) summary: &'a GraphSummary,
    pub(crate) options: &'a Options,
    pub(crate) rings: &'a Rings,
    pub(crate) plan: &'a LevelPlan,
    /// The best plans on other rings that were searched.
    pub(crate) others: &'a [LevelPlan],
    /// Choices whose error, simulated, is more than asked for although the planner thinks
    /// otherwise.
    pub(crate) rejected: &'a [PlanChoice],
}

impl ChosenPlan<'_> {
    /// All neighbours of the choice. `simulated` is the error of the chosen plan, `requested` the
    /// one that it may have.
    pub(crate) fn alternatives(&self, simulated: f64, requested: f64, tables: &mut Tables) -> Vec<Alternative> {
        let ratio = simulated / self.plan.variance.sqrt().max(f64::MIN_POSITIVE);
        let judge = Judge { chosen: self.plan, ratio, requested, batches: [self.rings.batches(self.plan.degree); 2] };
        let mut all = Vec::new();
        for Ring { degree, allowed } in self.rings.all() {
            let primes = &*tables.entry(degree).or_insert_with(|| PrimeTable::new(degree));
            if degree == self.plan.degree {
                self.neighbours(&judge, primes, allowed, &mut all);
            } else {
                all.push(self.ring(&judge, primes, allowed));
            }
        }
        all
    }

    /// Another ring: the best plan on it if it was searched, else the same choices.
    fn ring(&self, judge: &Judge<'_>, primes: &PrimeTable, allowed: u32) -> Alternative {
        let degree = primes.degree;
        let say = |degree: usize| match self.rings.batches(degree) {
            1 => format!("N = {degree}"),
            n => format!("N = {degree}, {n} batches"),
        };
        let texts = Texts::new("program", say(self.plan.degree), say(degree));
        let searched = self.others.iter().find(|p| p.degree == degree).cloned();
        let found = searched.or_else(|| assign_levels(self.summary, self.plan.choice.clone(), primes, allowed));
        let mut alternative = Judge { batches: [judge.batches[0], self.rings.batches(degree)], ..*judge }.alternative(
            texts,
            found.clone(),
            allowed,
        );
        let fits = |p: &LevelPlan| p.log_qp <= f64::from(allowed) && p.variance.sqrt() * judge.ratio <= judge.requested;
        if let Some(found) = found.filter(fits) {
            let [cost, chosen] = [&found, self.plan].map(|p| self.rings.cost(p, self.summary));
            let percent = 100.0 * (cost / chosen - 1.0);
            alternative.verdict = if percent > 0.0 {
                format!("{percent:.1} % dearer for all images, in time and bytes to send")
            } else {
                format!("only {:.1} % cheaper for all images, in time and bytes to send", -percent)
            };
        }
        alternative
    }

    /// The same choices but one.
    fn neighbour(
        &self,
        judge: &Judge<'_>,
        texts: Texts,
        next: PlanChoice,
        (primes, allowed): (&PrimeTable, u32),
    ) -> Alternative {
        // Simulated before the answers were made smaller.
        let rejected = self.rejected.contains(&PlanChoice { answer: Answer::default(), ..next.clone() });
        let found = assign_levels(self.summary, next, primes, allowed);
        let mut alternative = judge.alternative(texts, found, allowed);
        if rejected {
            alternative.verdict = "its error, simulated, is more than asked for".into();
        }
        alternative
    }

    /// Answers sent as they were computed.
    fn answers_as_they_are(&self, judge: &Judge<'_>, primes: &PrimeTable, allowed: u32) -> Alternative {
        let say =
            |p: &LevelPlan| format!("answers of {} and {}", count(p.output.0, "limb"), count(p.output.1, "component"));
        let next = PlanChoice { answer: Answer::default(), ..self.plan.choice.clone() };
        let found = assign_levels(self.summary, next, primes, allowed);
        let instead = found.as_ref().map_or_else(|| "as they are computed".to_owned(), say);
        let more = found.as_ref().map(|p| answer_bytes(p, self.summary) / answer_bytes(self.plan, self.summary) - 1.0);
        let mut alternative = judge.alternative(Texts::new("program", say(self.plan), instead), found, allowed);
        if let Some(more) = more {
            alternative.verdict = format!("{:.0} % more to send in answers", 100.0 * more);
        }
        alternative
    }

    fn neighbours(&self, judge: &Judge<'_>, primes: &PrimeTable, allowed: u32, all: &mut Vec<Alternative>) {
        let choice = &self.plan.choice;
        for special in [choice.special.checked_sub(1), Some(choice.special + 1)].into_iter().flatten() {
            let texts = Texts::new("program", count(choice.special, "special prime"), count(special, "special prime"));
            all.push(self.neighbour(judge, texts, PlanChoice { special, ..choice.clone() }, (primes, allowed)));
        }
        if choice.answer != Answer::default() {
            all.push(self.answers_as_they_are(judge, primes, allowed));
        }
        let mut add = |texts: Texts, next: PlanChoice| {
            all.push(self.neighbour(judge, texts, next, (primes, allowed)));
        };
        for variable in variables(self.summary, self.options) {
            for by in [-1, 1] {
                let Some(next) = stepped(choice, variable, by) else { continue };
                let (layer, say): (&str, fn(u32) -> String) = match variable {
                    Variable::Input => ("input", |b| format!("scale 2^{b}")),
                    Variable::Weight { node, .. } => (&self.graph.nodes[node].label, |b| format!("{b}-bit weights")),
                    Variable::Waterline(id) => (&self.graph.nodes[id].label, |b| format!("rescaled to 2^{b} or above")),
                };
                add(Texts::new(layer, say(value(choice, variable)), say(value(&next, variable))), next);
            }
        }
        for (id, node) in self.summary.nodes.iter().enumerate() {
            if matches!(node.kind, NodeKind::Square { .. }) {
                let mut next = choice.clone();
                next.relinearise_eagerly[id] = !next.relinearise_eagerly[id];
                let say = |eager: bool| if eager { "relinearised at once" } else { "relinearised later or not at all" };
                let (chosen, instead) = (say(choice.relinearise_eagerly[id]), say(next.relinearise_eagerly[id]));
                add(Texts::new(&self.graph.nodes[id].label, chosen, instead), next);
            }
        }
    }
}

/// What an alternative is about, in words.
struct Texts {
    layer: String,
    chosen: String,
    instead: String,
}

impl Texts {
    fn new(layer: &str, chosen: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { layer: layer.into(), chosen: chosen.into(), instead: instead.into() }
    }
}

/// The chosen plan, the ratio of its simulated error to the planner's estimate, and the error asked
/// for.
#[derive(Clone, Copy)]
struct Judge<'a> {
    chosen: &'a LevelPlan,
    ratio: f64,
    requested: f64,
    /// Batches that all images take, on the ring of the chosen plan and on that of what is judged.
    batches: [usize; 2],
}

impl Judge<'_> {
    fn alternative(&self, texts: Texts, found: Option<LevelPlan>, allowed: u32) -> Alternative {
        let error = |p: &LevelPlan| p.variance.sqrt() * self.ratio;
        let outcome = found.as_ref().map(|p| AlternativeCost {
            seconds: self.seconds(p),
            limbs: p.moduli.len(),
            log_qp: p.log_qp,
            error: error(p),
        });
        let verdict = match &found {
            None => "there are no primes for it".into(),
            Some(p) if p.log_qp > f64::from(allowed) => {
                format!("needs {:.0} bits of modulus, {allowed} are secure", p.log_qp.ceil())
            }
            Some(p) => match (self.slower(p), error(p) / self.requested) {
                (Some(slower), _) => slower,
                (None, spent) if spent > 1.0 => format!("error {spent:.2} times what was asked for"),
                (None, _) => self.not_slower(p),
            },
        };
        Alternative { layer: texts.layer, chosen: texts.chosen, instead: texts.instead, verdict, outcome }
    }

    /// Predicted seconds of all batches.
    fn seconds(&self, p: &LevelPlan) -> f64 {
        p.seconds * self.batches[1] as f64
    }

    fn slower(&self, p: &LevelPlan) -> Option<String> {
        let chosen = self.chosen.seconds * self.batches[0] as f64;
        let slower = self.seconds(p) / chosen.max(f64::MIN_POSITIVE) - 1.0;
        (slower > 1e-9).then(|| format!("{:.1} % slower", slower * 100.0))
    }

    fn not_slower(&self, p: &LevelPlan) -> String {
        let bits = p.log_qp - self.chosen.log_qp;
        if better(p, self.chosen) {
            "would be better: the search missed it".into()
        } else if bits > 0.01 {
            format!("as fast, {bits:.1} bits more modulus to send")
        } else {
            // A choice without effect, or a smaller error that nobody asked for.
            "makes no difference".into()
        }
    }
}
