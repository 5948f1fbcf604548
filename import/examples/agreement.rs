//! Imports every network of a folder and compares its scores with those that its exporter's library
//! gives (tests/data/import/make_networks.py): `cargo run --release --example agreement -- FOLDER`.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic)]

#[path = "../tests/networks/mod.rs"]
mod networks;

use std::collections::BTreeMap;
use std::path::PathBuf;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "tests/data/import/networks".to_owned()));
    let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for network in networks::all(&folder) {
        let result = networks::difference(&folder, &network);
        let count = counts.entry(network.exporter.clone()).or_default();
        count[1] += 1;
        match result {
            Ok(difference) if difference <= 1e-5 => count[0] += 1,
            Ok(difference) => println!("{} ({}): off by {difference:e}", network.name, network.exporter),
            Err(error) => println!("{} ({}): {error}", network.name, network.exporter),
        }
    }
    for (exporter, [good, all]) in counts {
        println!("{exporter}: {good} of {all} agree to 1e-5");
    }
}
