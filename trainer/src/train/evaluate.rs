//! Loss and accuracy on images that are not learnt from: as they are, without augmentation.

use beaa_datasets::Images;
use beaa_ir::images::ImageMajor;
use beaa_ir::{Accuracy, Classes, Model};
use burn::tensor::Device;

use crate::data;
use crate::distil::loss::correct;
use crate::error::Result;
use crate::model::network::{Network, host};

/// Means over a set of images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Evaluation {
    /// Mean cross-entropy.
    pub(crate) loss: f64,
    /// Share of the images that are classified right, 0..1.
    pub(crate) accuracy: f64,
}

/// Logits of images that were not learnt from, and their labels.
#[derive(Debug, Clone)]
pub struct LabelledLogits {
    /// One row for each image.
    pub logits: ImageMajor<f32>,
    /// Classes of the network, one for each image.
    pub labels: Vec<u8>,
}

/// What a network says of the images that a run measures on.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Of the validation images.
    pub validation: LabelledLogits,
    /// Of the test images.
    pub test: LabelledLogits,
}

impl Answers {
    /// The shares of images classified right by a network of these `classes`.
    pub(crate) fn accuracy(&self, classes: &Classes) -> Accuracy {
        let of = |answers: &LabelledLogits| {
            let right = correct(classes, answers.logits.data(), &answers.labels);
            let n = answers.labels.len();
            (n > 0).then(|| right as f64 / n as f64)
        };
        Accuracy { validation: of(&self.validation), test: of(&self.test) }
    }
}

/// Computes the logits of `network`, built from `model`, of all of `images`.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if logits cannot be read.
pub(crate) fn answers(network: &Network, model: &Model, images: &Images, device: &Device) -> Result<LabelledLogits> {
    let mut all = Vec::with_capacity(images.len() * model.outputs());
    for batch in data::batches(images, model.input(), device) {
        all.extend(host(network.logits(batch.images))?);
    }
    Ok(LabelledLogits {
        logits: ImageMajor::new(images.len(), model.outputs(), all)?,
        labels: images.labels().to_vec(),
    })
}

/// Measures `network`, built from `model`, on all of `images`; none if there are none.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if logits cannot be read.
pub(crate) fn evaluate(
    network: &Network,
    model: &Model,
    images: &Images,
    device: &Device,
) -> Result<Option<Evaluation>> {
    let (mut loss, mut right) = (0.0, 0);
    for batch in data::batches(images, model.input(), device) {
        let logits = host(network.logits(batch.images))?;
        right += correct(model.classes(), &logits, &batch.labels);
        let rows = logits.chunks(model.outputs()).zip(&batch.labels);
        loss += rows.map(|(row, &label)| cross_entropy(row, usize::from(label))).sum::<f64>();
    }
    let n = images.len() as f64;
    Ok((!images.is_empty()).then(|| Evaluation { loss: loss / n, accuracy: right as f64 / n }))
}

/// `-log softmax(row)[label]`.
fn cross_entropy(row: &[f32], label: usize) -> f64 {
    let top = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = row.iter().map(|&v| (f64::from(v) - top).exp()).sum();
    sum.ln() + top - f64::from(row[label])
}
