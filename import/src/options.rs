//! What the caller says about a network, and what an import gives back.

use beaa_ir::Model;

/// What neither format says about a network. `None` leaves it as the file has it, or at its
/// default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// A short name; by default the file's.
    pub name: Option<String>,
    /// Per channel, subtracted from the pixel scaled to 0..1; default 0. One number serves all
    /// channels.
    pub mean: Option<Vec<f32>>,
    /// Per channel, divides after the mean is subtracted; default 1. One number serves all
    /// channels.
    pub std: Option<Vec<f32>>,
    /// One name per output; default none.
    pub classes: Option<Vec<String>>,
    /// `[channels, height, width]`, needed where the network takes a plain vector.
    pub shape: Option<[usize; 3]>,
    /// The output of an ONNX graph that holds the scores, where it has several.
    pub output: Option<String>,
}

/// A model, and what its user should know about how it was imported.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The model.
    pub model: Model,
    /// For example that a softmax at the end was left out.
    pub notes: Vec<String>,
}

/// One number per channel, from one for each or one for all.
pub(crate) fn per_channel(values: Option<&[f32]>, default: f32, channels: usize) -> Vec<f32> {
    match values {
        None => vec![default; channels],
        Some([one]) => vec![*one; channels],
        Some(all) => all.to_vec(),
    }
}
