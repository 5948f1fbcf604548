//! Loss and accuracy on images that are not learnt from: as they are, without augmentation.

use beaa_datasets::Images;
use beaa_ir::Model;
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
