//! Networks from elsewhere: ONNX files, state dictionaries and their architectures.

use anyhow::{Result, ensure};
use beaa_import::{Imported, Options, import_onnx, import_state_dict};
use beaa_ir::{load_model, save_model};

use crate::scratch::Scratch;
use crate::seeds::good_file;

pub(super) fn onnx(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let path = scratch.write("x.onnx", bytes)?;
    let imported = import_onnx(&path, &Options::default()).or_else(|error| {
        // A plain vector needs a shape from the user.
        let stated = Options { shape: Some([1, 1, 12]), ..Options::default() };
        if error.to_string().contains("--shape") { import_onnx(&path, &stated) } else { Err(error) }
    })?;
    keep(scratch, &imported)
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
