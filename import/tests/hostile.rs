//! Damaged and hostile files are refused with an error: no panic, no allocation out of proportion
//! to the file.

#![allow(clippy::unwrap_used, clippy::panic)]

mod graphs;

use std::path::{Path, PathBuf};

use beaa_import::{Error, Imported, Options, import_onnx, import_onnx_bytes};
use graphs::{bytes, file, integers, ints, node, number, tensor, text, varint};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/import")
}

fn import(bytes: &[u8]) -> Result<Imported, Error> {
    import_onnx_bytes(bytes, &Options::default())
}

fn message(bytes: &[u8]) -> String {
    import(bytes).err().unwrap().to_string()
}

#[test]
fn the_files_made_here_would_be_read() {
    let conv = node("Conv", &["x", "w"], "y", &[ints("pads", &[1, 1, 1, 1])]);
    let good = file(&[1, 2, 2], &[conv], &[tensor("w", &[1, 1, 3, 3], &[0.5; 9])]);
    let imported = import(&good).unwrap();
    assert_eq!(imported.model.outputs(), 4);
}

#[test]
fn every_cut_and_many_changed_bytes_are_survived() {
    for name in ["residual.unfolded.onnx", "plain.classic.onnx", "operators/branches_of_padding.onnx"] {
        let good = std::fs::read(data().join(name)).unwrap();
        assert!(import(&good).is_ok());
        for cut in (0..good.len()).step_by(1 + good.len() / 200) {
            assert!(import(&good[..cut]).is_err(), "{name} cut at {cut}");
        }
        let mut state = 12345_u64;
        for _ in 0..500 {
            let mut bad = good.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let position = (state >> 33) as usize % bad.len();
                bad[position] = (state >> 24) as u8;
            }
            // A changed weight is no error; what counts is that this returns.
            let _ = import(&bad);
        }
    }
}

#[test]
fn sizes_that_the_bytes_do_not_bear_out_are_refused() {
    let huge = 1_i64 << 40;
    let conv = |attributes: &[Vec<u8>]| node("Conv", &["x", "w"], "y", attributes);
    let weight = tensor("w", &[1, 1, 1, 1], &[1.0]);
    let graph = |image: &[i64], attributes: &[Vec<u8>]| file(image, &[conv(attributes)], std::slice::from_ref(&weight));
    let cases = [
        (file(&[1, 2, 2], &[conv(&[])], &[tensor("w", &[huge, 1, 1, 1], &[1.0])]), "numbers in a constant"),
        (file(&[1, 2, 2], &[conv(&[])], &[tensor("w", &[huge, huge, huge, 0], &[])]), "extents"),
        (file(&[1, 2, 2], &[conv(&[])], &[tensor("w", &[-1, 1, 1, 1], &[1.0])]), "extents"),
        (file(&[1, 2, 2], &[conv(&[])], &[tensor("w", &[1, 1, 0, 1], &[])]), "empty kernel"),
        (file(&[1, 2, 2], &[conv(&[])], &[tensor("w", &[1, 1, 1, 1], &[f32::NAN])]), "finite"),
        (graph(&[1, huge, 2], &[]), "open extents"),
        (graph(&[1 << 20, 1 << 20, 1 << 20], &[]), "2^24"),
        (graph(&[1, 2, 2], &[ints("pads", &[huge, 0, 0, 0])]), "pads"),
        (graph(&[1, 2, 2], &[ints("pads", &[60_000; 4])]), "elements"),
        (graph(&[1, 2, 2], &[ints("strides", &[0, 1])]), "strides"),
        (graph(&[1, 2, 2], &[ints("dilations", &[-1, 1])]), "dilations"),
        (graph(&[1, 2, 2], &[ints("surprise", &[1])]), "`surprise`"),
        (graph(&[1, 2], &[]), "extents"),
    ];
    for (bad, words) in cases {
        let said = message(&bad);
        assert!(said.contains(words), "no {words:?} in {said}");
    }
}

#[test]
fn small_files_cannot_ask_for_many_numbers() {
    let fill = node("ConstantOfShape", &["s"], "c", &[]);
    let add = node("Add", &["x", "c"], "y", &[]);
    let said = message(&file(&[1, 2, 2], &[fill, add], &[integers("s", &[1 << 20, 1 << 20])]));
    assert!(said.contains("more numbers"), "{said}");
    // Each squaring of a broadcast would be sixteen times as large.
    let mut nodes = Vec::new();
    let (mut column, mut row) = ("c0".to_owned(), "r0".to_owned());
    for k in 1..8 {
        nodes.push(node("Mul", &[&column, &row], &format!("c{k}"), &[]));
        (column, row) = (format!("c{k}"), "r0".to_owned());
    }
    nodes.push(node("Mul", &["x", &column], "y", &[]));
    let constants = [tensor("c0", &[4096, 1], &[1.0; 4096]), tensor("r0", &[1, 65_536], &[1.0; 65_536])];
    let said = message(&file(&[1, 2, 2], &nodes, &constants));
    assert!(said.contains("more numbers"), "{said}");
    // Padding after padding.
    let mut nodes = Vec::new();
    for k in 0..40 {
        nodes.push(node(
            "Pad",
            &[&if k == 0 { "x".to_owned() } else { format!("p{}", k - 1) }, "pads"],
            &format!("p{k}"),
            &[],
        ));
    }
    nodes.push(node("Relu", &["p39"], "y", &[]));
    let said = message(&file(&[1, 2, 2], &nodes, &[integers("pads", &[0, 0, 9999, 9999, 0, 0, 9999, 9999])]));
    assert!(said.contains("elements"), "{said}");
}

