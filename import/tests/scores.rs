//! What stands behind the scores, and which output they are: left out where it changes no class,
//! refused where it would.

#![allow(clippy::unwrap_used, clippy::panic)]

mod graphs;

use beaa_import::{Error, Imported, Options, import_onnx_bytes};
use beaa_ir::evaluate;
use graphs::{bytes, ints, network, node, number, open_batch, tensor, text, typed, value_info};

/// Nodes or constants of a graph.
type Nodes<'a> = &'a [Vec<u8>];

fn attribute(name: &str, value: i64) -> Vec<u8> {
    [text(1, name), number(3, value)].concat()
}

/// A linear layer to `outs` scores, `s`, and what follows.
fn behind(outs: i64, nodes: &[Vec<u8>], constants: &[Vec<u8>]) -> Vec<u8> {
    let weights: Vec<f32> = (0..4 * outs).map(|k| (k % 5) as f32 - 1.5).collect();
    let first = [node("Flatten", &["x"], "f", &[]), node("MatMul", &["f", "w"], "s", &[])];
    open_batch(&[1, 2, 2], &[&first, nodes].concat(), &[&[tensor("w", &[4, outs], &weights)], constants].concat())
}

fn import(bytes: &[u8]) -> Result<Imported, Error> {
    import_onnx_bytes(bytes, &Options::default())
}

fn said(bytes: &[u8]) -> String {
    import(bytes).err().unwrap().to_string()
}

#[test]
fn a_sigmoid_over_one_score_is_left_out_and_a_probability_of_a_half_is_a_score_of_0() {
    let graph = behind(1, &[node("Sigmoid", &["s"], "y", &[])], &[]);
    let Imported { model, notes } = import(&graph).unwrap();
    assert_eq!((model.outputs(), model.classes().threshold()), (1, Some(0.0)));
    assert!(notes.iter().any(|n| n.contains("Sigmoid") && n.contains("left out")), "{notes:?}");
    assert!(notes.iter().any(|n| n.contains("one output is a score")), "{notes:?}");
    assert_eq!(evaluate(&model, &[1.0, 0.0, 0.0, 0.0]).unwrap(), [-1.5]);

    let options =
        Options { classes: Some(vec!["healthy".into(), "ill".into()]), threshold: Some(0.2), ..Options::default() };
    let classes = import_onnx_bytes(&graph, &options).unwrap().model.classes().clone();
    // ln(0.2 / 0.8)
    assert!((classes.threshold().unwrap() + 4.0_f64.ln()).abs() < 1e-15, "{classes:?}");
    assert_eq!(classes.name(classes.class(&[-1.0]).unwrap()), Some("ill"));
    assert_eq!(classes.name(classes.class(&[-1.5]).unwrap()), Some("healthy"));
}

#[test]
fn a_threshold_that_does_not_fit_is_refused() {
    for (outs, threshold, words) in [(2, 0.5, "2 outputs"), (1, 1.0, "a threshold of 1"), (1, f64::NAN, "NaN")] {
        let graph = behind(outs, &[node("Identity", &["s"], "y", &[])], &[]);
        let options = Options { threshold: Some(threshold), ..Options::default() };
        let error = import_onnx_bytes(&graph, &options).err().unwrap().to_string();
        assert!(error.contains(words) && error.contains("--threshold"), "{error}");
    }
}

#[test]
fn a_comparison_with_a_probability_moves_the_threshold() {
    let nodes = [node("Sigmoid", &["s"], "p", &[]), node("Greater", &["p", "t"], "y", &[])];
    let model = import(&behind(1, &nodes, &[tensor("t", &[], &[0.75])])).unwrap().model;
    assert!((model.classes().threshold().unwrap() - 3.0_f64.ln()).abs() < 1e-15);
}

#[test]
fn several_sigmoids_are_no_softmax() {
    let error = said(&behind(3, &[node("Sigmoid", &["s"], "y", &[])], &[]));
    assert!(error.contains("a sigmoid for each of several scores") && error.contains("--output"), "{error}");
}

#[test]
fn what_changes_no_class_is_left_out() {
    let softmax = |to: &str| node("Softmax", &["s"], to, &[]);
    let one = |value: f32| tensor("t", &[], &[value]);
    let chains: [(Nodes<'_>, Nodes<'_>); 6] = [
        (&[softmax("p"), node("Identity", &["p"], "q", &[]), node("Identity", &["q"], "y", &[])], &[]),
        (&[softmax("p"), node("Log", &["p"], "l", &[]), node("Mul", &["l", "t"], "y", &[])], &[one(2.0)]),
        (&[softmax("p"), node("ArgMax", &["p"], "y", &[attribute("axis", 1)])], &[]),
        (&[node("ArgMax", &["s"], "y", &[attribute("axis", -1)])], &[]),
        (&[node("Tanh", &["s"], "y", &[])], &[]),
        // A softmax written out.
        (
            &[
                node("ReduceMax", &["s"], "m", &[ints("axes", &[1])]),
                node("Sub", &["s", "m"], "d", &[]),
                node("Exp", &["d"], "e", &[]),
                node("ReduceSum", &["e"], "n", &[ints("axes", &[1])]),
                node("Div", &["e", "n"], "y", &[]),
            ],
            &[],
        ),
    ];
    for (nodes, constants) in chains {
        let Imported { model, notes } = import(&behind(3, nodes, constants)).unwrap();
        assert_eq!(evaluate(&model, &[1.0, 0.0, 0.0, 0.0]).unwrap(), [-1.5, -0.5, 0.5]);
        assert!(notes.iter().any(|n| n.contains("left out")), "{notes:?}");
    }
}

