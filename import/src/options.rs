//! What the caller says about a network, and what an import gives back.

use beaa_base::preprocessing::Preprocessing;
use beaa_ir::Model;

use crate::error::{Error, Result};

/// Elements that an image of a model may have.
const MAX_ELEMENTS: usize = 1 << 24;

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
    /// One name per output, or two for a single one; by default those that the network has, if any.
    pub classes: Option<Vec<String>>,
    /// With a single output, the probability above which an image is of the second class, between 0
    /// and 1; default 0.5, a score of 0.
    pub threshold: Option<f64>,
    /// `[channels, height, width]`, needed where the network takes a plain vector.
    pub shape: Option<[usize; 3]>,
    /// What is done to pictures before the network sees them; the shape that it leads to is the
    /// network's.
    pub preprocessing: Option<Preprocessing>,
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

/// The score whose sigmoid is the probability that the user gives, if the network has one output.
pub(crate) fn score_threshold(options: &Options, outputs: usize) -> Result<Option<f64>> {
    let Some(probability) = options.threshold else { return Ok(None) };
    let bad = |found: String, expected: &str, remedy| Err(Error::malformed("reading options", found, expected, remedy));
    if outputs != 1 {
        let found = format!("a threshold for {outputs} outputs");
        return bad(found, "a network with one output", "leave --threshold out: of several outputs the largest wins");
    }
    if !(probability > 0.0 && probability < 1.0) {
        let found = format!("a threshold of {probability}");
        return bad(found, "a probability between 0 and 1", "give --threshold as a probability, 0.5 for a score of 0");
    }
    Ok(Some((probability / (1.0 - probability)).ln()))
}

/// What to say of a single output.
pub(crate) fn score_note(threshold: f64, named: bool) -> String {
    let names = if named { "" } else { "; --classes A,B names the classes, that of low scores first" };
    let probability = 1.0 / (1.0 + (-threshold).exp());
    format!(
        "one output is a score: an image is of the second class above {threshold:.4}, a probability of \
         {probability:.4} if a sigmoid stands behind it{names}"
    )
}

/// Refuses images that no model can be of, before anything is made in their size.
pub(crate) fn check_image_size(operation: &'static str, input: &str, dims: &[usize]) -> Result<()> {
    if dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).is_some_and(|n| (1..=MAX_ELEMENTS).contains(&n)) {
        return Ok(());
    }
    let remedy = "use smaller images: each of their elements becomes a ciphertext";
    Err(Error::malformed(operation, input, "1 to 2^24 elements", remedy))
}

/// One number per channel, from one for each or one for all.
pub(crate) fn per_channel(values: Option<&[f32]>, default: f32, channels: usize) -> Vec<f32> {
    match values {
        None => vec![default; channels],
        Some([one]) => vec![*one; channels],
        Some(all) => all.to_vec(),
    }
}