#[test]
fn graphs_that_contradict_themselves_are_refused() {
    let relu = |from: &str, to: &str| node("Relu", &[from], to, &[]);
    let transpose = |order: &[i64]| node("Transpose", &["m"], "c", &[ints("perm", order)]);
    let fill = |values: &[f32]| {
        let value = tensor("", &[values.len() as i64], values);
        node("ConstantOfShape", &["s"], "c", &[[text(1, "value"), bytes(5, &value)].concat()])
    };
    let add = node("Add", &["x", "c"], "y", &[]);
    let square = tensor("m", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let cases = [
        (file(&[1, 2, 2], &[relu("a", "b"), relu("b", "a"), relu("a", "y")], &[]), "reading `a`"),
        (file(&[1, 2, 2], &[relu("y", "y")], &[]), "reading `y`"),
        (file(&[1, 2, 2], &[relu("x", "y"), relu("x", "y")], &[]), "computed twice"),
        (file(&[1, 2, 2], &[relu("x", "x")], &[]), "computed twice"),
        (file(&[1, 2, 2], &[relu("x", "z")], &[]), "nothing computes"),
        (file(&[1, 2, 2], &[node("Conv", &["x"], "y", &[])], &[]), "no input 1"),
        (file(&[1, 2, 2], &[node("Conv", &[], "y", &[])], &[]), "of constants"),
        (file(&[1, 2, 2], &[node("Conv", &["x", "x"], "y", &[])], &[]), "computed from the image"),
        (file(&[1, 2, 2], &[node("", &["x"], "y", &[])], &[]), "no counterpart"),
        (file(&[1, 2, 2], &[node("Reshape", &["x", "s"], "y", &[])], &[integers("s", &[2, 3])]), "made into [2, 3]"),
        (file(&[1, 2, 2], &[node("Reshape", &["x", "s"], "y", &[])], &[integers("s", &[-1, 3])]), "made into [-1, 3]"),
        (file(&[1, 2, 2], &[node("Reshape", &["x", "s"], "y", &[])], &[integers("s", &[])]), "made into []"),
        (
            file(&[1, 2, 2], &[transpose(&[-1, 0, 1]), add.clone()], std::slice::from_ref(&square)),
            "the order [-1, 0, 1]",
        ),
        (file(&[1, 2, 2], &[transpose(&[0, 2]), add.clone()], &[square]), "the order [0, 2]"),
        (file(&[1, 2, 2], &[fill(&[1.0, 2.0]), add.clone()], &[integers("s", &[2, 2])]), "a value of 2 numbers"),
        (file(&[1, 2, 2], &[fill(&[]), add], &[integers("s", &[2, 2])]), "a value of 0 numbers"),
        (file(&[1, 2, 2], &[], &[]), "nothing computes"),
        (number(1, 8), "no graph"),
        (Vec::new(), "no graph"),
    ];
    for (bad, words) in cases {
        let said = message(&bad);
        assert!(said.contains(words), "no {words:?} in {said}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    // Groups within groups in a field that is not known: a decoder that follows without a limit
    // overflows its stack.
    let nested = varint(100 << 3 | 3).repeat(200_000);
    for bad in [nested.clone(), bytes(7, &nested), bytes(7, &bytes(1, &nested))] {
        let said = message(&bad);
        assert!(said.contains("recursion limit"), "{said}");
    }
}

#[test]
fn external_data_stays_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    std::fs::write(folder.path().join("secret"), [0; 64]).unwrap();
    std::fs::write(folder.path().join("inner/data"), 1.0_f32.to_le_bytes()).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret", folder.path().join("inner/link")).unwrap();
    let outside = |location: &str, offset: &str, length: &str| {
        let entry = |key: &str, value: &str| bytes(13, &[text(1, key), text(2, value)].concat());
        let dims: Vec<u8> = [1, 1, 1, 1].iter().flat_map(|&d| number(1, d)).collect();
        let entries = [entry("location", location), entry("offset", offset), entry("length", length)].concat();
        let weight = [dims, number(2, 1), text(8, "w"), entries, number(14, 1)].concat();
        let network = file(&[1, 2, 2], &[node("Conv", &["x", "w"], "y", &[])], &[weight]);
        let path = folder.path().join("inner/network.onnx");
        std::fs::write(&path, &network).unwrap();
        (import_onnx(&path, &Options::default()), import(&network))
    };
    let (from_file, from_memory) = outside("data", "0", "4");
    assert_eq!(from_file.unwrap().model.layers().len(), 1);
    assert!(from_memory.is_err(), "there is no folder");
    for (location, offset, length, words) in [
        ("../secret", "0", "4", "`../secret`"),
        ("/etc/passwd", "0", "4", "`/etc/passwd`"),
        ("link", "0", "4", "no file beside"),
        (".", "0", "4", "external data"),
        ("missing", "0", "4", "`missing`"),
        ("", "0", "4", "external data"),
        ("data", "4", "4", "has 4 bytes"),
        ("data", "18446744073709551615", "4", "has 4 bytes"),
        ("data", "-1", "4", "`-1`"),
        ("data", "0", "3", "numbers in a constant"),
    ] {
        let said = outside(location, offset, length).0.err().unwrap().to_string();
        assert!(said.contains(words), "no {words:?} in {said}");
    }
}