#[test]
fn what_could_change_a_class_is_refused() {
    let softmax = |to: &str| node("Softmax", &["s"], to, &[]);
    let three = |values: [f32; 3]| tensor("t", &[3], &values);
    let chains: [(Nodes<'_>, Nodes<'_>, &str); 7] = [
        (&[softmax("p"), node("Mul", &["p", "t"], "y", &[])], &[tensor("t", &[], &[-1.0])], "very end"),
        (&[softmax("p"), node("Mul", &["p", "t"], "y", &[])], &[three([1.0, 2.0, 1.0])], "very end"),
        (&[softmax("p"), node("Add", &["p", "s"], "y", &[])], &[], "very end"),
        (&[softmax("p"), node("Relu", &["p"], "y", &[])], &[], "very end"),
        (&[node("Softmax", &["s"], "y", &[attribute("axis", 0)])], &[], "very end"),
        (&[node("ArgMax", &["s"], "y", &[attribute("axis", 0)])], &[], "no counterpart"),
        (
            &[node("Sigmoid", &["s"], "p", &[]), node("MatMul", &["p", "v"], "y", &[])],
            &[tensor("v", &[3, 2], &[0.5; 6])],
            "quadratic",
        ),
    ];
    for (nodes, constants, words) in chains {
        let error = said(&behind(3, nodes, constants));
        assert!(error.contains(words), "no {words:?} in {error}");
    }
}

#[test]
fn of_several_outputs_the_user_names_the_scores() {
    let nodes = [
        node("Flatten", &["x"], "embedding", &[]),
        node("MatMul", &["embedding", "w"], "y", &[]),
        node("ArgMax", &["y"], "label", &[attribute("axis", 1)]),
    ];
    let weights = [tensor("w", &[4, 2], &[0.5; 8])];
    let ends = || [value_info("x", &[-1, 1, 2, 2]), value_info("y", &[-1, 2])];
    let labels = typed("label", 7, &[-1]);
    let two = network("pytorch", ends(), &[value_info("embedding", &[-1, 4]), labels.clone()], &nodes, &weights);
    let error = said(&two);
    for words in ["3 outputs: `y`, `embedding`, `label`", "--output NAME"] {
        assert!(error.contains(words), "{error}");
    }
    for (output, outs) in [("y", 2), ("embedding", 4), ("label", 2)] {
        let options = Options { output: Some(output.into()), ..Options::default() };
        assert_eq!(import_onnx_bytes(&two, &options).unwrap().model.outputs(), outs, "{output}");
    }
    let options = Options { output: Some("z".into()), ..Options::default() };
    let error = import_onnx_bytes(&two, &options).err().unwrap().to_string();
    assert!(error.contains("no output `z`") && error.contains("`embedding`"), "{error}");
    // Labels are no scores.
    assert_eq!(import(&network("skl2onnx", ends(), &[labels], &nodes, &weights)).unwrap().model.outputs(), 2);
}

#[test]
fn remedies_are_in_the_words_of_the_exporter() {
    let nodes = [node("LeakyRelu", &["x"], "y", &[])];
    let ends = || [value_info("x", &[-1, 1, 2, 2]), value_info("y", &[-1, 4])];
    for (producer, words) in
        [("pytorch", "a*x**2 + b*x + c"), ("tf2onnx", "activation=lambda x"), ("skl2onnx", "activation='relu'")]
    {
        let error = said(&network(producer, ends(), &[], &nodes, &[]));
        assert!(error.contains(words), "{producer}: {error}");
    }
}

#[test]
fn the_names_of_classes_are_read_where_the_graph_has_them() {
    let names: Vec<u8> = ["healthy", "ill"].iter().flat_map(|n| text(9, n)).collect();
    let zip = [node("ZipMap", &["p"], "y", &[[text(1, "classlabels_strings"), names].concat()]), text(7, "ai.onnx.ml")];
    let nodes =
        [node("Flatten", &["x"], "f", &[]), node("MatMul", &["f", "w"], "s", &[]), node("Softmax", &["s"], "p", &[])];
    let nodes = [&nodes[..], &[zip.concat()]].concat();
    // Of a type that is no tensor.
    let output = [text(1, "y"), bytes(2, &[])].concat();
    let ends = [value_info("x", &[-1, 1, 2, 2]), output];
    let graph = network("skl2onnx", ends, &[], &nodes, &[tensor("w", &[4, 2], &[0.5; 8])]);
    assert_eq!(import(&graph).unwrap().model.classes().names(), ["healthy", "ill"]);
    let options = Options { classes: Some(vec!["a".into(), "b".into()]), ..Options::default() };
    assert_eq!(import_onnx_bytes(&graph, &options).unwrap().model.classes().names(), ["a", "b"]);
}
