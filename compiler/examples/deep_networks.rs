//! Writes two deep networks with random weights, `vgg7.safetensors` and `resnet8.safetensors`, into the folder given: what
//! memory is measured with. `cargo run --release -p beaa-compiler --example deep_networks -- FOLDER`.

#![allow(clippy::unwrap_used)]

#[path = "../tests/networks/mod.rs"]
mod networks;

use networks::{Size, resnet8, vgg7};

fn main() {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    for (name, model) in [
        ("vgg7", vgg7(Size { image: 32, channels: 16 }, 1)),
        // As many products as the other.
        ("resnet8", resnet8(Size { image: 32, channels: 14 }, 1)),
    ] {
        let path = folder.join(format!("{name}.safetensors"));
        beaa_ir::save_model(&model, &path).unwrap();
        println!("{}", path.display());
    }
}
