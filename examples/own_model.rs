//! A network that PyTorch exported: import it, compile it, and check layer by layer that encryption
//! adds no more error than predicted. `cargo run --release --example own_model [NETWORK.onnx]`

use beaa::{CompileOptions, ImportOptions, Model, Split, compile_with_samples, open_dataset, pixels, verify};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "tests/data/import/cryptonets.dynamo.onnx".to_owned());
    // An ONNX file does not say how pixels are to be normalised.
    let options = ImportOptions { mean: Some(vec![0.5]), std: Some(vec![0.25]), ..ImportOptions::default() };
    let imported = match Model::import_onnx(&path, &options) {
        Err(beaa::Error::Unsupported { parts }) => {
            parts.iter().for_each(|p| println!("{} ({}): {}", p.name, p.found, p.remedy));
            return Err("the network has parts that cannot be evaluated under encryption".into());
        }
        imported => imported?,
    };
    imported.notes.iter().for_each(|note| println!("{note}"));
    let model = imported.model;

    // Training images of the right shape tell the compiler how large values and errors become.
    let dataset = open_dataset("pneumoniamnist", &[])?;
    let samples = model.normalise(&pixels(&dataset.split(Split::Train).take(200))?)?;
    let program = compile_with_samples(&model, &CompileOptions { batch: 64, ..CompileOptions::default() }, &samples)?;
    println!("{}", program.explain());

    let images = model.normalise(&pixels(&dataset.split(Split::Test).take(16))?)?;
    let found = verify(&program, &images)?;
    for layer in &found.layers {
        println!("{:20} predicted {:.1e}, measured {:.1e}", layer.layer, layer.predicted, layer.measured);
    }
    println!("{} of {} images classified as in clear; holds: {}", found.agreeing, found.images, found.holds);
    Ok(())
}
