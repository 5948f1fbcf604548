//! The text form of a small network after every pass, and of its program: golden files, so that whatever changes a pass
//! shows where.

use std::fmt::Write;

use beaa_ir::Model;
use beaa_ir::ckks::dump;

use crate::ckks::{Options, compile_for, explain, explain_choices};
use crate::network::activations::forward;
use crate::network::bounds::analyse;
use crate::network::graph::{Graph, Op};
use crate::network::{calibration, import};
use crate::passes::{complete_squares, equalise_rows, fold_affine};
use crate::plan::graph_summary::{GraphSummary, NodeKind, summarise};
use crate::plan::search::{rings, search};
use crate::testing::{conv, images, linear, model_with, polynomial, pool, with_ranges};

/// Convolution, element-wise polynomials of which some are split, residual, pooling, dense layer.
fn small() -> Model {
    let coefficients = |j: usize| if j % 8 == 3 { [0.0, 0.7, 0.1] } else { [0.2 + 0.01 * (j % 5) as f64, 0.5, 0.1] };
    let residual = beaa_ir::Layer { name: "add".into(), op: beaa_ir::LayerOp::Add { with: "conv".into() } };
    let layers = vec![
        conv("conv", 2, 1, 3, 1),
        polynomial("act1", &[2, 4, 4], coefficients),
        residual,
        conv("conv2", 2, 2, 3, 1),
        polynomial("act2", &[2, 2, 2], coefficients),
        pool("pool", 2),
        linear("fc", 3, 2),
    ];
    with_ranges(model_with(layers), 1)
}

/// One line for each node; numbers to four digits, so that the last bits of a processor's logarithm do not matter.
fn text(graph: &Graph) -> String {
    let mut out = String::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        let _ = write!(out, "%{id} {} x {}: ", graph.len(id), node.label);
        let sum = |v: &[f64]| v.iter().map(|x| x.abs()).sum::<f64>();
        let _ = match &node.op {
            Op::Input(_) => write!(out, "input"),
            Op::Affine { terms, bias } => {
                let terms: Vec<String> = terms
                    .iter()
                    .map(|t| {
                        let w = &t.weights;
                        let norm = sum(w.values());
                        format!("{}x{} entries {} norm {norm:.4e} * %{}", w.rows(), w.columns(), w.entries(), t.input)
                    })
                    .collect();
                write!(out, "{} + bias of norm {:.4e}", terms.join(" + "), sum(bias))
            }
            Op::Quadratic { input, a, b, c } => {
                write!(out, "a %{input}^2 + b %{input} + c of norms {:.4e}, {:.4e}, {:.4e}", sum(a), sum(b), sum(c))
            }
            Op::Square { input, .. } => write!(out, "%{input}^2"),
        };
        if let Some(range) = node.observed_range.as_ref().and_then(|c| c.first()) {
            let _ = write!(out, "; first element within {:.4e} .. {:.4e}", range.lo, range.hi);
        }
        if !node.folded.is_empty() {
            let _ = write!(out, "; with {}", node.folded.join(", "));
        }
        let _ = writeln!(out, "{}", if id == graph.output { "  <- output" } else { "" });
    }
    out
}

fn text_of_facts(summary: &GraphSummary) -> String {
    let mut out = String::new();
    for (id, node) in summary.nodes.iter().enumerate() {
        let _ = write!(out, "%{id} {} x bound 2^{:.2}, gain {:.2e}: ", node.len, node.log_bound, node.gain);
        let _ = match &node.kind {
            NodeKind::Input => writeln!(out, "input"),
            NodeKind::Square { input } => writeln!(out, "%{input}^2"),
            NodeKind::Affine { terms, squared, uniform, rounding } => {
                let entries: Vec<String> =
                    terms.iter().map(|t| format!("{} * %{} up to {:.3e}", t.entries, t.input, t.largest)).collect();
                let rounding: Vec<String> = rounding.iter().step_by(4).map(|r| format!("{r:.1e}")).collect();
                let kind = [(squared, "squared"), (uniform, "uniform")].map(|(yes, w)| if *yes { w } else { "" });
                writeln!(out, "{} {} rounding {}", entries.join(" + "), kind.join(" "), rounding.join(" "))
            }
        };
    }
    out
}

#[test]
fn golden_passes_of_a_small_network() {
    let (model, options) = (small(), Options::default());
    let given = images(&model, 7, 64);
    let graph = import::import(&model, options.range_safety).unwrap();
    insta::assert_snapshot!("pass_1_import", text(&graph));
    let mut graph = fold_affine::fold_affine(graph);
    insta::assert_snapshot!("pass_2_merge", text(&graph));
    let input = calibration::calibration_images(&model, &given, calibration::image_count(&graph)).unwrap();
    calibration::observe_ranges(&mut graph, &input, options.range_safety);
    insta::assert_snapshot!("pass_3_samples", text(&graph));
    let mut graph = complete_squares::complete_squares(&graph, options.vertex_limit).unwrap();
    insta::assert_snapshot!("pass_4_vertex", text(&graph));
    equalise_rows::equalise_rows(&mut graph);
    insta::assert_snapshot!("pass_5_balance", text(&graph));
    let summary = summarise(&graph, &analyse(&graph), &forward(&graph, input), 1.0);
    insta::assert_snapshot!("pass_6_facts", text_of_facts(&summary));
    let (choice, plan) =
        search(&summary, &options, &rings(&options), options.logit_error, &mut Default::default()).unwrap();
    let steps: Vec<String> = plan.steps.iter().map(|s| format!("%{} {:?}", s.node, s.op)).collect();
    let primes: Vec<u32> = plan.moduli.iter().chain(&plan.special).map(|q| 64 - q.leading_zeros()).collect();
    insta::assert_snapshot!("pass_7_search", format!("{choice:?}\nprimes {primes:?}\n{}", steps.join("\n")));
}

#[test]
fn golden_program_of_a_small_network() {
    let model = small();
    let compiled = compile_for(&model, &Options::default(), &images(&model, 7, 64)).unwrap();
    insta::assert_snapshot!("small_program", dump(&compiled.program));
    insta::assert_snapshot!("small_choices", explain_choices(&compiled.program));
    let mut report = compiled.report;
    report.passes.clear();
    insta::assert_snapshot!("small_report", explain(&report));
}
