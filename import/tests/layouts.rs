//! Which axis is which: inputs with their channels last, signals, and what no layer can bring into
//! another order.

#![allow(clippy::unwrap_used, clippy::panic)]

mod graphs;

use beaa_import::{Error, Imported, Options, import_onnx_bytes};
use beaa_ir::{LayerOp, evaluate};
use graphs::{integers, ints, network, node, open_batch, tensor, value_info};

fn import(bytes: &[u8], shape: Option<[usize; 3]>) -> Result<Imported, Error> {
    import_onnx_bytes(bytes, &Options { shape, ..Options::default() })
}

/// A network that says of `[batch, 2, 3, 4]` (or whatever the extents are) what lies where.
fn positions(extents: &[i64]) -> Vec<u8> {
    let count: i64 = extents.iter().product();
    let weights: Vec<f32> = (0..count).map(|k| k as f32).collect();
    let nodes = [node("Flatten", &["x"], "f", &[]), node("MatMul", &["f", "w"], "y", &[])];
    open_batch(extents, &nodes, &[tensor("w", &[count, 1], &weights)])
}

#[test]
fn channels_last_are_recognised_and_said() {
    let Imported { model, notes } = import(&positions(&[4, 5, 3]), None).unwrap();
    assert_eq!(model.input().shape, [3, 4, 5]);
    assert!(notes.iter().any(|n| n.contains("channels last")), "{notes:?}");
    // Channel 1, row 2, column 0 is the number 2 * 15 + 0 * 3 + 1 of the network's input.
    let mut image = vec![0.0; 60];
    image[20 + 2 * 5] = 1.0;
    assert_eq!(evaluate(&model, &image).unwrap(), [31.0]);
    // A picture of three channels either way is as the user says.
    let model = import(&positions(&[3, 5, 3]), None).unwrap().model;
    assert_eq!(model.input().shape, [3, 5, 3]);
    let model = import(&positions(&[4, 2, 6]), Some([6, 4, 2])).unwrap().model;
    assert_eq!((model.input().shape, model.layers().len()), ([6, 4, 2], 2));
    let error = import(&positions(&[4, 2, 6]), Some([6, 2, 4])).err().unwrap().to_string();
    assert!(error.contains("4 x 2 x 6") && error.contains("6 x 2 x 4") && !error.contains("Some"), "{error}");
}

