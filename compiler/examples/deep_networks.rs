//! Writes two deep networks with random weights, `vgg7.safetensors` and `resnet8.safetensors`, into
//! the folder given: what memory is measured with. `cargo run --release -p beaa-compiler --example
//! deep_networks -- FOLDER [IMAGE CHANNELS]`.

#![allow(clippy::unwrap_used)]

#[path = "../tests/kit/mod.rs"]
#[allow(dead_code, reason = "shared")]
mod kit;

use kit::networks::{Size, resnet8, vgg7};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = std::path::PathBuf::from(arguments.first().map_or(".", |a| a.as_str()));
    let number = |i: usize, default: usize| arguments.get(i).map_or(default, |a| a.parse().unwrap());
    let size = Size { image: number(1, 32), channels: number(2, 16) };
    // Two channels fewer: as many products as the other.
    let narrower = Size { channels: size.channels - 2, ..size };
    for (name, model) in [("vgg7", vgg7(size, 1)), ("resnet8", resnet8(narrower, 1))] {
        let path = folder.join(format!("{name}.safetensors"));
        beaa_ir::save_model(&model, &path).unwrap();
        println!("{}", path.display());
    }
}
