//! Networks from elsewhere: ONNX files, state dictionaries and their architectures.

use anyhow::{Result, ensure};
use beaa_import::{Imported, Options, import_onnx, import_state_dict};
use beaa_ir::{load_model, save_model};

use crate::files::{good_file, root};
use crate::scratch::Scratch;

/// Weights of one of the good files.
const EXTERNAL: &str = "plain.dynamo.onnx.data";
/// Sizes of the vectors that good files take.
const VECTORS: [usize; 4] = [6, 12, 20, 30];

pub(super) fn onnx(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let path = scratch.write("x.onnx", bytes)?;
    if !scratch.path().join(EXTERNAL).exists() {
        scratch.write(EXTERNAL, &std::fs::read(root().join("tests/data/import").join(EXTERNAL))?)?;
    }
    let mut imported = import_onnx(&path, &Options::default());
    // A plain vector needs a shape from the user.
    for columns in VECTORS {
        if imported.as_ref().is_err_and(|error| error.to_string().contains("--shape")) {
            imported = import_onnx(&path, &Options { shape: Some([1, 1, columns]), ..Options::default() }).or(imported);
        }
    }
    keep(scratch, &imported?)
}

pub(super) fn state_dictionary(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let weights = scratch.write("x.safetensors", bytes)?;
    keep(scratch, &import_state_dict(&weights, &good_file("architecture", "network.json"), &Options::default())?)
}

pub(super) fn architecture(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let architecture = scratch.write("x.json", bytes)?;
    let weights = good_file("state-dictionary", "network.safetensors");
    keep(scratch, &import_state_dict(&weights, &architecture, &Options::default())?)
}

/// What is imported can be kept.
fn keep(scratch: &Scratch, imported: &Imported) -> Result<()> {
    ensure!(imported.notes.iter().all(|note| !note.is_empty()), "a note without a word");
    scratch.same_again(&imported.model, save_model, load_model)
}