#[test]
fn signals_are_maps_of_one_row() {
    assert_eq!(import(&positions(&[2, 9]), None).unwrap().model.input().shape, [2, 1, 9]);
    assert_eq!(import(&positions(&[9, 2]), Some([2, 1, 9])).unwrap().model.input().shape, [2, 1, 9]);
    let nodes = [node("Conv", &["x", "w"], "y", &[ints("pads", &[1, 1]), ints("strides", &[2])])];
    let graph = open_batch(&[1, 5], &nodes, &[tensor("w", &[1, 1, 3], &[1.0, 10.0, 100.0])]);
    let model = import(&graph, None).unwrap().model;
    assert_eq!(evaluate(&model, &[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap(), [210.0, 432.0, 54.0]);
}

#[test]
fn transpositions_that_cancel_leave_no_layer() {
    let to_front = |from: &str, to: &str| node("Transpose", &[from], to, &[ints("perm", &[0, 3, 1, 2])]);
    let to_back = |from: &str, to: &str| node("Transpose", &[from], to, &[ints("perm", &[0, 2, 3, 1])]);
    let nodes = [
        to_front("x", "a"),
        node("Conv", &["a", "w"], "b", &[]),
        to_back("b", "c"),
        node("Mul", &["c", "c"], "d", &[]),
        to_front("d", "e"),
        node("Conv", &["e", "v"], "f", &[]),
        to_back("f", "g"),
        node("Reshape", &["g", "s"], "h", &[]),
        node("MatMul", &["h", "m"], "y", &[]),
    ];
    let constants = [
        tensor("w", &[2, 2, 2, 2], &[0.5; 16]),
        tensor("v", &[3, 2, 1, 1], &[0.25; 6]),
        integers("s", &[-1, 12]),
        tensor("m", &[12, 1], &(0..12).map(|k| k as f32).collect::<Vec<_>>()),
    ];
    let model = import(&open_batch(&[3, 3, 2], &nodes, &constants), None).unwrap().model;
    let kinds: Vec<&str> = model.layers().iter().map(|l| l.op.kind()).collect();
    assert_eq!(kinds, ["conv2d", "activation", "conv2d", "flatten", "linear"]);
    let Some(LayerOp::Linear(linear)) = model.layers().last().map(|l| &l.op) else { panic!("a linear layer") };
    // The columns of the matrix are in the order of the map, its rows were in that of the tensor.
    assert_eq!(linear.weight.data()[..5], [0.0, 3.0, 6.0, 9.0, 1.0]);
}

#[test]
fn images_of_a_batch_stay_apart() {
    let moves = [
        (node("Reshape", &["x", "s"], "y", &[]), vec![2, -1], "[batch, 1, 2, 2] made into [2, -1]"),
        (node("Gather", &["x", "s"], "y", &[]), vec![0], "along the batch"),
        (node("Slice", &["x", "s", "one"], "y", &[]), vec![0], "along the batch"),
        (node("ReduceMean", &["x"], "y", &[ints("axes", &[0])]), vec![0], "the batch among them"),
        (node("Concat", &["x", "x"], "y", &[]), vec![0], "images of a batch stay apart"),
        (node("MatMul", &["t", "x"], "y", &[]), vec![0], "extents"),
    ];
    for (operator, list, words) in moves {
        let constants = [integers("s", &list), integers("one", &[1]), tensor("t", &[3, 3], &[1.0; 9])];
        let error = import(&open_batch(&[1, 2, 2], &[operator], &constants), None).err().unwrap().to_string();
        assert!(error.contains(words) && !error.contains("Some("), "no {words:?} in {error}");
    }
}

#[test]
fn a_matrix_in_place_of_an_order_is_bounded() {
    // A convolution across the channels of a large transposed map.
    let nodes = [
        node("Conv", &["x", "w"], "a", &[]),
        node("Transpose", &["a"], "b", &[ints("perm", &[0, 2, 1, 3])]),
        node("Conv", &["b", "v"], "y", &[]),
    ];
    let graph = |size: i64| {
        let weights = tensor("v", &[1, size, 1, 1], &vec![1.0; size as usize]);
        open_batch(&[1, size, size], &nodes, &[tensor("w", &[2, 1, 1, 1], &[1.0, 2.0]), weights])
    };
    let model = import(&graph(6), None).unwrap().model;
    let image: Vec<f32> = (0..36).map(|k| k as f32).collect();
    // The sum of each column, for each of the two channels.
    let sums: Vec<f64> = (0..6).map(|c| (0..6).map(|r| f64::from(6 * r + c)).sum()).collect();
    let expected: Vec<f64> = [1.0, 2.0].iter().flat_map(|w| sums.iter().map(move |s| w * s)).collect();
    assert_eq!(evaluate(&model, &image).unwrap(), expected);
    let error = import(&graph(400), None).err().unwrap().to_string();
    assert!(error.contains("what only a matrix"), "{error}");
}

#[test]
fn half_precision_weights_are_read_as_they_are() {
    let half = |name: &str, element: i64, bits: &[u16]| {
        let raw: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
        let dims = [graphs::number(1, 4), graphs::number(1, 1)].concat();
        [dims, graphs::number(2, element), graphs::text(8, name), graphs::bytes(9, &raw)].concat()
    };
    for (element, bits) in [(10, [0x3c00, 0x3555, 0xc000, 0x0001]), (16, [0x3f80, 0x3eab, 0xc000, 0x3380])] {
        let to_float = [graphs::text(1, "to"), graphs::number(3, 1)].concat();
        let nodes = [
            node("Cast", &["h"], "w", &[to_float]),
            node("Flatten", &["x"], "f", &[]),
            node("MatMul", &["f", "w"], "y", &[]),
        ];
        let ends = [value_info("x", &[-1, 1, 2, 2]), value_info("y", &[-1, 1])];
        let graph = network("test", ends, &[], &nodes, &[half("h", element, &bits)]);
        let model = import(&graph, None).unwrap().model;
        let weights = (0..4).map(|k| {
            let image: Vec<f32> = (0..4).map(|i| f32::from(u8::from(i == k))).collect();
            evaluate(&model, &image).unwrap()[0]
        });
        let expected = if element == 10 {
            [1.0, 0.333_251_953_125, -2.0, 2.0_f64.powi(-24)]
        } else {
            [1.0, 0.333_984_375, -2.0, 2.0_f64.powi(-24)]
        };
        assert_eq!(weights.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn what_is_added_to_padding_is_added_to_its_zeros() {
    // Zeros before the features of a vector, then one number for all, then a square.
    let nodes = [
        node("Flatten", &["x"], "f", &[]),
        node("Pad", &["f", "p"], "a", &[]),
        node("Mul", &["a", "a"], "b", &[]),
        node("Add", &["b", "one"], "c", &[]),
        node("MatMul", &["c", "w"], "y", &[]),
    ];
    let constants =
        [integers("p", &[0, 1, 0, 0]), tensor("one", &[], &[1.0]), tensor("w", &[3, 1], &[100.0, 10.0, 1.0])];
    let model = import(&open_batch(&[1, 1, 2], &nodes, &constants), None).unwrap().model;
    assert_eq!(evaluate(&model, &[2.0, 3.0]).unwrap(), [100.0 + 50.0 + 10.0]);
}
