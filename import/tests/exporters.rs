//! The same mathematics as PyTorch, Keras and scikit-learn write it: a selection of the networks of
//! tests/data/import/make_networks.py agrees with what onnxruntime computes of them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod networks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/import/networks")
}

#[test]
fn however_its_exporter_says_it_a_network_means_the_same() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for network in networks::all(&folder()) {
        *counts.entry(network.exporter.clone()).or_default() += 1;
        match networks::difference(&folder(), &network) {
            // onnxruntime computes in f32.
            Ok(difference) if difference <= 1e-5 => {}
            Ok(difference) => wrong.push(format!("{}: off by {difference:e}", network.name)),
            Err(error) => wrong.push(format!("{}: {error}", network.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(counts.len() >= 5 && counts.values().sum::<usize>() >= 30, "{counts:?}");
}
