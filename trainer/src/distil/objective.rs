//! The loss of one batch, for the teacher and for the student. No gradient reaches the teacher.

use beaa_ir::Classes;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::{Precision, Replacement, StudentConfig};
use crate::data::ImageBatch;
use crate::distil::loss::{correct, cross_entropy, distillation, feature_distance, saturated, targets, wanted_range};
use crate::distil::quadratic_fit::LayerStatistics;
use crate::error::Result;
use crate::model::network::{Keep, Network, host};
use crate::ops::{peak_penalty, range_penalty};

/// What a network is trained for.
pub(crate) enum Objective {
    /// The labels.
    Teacher {
        /// Share of the target spread over all classes.
        smoothing: f32,
        /// What convolutions multiply.
        precision: Precision,
    },
    /// The labels and the teacher.
    Student(Box<Distillation>),
}

/// What a student learns from, beside the labels.
pub(crate) struct Distillation {
    pub(crate) teacher: Network,
    pub(crate) config: StudentConfig,
    /// What convolutions multiply, the teacher's, too.
    pub(crate) precision: Precision,
    /// What each activation saw while its polynomial was fitted.
    pub(crate) statistics: Vec<LayerStatistics>,
}

/// The loss of a batch, with its graph, and how many images were classified right.
pub(crate) struct BatchLoss {
    pub(crate) loss: Tensor<1>,
    pub(crate) correct: usize,
    /// The teacher's logits, without autodiff, if they are all that was asked of it.
    pub(crate) taught: Option<Tensor<2>>,
}

impl Objective {
    /// Computes the loss of `batch`; activations from the `replaced`-th on act as ReLU, and
    /// `device` is the network's. `known` are the teacher's logits, if they were worked out before.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if logits cannot be read.
    pub(crate) fn loss(
        &self,
        network: &Network,
        batch: ImageBatch,
        replaced: usize,
        classes: &Classes,
        device: &Device,
        known: Option<Tensor<2>>,
    ) -> Result<BatchLoss> {
        let images = Tensor::from_inner(batch.images.clone());
        let pasted = batch.pasted.as_deref();
        match self {
            &Self::Teacher { smoothing, precision } => {
                let logits = network.forward(images, usize::MAX, Keep::default(), precision).logits;
                let right = correct(classes, &host(logits.clone())?, &batch.labels);
                let loss = cross_entropy(logits, targets(&batch.labels, pasted, classes.outputs(), smoothing, device));
                Ok(BatchLoss { loss, correct: right, taught: None })
            }
            Self::Student(d) => {
                let s = &d.config;
                let compared = Keep { outputs: s.compares_activations(), ..Keep::default() };
                let (logits, theirs) = match known {
                    Some(logits) if s.keeps_logits() => (Some(logits), Vec::new()),
                    _ if s.lambda > 0.0 || s.compares_activations() => {
                        let pass = d.teacher.forward(batch.images, usize::MAX, compared, d.precision);
                        (Some(pass.logits), pass.outputs)
                    }
                    _ => (None, Vec::new()),
                };
                let taught = logits.clone().filter(|_| s.keeps_logits());
                let keep = Keep { inputs: s.minds_ranges(), ..compared };
                let mut ours = network.forward(images, replaced, keep, d.precision);
                let right = correct(classes, &host(ours.logits.clone())?, &batch.labels);
                if s.peak_penalty > 0.0 {
                    ours.logits = saturated(ours.logits);
                }
                let target = targets(&batch.labels, pasted, classes.outputs(), s.label_smoothing, device);
                let mut loss = cross_entropy(ours.logits.clone(), target).mul_scalar(1.0 - s.lambda);
                if let Some(logits) = logits.filter(|_| s.lambda > 0.0) {
                    let divergence = distillation(ours.logits, Tensor::from_inner(logits), s.temperature);
                    loss = loss + divergence.mul_scalar(s.lambda);
                }
                let pairs = ours.outputs.into_iter().zip(theirs).take(replaced);
                let weight = s.feature_matching / pairs.len().max(1) as f32;
                for (student, teacher) in pairs {
                    loss = loss + feature_distance(student, Tensor::from_inner(teacher)).mul_scalar(weight);
                }
                for (inputs, known) in ours.inputs.into_iter().zip(&d.statistics).take(replaced) {
                    let wanted = wanted_range(known, s.range_width);
                    if s.range_penalty > 0.0 {
                        loss = loss + range_penalty(inputs.clone(), wanted).mul_scalar(s.range_penalty);
                    }
                    if s.peak_penalty > 0.0 {
                        loss = loss + peak_penalty(inputs, wanted).mul_scalar(s.peak_penalty);
                    }
                }
                Ok(BatchLoss { loss, correct: right, taught })
            }
        }
    }

    /// Says how many activations are no longer ReLU in `epoch` (from 0) of `epochs`.
    pub(crate) fn replaced(&self, epoch: usize, epochs: usize) -> usize {
        match self {
            Self::Student(d) if d.config.replacement == Replacement::Progressive => {
                let activations = d.statistics.len();
                let half = (epochs / 2).max(1);
                // The first at once, the last when half of the epochs are over.
                (1 + epoch * activations / half).min(activations)
            }
            _ => usize::MAX,
        }
    }
}

/// Computes the gradients of `loss` for the parameters of `network`.
pub(crate) fn gradients(loss: &Tensor<1>, network: &Network) -> burn::optim::GradientsParams {
    burn::optim::GradientsParams::from_grads(loss.backward(), network)
}

/// Gives `network` as it is now, without gradients and in evaluation mode.
pub(crate) fn detached(network: &Network) -> Network {
    network.valid()
}
