//! Operators behind the scores: a softmax, a choice of the largest, the names of classes. What does
//! not change which class wins is left out.

use super::answer::{Answer, AnswerKind};
use super::attributes::Attributes;
use super::budget::axis;
use super::constant::Constant;
use super::context::{Inputs, Lowering, Slot};
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use crate::error::{Checked, defect};

const NOT_AT_THE_END: &str = "it cannot be evaluated under encryption; leave it out, or use a quadratic";

/// The number of scores, if the tensor is a vector of them for each image, and along which axis
/// they lie.
fn scores(value: &Value) -> Option<(usize, usize)> {
    let dims = &value.layout.dims;
    value.layout.of_image()?;
    let mut long = (0..dims.len()).filter(|&k| dims[k] > 1);
    match (long.next(), long.next()) {
        (Some(k), None) => Some((dims[k], k)),
        (None, _) => Some((1, dims.len().saturating_sub(1))),
        _ => None,
    }
}

fn answer(node: &NodeProto, scores: &Value, kind: AnswerKind) -> Slot {
    let left_out = vec![(names::of_node(node), node.op_type.clone())];
    Slot::Answer(Answer { scores: scores.clone(), kind, left_out, threshold: 0.0, names: Vec::new() })
}

/// An operator that makes an answer of scores; none if it is no such operator.
pub(crate) fn of_scores(lowering: &Lowering<'_>, node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Option<Vec<Slot>>> {
    let Some(Some(Slot::Value(x))) = inputs.slots.first() else { return Ok(None) };
    let one = |slot: Slot| Ok(Some(vec![slot]));
    match node.op_type.as_str() {
        "Softmax" | "LogSoftmax" => {
            let old = lowering.graph.opset < 13;
            let k = Attributes::of(node, &["axis"])?.int("axis", if old { 1 } else { -1 });
            let k = axis(k, x.layout.dims.len())?;
            // Before operator set 13 all extents from the axis on were one.
            match scores(x) {
                Some((n, along)) if n > 1 && (k == along || (old && k < along && Some(k) != x.layout.batch)) => {
                    one(answer(node, x, AnswerKind::Shares))
                }
                Some((1, _)) => {
                    defect("a softmax over a single score, which is always 1", "use a sigmoid, or two scores")
                }
                _ => defect(AnswerKind::Shares.in_the_middle(), NOT_AT_THE_END),
            }
        }
        "Sigmoid" => match scores(x) {
            Some((1, _)) => one(answer(node, x, AnswerKind::Probability)),
            Some(_) => one(answer(node, x, AnswerKind::Labels)),
            None => Ok(None),
        },
        "Tanh" | "Softplus" | "Softsign" | "Exp" | "Erf" => match scores(x) {
            Some((n, _)) if n > 1 => one(answer(node, x, AnswerKind::Grown)),
            _ => Ok(None),
        },
        "ArgMax" if largest(node, x)? => one(answer(node, x, AnswerKind::Class)),
        "ReduceMax" if scores(x).is_some_and(|(n, _)| n > 1) => one(answer(node, x, AnswerKind::Common)),
        "TopK" if top(node, x)? => {
            let class = answer(node, x, AnswerKind::Class);
            Ok(Some(vec![class.clone(), class]))
        }
        "Greater" | "GreaterOrEqual" => match (scores(x), inputs.maybe_constant(1)?.and_then(Constant::single)) {
            (Some((1, _)), Some(threshold)) => match answer(node, x, AnswerKind::Class) {
                Slot::Answer(a) => one(Slot::Answer(Answer { threshold, ..a })),
                other => one(other),
            },
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// Whether a node says which score of each image is the largest.
fn largest(node: &NodeProto, x: &Value) -> Checked<bool> {
    let a = Attributes::of(node, &["axis", "keepdims", "select_last_index"])?;
    let k = axis(a.int("axis", 0), x.layout.dims.len())?;
    Ok(a.int("select_last_index", 0) == 0 && scores(x).is_some_and(|(n, along)| n > 1 && along == k))
}

fn top(node: &NodeProto, x: &Value) -> Checked<bool> {
    let a = Attributes::of(node, &["axis", "largest", "sorted", "k"])?;
    let k = axis(a.int("axis", -1), x.layout.dims.len())?;
    let best = a.int("largest", 1) == 1 && a.int("sorted", 1) == 1;
    Ok(best && scores(x).is_some_and(|(n, along)| n > 1 && along == k))
}

/// An operator on answers: the same class for every image, or else the reason why it is none.
pub(crate) fn of_answers(node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Vec<Slot>> {
    let answers: Vec<&Answer> =
        inputs.slots.iter().flatten().filter_map(|s| if let Slot::Answer(a) = s { Some(a) } else { None }).collect();
    let Some(&first) = answers.first() else { return defect("no answer", "export the network again") };
    let changed = match answers.as_slice() {
        [one] => of_one(node, inputs, one)?,
        [_, _] => pair(node, &answers),
        _ => None,
    };
    match changed {
        Some(kind) => {
            let mut left_out = first.left_out.clone();
            left_out.push((names::of_node(node), node.op_type.clone()));
            let names = class_names(node, inputs).unwrap_or_else(|| first.names.clone());
            let threshold = match (node.op_type.as_str(), first.kind) {
                ("Greater" | "GreaterOrEqual", AnswerKind::Probability) => logit(number(inputs, 1)),
                _ => first.threshold,
            };
            let answer = Answer { kind, left_out, names, threshold, scores: first.scores.clone() };
            Ok(vec![Slot::Answer(answer); node.output.len().max(1)])
        }
        None => {
            let (name, operator) = first.origin().clone();
            defect(format!("`{}` behind `{name}` ({operator})", node.op_type), NOT_AT_THE_END)
        }
    }
}

/// The score of a probability.
fn logit(probability: Option<f64>) -> f64 {
    probability.map_or(0.0, |p| (p / (1.0 - p)).ln())
}

fn number(inputs: &Inputs<'_>, index: usize) -> Option<f64> {
    match inputs.slots.get(index) {
        Some(Some(Slot::Constant(c))) => c.single(),
        _ => None,
    }
}

/// What an operator makes of one answer, beside constants.
fn of_one(node: &NodeProto, inputs: &Inputs<'_>, answer: &Answer) -> Checked<Option<AnswerKind>> {
    use AnswerKind::{Class, Common, Complement, Grown, Labels, Pair, Probability, Shares};
    let kind = answer.kind;
    let (left, right) = (number(inputs, 0), number(inputs, 1));
    let ordered = matches!(kind, Shares | Grown);
    Ok(match (node.op_type.as_str(), kind) {
        ("Identity" | "Cast" | "CastLike" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Dropout", _) => {
            Some(kind)
        }
        ("Softmax" | "LogSoftmax" | "Normalizer", Shares) => Some(Shares),
        // Each of these grows with its input.
        ("Log" | "Exp" | "Sqrt" | "Tanh" | "Softplus", Shares) => Some(Shares),
        ("Add" | "Sub", _) if ordered && right.is_some() => Some(kind),
        ("Add", _) if ordered && left.is_some() => Some(kind),
        ("Mul" | "Div", _) if ordered && right.is_some_and(|v| v > 0.0 && v.is_finite()) => Some(kind),
        ("Mul", _) if ordered && left.is_some_and(|v| v > 0.0 && v.is_finite()) => Some(kind),
        ("Sub", Probability) if left == Some(1.0) => Some(Complement),
        ("Greater" | "GreaterOrEqual", Probability) if right.is_some_and(|p| p > 0.0 && p < 1.0) => Some(Class),
        ("ArgMax", Shares | Grown | Pair) => {
            let a = Attributes::of(node, &["axis", "keepdims", "select_last_index"])?;
            let rank = answer.scores.layout.dims.len() as i64;
            (a.int("select_last_index", 0) == 0 && [1, -1, rank - 1].contains(&a.int("axis", 0))).then_some(Class)
        }
        ("TopK", Shares | Grown | Pair) => {
            let a = Attributes::of(node, &["axis", "largest", "sorted", "k"])?;
            (a.int("largest", 1) == 1 && a.int("sorted", 1) == 1).then_some(Class)
        }
        ("ReduceSum" | "ReduceMax" | "ReduceL1", Shares | Grown) => Some(Common),
        ("ZipMap", Shares | Pair | Grown) => Some(kind),
        ("ArrayFeatureExtractor" | "Gather" | "LabelEncoder" | "Where", Class) => Some(Class),
        ("Round", Probability) => Some(Class),
        (_, Labels) => None,
        _ => None,
    })
}

/// What an operator makes of two answers about the same scores.
fn pair(node: &NodeProto, answers: &[&Answer]) -> Option<AnswerKind> {
    use AnswerKind::{Common, Complement, Grown, Pair, Probability, Shares};
    let &[a, b] = answers else { return None };
    if a.scores.base != b.scores.base || a.scores.quadratic != b.scores.quadratic {
        return None;
    }
    match (node.op_type.as_str(), a.kind, b.kind) {
        ("Concat", Complement, Probability) => Some(Pair),
        ("Div", Shares | Grown, Common) if positive(a) => Some(Shares),
        ("Sub", Shares | Grown, Common) => Some(Shares),
        _ => None,
    }
}

/// Whether all numbers of an answer are positive, so that their sum is.
fn positive(answer: &Answer) -> bool {
    answer
        .left_out
        .iter()
        .rev()
        .find(|(_, op)| !matches!(op.as_str(), "Identity" | "Cast" | "Reshape"))
        .is_some_and(|(_, op)| matches!(op.as_str(), "Exp" | "Softmax" | "Softplus"))
}

/// The scores less what is the same for all classes of an image, as a softmax that is written out
/// starts: which class wins stays.
pub(crate) fn less_the_common(node: &NodeProto, inputs: &Inputs<'_>) -> Option<Slot> {
    let (Some(Some(Slot::Value(x))), Some(Some(Slot::Answer(a)))) = (inputs.slots.first(), inputs.slots.get(1)) else {
        return None;
    };
    let same = a.scores.base == x.base && a.scores.quadratic == x.quadratic;
    (node.op_type == "Sub" && a.kind == AnswerKind::Common && same).then(|| {
        let mut shares = a.clone();
        shares.kind = AnswerKind::Shares;
        shares.left_out.push((names::of_node(node), node.op_type.clone()));
        Slot::Answer(shares)
    })
}

/// The names that `ZipMap` puts beside the numbers.
fn class_names(node: &NodeProto, _: &Inputs<'_>) -> Option<Vec<String>> {
    (node.op_type == "ZipMap").then(|| Attributes::all(node).texts("classlabels_strings")).filter(|n| !n.is_empty())
}
