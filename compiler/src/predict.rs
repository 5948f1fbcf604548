//! Pass `predict`: carries the variance of every element's error through the rounded network, encryption and rounding of
//! weights apart. Errors are taken as independent wherever they meet, and a square's input as independent of its error.
//! Must never be optimistic about magnitudes: powers come from the statistics, which are not.

use crate::bounds::Stats;
use crate::graph::{Graph, NodeId, Op};
use crate::integers::Rounded;
use crate::levels::{Choice, Plan, Planned};
use crate::noise;
use crate::options::Options;
use crate::{Error, Result};

/// Standard deviations of the worst element of a value, in the value's own units (integer over scale).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Deviation {
    /// Encryption, rescaling, key switching.
    pub(crate) encryption: f64,
    /// Rounding of weights, against the model.
    pub(crate) rounding: f64,
}

impl Deviation {
    /// Both together.
    pub(crate) fn total(self) -> f64 {
        self.encryption.hypot(self.rounding)
    }
}

#[derive(Clone, Default)]
struct Variances {
    encryption: Vec<f64>,
    rounding: Vec<f64>,
}

/// The deviation of every value of the plan, the input first.
pub(crate) fn predict(
    graph: &Graph,
    rounded: &[Option<Rounded>],
    stats: &[Stats],
    choice: &Choice,
    plan: &Plan,
) -> Vec<Deviation> {
    let input = graph.len(0);
    let fresh = noise::fresh(plan.degree) * (-2.0 * f64::from(choice.input_bits)).exp2();
    let mut values = vec![Variances { encryption: vec![fresh; input], rounding: vec![0.0; input] }];
    // log2 of scale, and limbs, of every value.
    let mut places = vec![(f64::from(choice.input_bits), plan.moduli.len())];
    for step in &plan.steps {
        let (mut log_scale, mut limbs) = places[read(&step.op)];
        let value = match &step.op {
            Planned::Linear { inputs, .. } => {
                limbs = inputs.iter().map(|&i| places[i].1).min().unwrap_or(limbs);
                log_scale = inputs.iter().map(|&i| places[i].0).fold(log_scale, f64::max);
                match rounded.get(step.node).and_then(Option::as_ref) {
                    Some(r) => {
                        log_scale += r.weight_scale.log2();
                        linear(graph, step.node, inputs, r, &values)
                    }
                    None => Variances::default(),
                }
            }
            Planned::Square { input } => {
                log_scale *= 2.0;
                squared(&values[*input], &stats[square_input(graph, step.node)])
            }
            Planned::Relinearise { input } => {
                let present = plan.moduli.get(..limbs).unwrap_or_default();
                added(
                    &values[*input],
                    noise::relinearise(plan.degree, present, plan.special.first().copied()),
                    log_scale,
                )
            }
            Planned::Rescale { input } => {
                limbs = limbs.saturating_sub(1);
                log_scale -= plan.moduli.get(limbs).map_or(0.0, |&q| (q as f64).log2());
                added(&values[*input], noise::rescale(plan.degree, 2), log_scale)
            }
            Planned::ScaleUp { input, log_factor } => {
                log_scale += f64::from(*log_factor);
                values[*input].clone()
            }
            Planned::DropLimbs { input, limbs: left } => {
                limbs = *left;
                values[*input].clone()
            }
        };
        values.push(value);
        places.push((log_scale, limbs));
    }
    let worst = |v: &[f64]| v.iter().copied().fold(0.0, f64::max).sqrt();
    values.iter().map(|v| Deviation { encryption: worst(&v.encryption), rounding: worst(&v.rounding) }).collect()
}

fn read(op: &Planned) -> usize {
    match op {
        Planned::Linear { inputs, .. } => inputs.first().copied().unwrap_or(0),
        Planned::ScaleUp { input, .. }
        | Planned::Square { input }
        | Planned::Relinearise { input }
        | Planned::Rescale { input }
        | Planned::DropLimbs { input, .. } => *input,
    }
}

fn square_input(graph: &Graph, id: NodeId) -> NodeId {
    match graph.nodes[id].op {
        Op::Square { input } => input,
        _ => id,
    }
}

fn linear(graph: &Graph, id: NodeId, inputs: &[usize], rounded: &Rounded, values: &[Variances]) -> Variances {
    let mut out = Variances { encryption: vec![0.0; graph.len(id)], rounding: rounded.error.clone() };
    let unit = 1.0 / (rounded.weight_scale * rounded.weight_scale);
    for (matrix, &input) in rounded.terms.iter().zip(inputs) {
        let from = &values[input];
        for r in 0..matrix.rows() {
            let (columns, weights) = matrix.row(r);
            for (&c, &w) in columns.iter().zip(weights) {
                let gain = f64::from(w) * f64::from(w) * unit;
                out.encryption[r] += gain * from.encryption[c as usize];
                out.rounding[r] += gain * from.rounding[c as usize];
            }
        }
    }
    out
}

fn squared(from: &Variances, stats: &Stats) -> Variances {
    let map = |v: &[f64]| v.iter().enumerate().map(|(j, &v)| noise::square(stats.power(j), v)).collect();
    Variances { encryption: map(&from.encryption), rounding: map(&from.rounding) }
}

fn added(from: &Variances, variance: f64, log_scale: f64) -> Variances {
    let more = variance * (-2.0 * log_scale).exp2();
    Variances { encryption: from.encryption.iter().map(|v| v + more).collect(), rounding: from.rounding.clone() }
}

/// A search that failed after its target was tightened is reported with the error that the user asked for, and the best one
/// predicted so far.
pub(crate) fn as_asked(error: Error, best: f64, options: &Options) -> Error {
    match error {
        Error::Precision { remedy, best: found, .. } => {
            Error::Precision { best: if best.is_finite() { best } else { found }, asked: options.logit_error, remedy }
        }
        other => other,
    }
}

/// Refuses a prediction beyond what was asked for.
pub(crate) fn check_target(output: Deviation, options: &Options) -> Result<()> {
    if output.total() <= options.logit_error {
        return Ok(());
    }
    Err(Error::Precision {
        best: output.total(),
        asked: options.logit_error,
        remedy: "accept a larger error, leave `input_bits` and `weight_bits` to the compiler, or train for smaller outputs",
    })
}
