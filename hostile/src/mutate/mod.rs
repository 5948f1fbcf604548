//! Mutations of files, by what is known of their structure. A change that only breaks a checksum
//! tests the checksum; these make it right again and test what lies behind.

mod bytes;
mod container;
mod json;
mod packed;
mod png;
mod protobuf;
mod safetensors;

use crate::random::Choices;

/// What is known of the structure of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// Nothing.
    Bytes,
    /// JSON.
    Json,
    /// A JSON record in each line.
    JsonLines,
    /// One of the toolchain's binary files, with a checksum.
    Container,
    /// A `.safetensors` file, perhaps of a model.
    Safetensors,
    /// A protobuf message.
    Protobuf,
    /// A zip archive.
    Zip,
    /// Perhaps compressed by gzip.
    Gzip,
    /// A PNG picture.
    Png,
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The file.
    pub bytes: Vec<u8>,
    /// Whether exactly one bit of a file with a checksum was flipped, so that it is to be refused.
    pub damaged: bool,
}

/// Makes an input of `seed`, a good file: unchanged now and then, else changed up to four times.
/// Of a file with a checksum (`checked`) sometimes one bit is flipped.
pub fn mutate(structure: Structure, checked: bool, seed: &[u8], other: &[u8], choices: &mut Choices) -> Input {
    let mut input = Input { bytes: seed.to_vec(), damaged: false };
    if checked && choices.one_in(10) {
        bytes::flip_bit(&mut input.bytes, choices);
        input.damaged = true;
        return input;
    }
    let times = *choices.pick(&[0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4]);
    (0..times).for_each(|_| change(structure, &mut input.bytes, other, choices));
    input
}

/// Changes a file once.
pub fn change(structure: Structure, file: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    let change = match structure {
        Structure::Bytes => bytes::change,
        Structure::Json => json::change_text,
        Structure::JsonLines => json::change_lines,
        Structure::Container => container::change,
        Structure::Safetensors => safetensors::change,
        Structure::Protobuf => protobuf::change,
        Structure::Zip => packed::change_zip,
        Structure::Gzip => packed::change_gzip,
        Structure::Png => png::change,
    };
    change(file, other, choices);
}
