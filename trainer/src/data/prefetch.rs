//! The batches of an epoch, prepared on a thread of their own while the network learns from the one
//! before. Each batch has its own random stream, so that the thread decides no number.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use burn::tensor::Device;

use super::batch::{Changes, ImageBatch, batch};
use super::splits::Splits;
use crate::config::Augmentation;
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};

/// Batches ready before they are asked for.
const AHEAD: usize = 2;

/// The training images of one epoch, in order.
pub(crate) struct EpochBatches {
    pub(crate) splits: Arc<Splits>,
    pub(crate) augmentation: Augmentation,
    pub(crate) device: Device,
    pub(crate) seed: u64,
    pub(crate) purpose: Purpose,
    pub(crate) epoch: usize,
    /// All training images, in the epoch's order.
    pub(crate) order: Vec<usize>,
    /// Images of a batch.
    pub(crate) size: usize,
}

/// Batches in order, prepared ahead.
pub(crate) struct Prefetcher(Receiver<ImageBatch>);

impl EpochBatches {
    fn batch(&self, step: usize) -> ImageBatch {
        let last = ((step + 1) * self.size).min(self.order.len());
        let chosen = &self.order[step * self.size..last];
        let changes = (!self.augmentation.is_off()).then(|| Changes {
            settings: &self.augmentation,
            pixel_bits: self.splits.pixel_bits,
            rng: stream(self.seed, self.purpose, self.epoch, step),
        });
        batch(&self.splits.train, chosen, &self.splits.input, changes, &self.device)
    }

    /// Starts to prepare the batches of `steps`.
    ///
    /// # Errors
    /// [`Error::Data`] if the system allows no more threads.
    pub(crate) fn start(self, steps: std::ops::Range<usize>) -> Result<Prefetcher> {
        let (send, receive) = sync_channel(AHEAD);
        let work = move || {
            for step in steps {
                // Nobody listens any more once training was interrupted.
                if send.send(self.batch(step)).is_err() {
                    return;
                }
            }
        };
        let name = "batches".to_owned();
        thread::Builder::new().name(name).spawn(work).map_err(|e| failed(e.to_string()))?;
        Ok(Prefetcher(receive))
    }
}

impl Prefetcher {
    /// The next batch.
    ///
    /// # Errors
    /// [`Error::Data`] if the thread that prepares batches has died.
    pub(crate) fn next(&self) -> Result<ImageBatch> {
        self.0.recv().map_err(|e| failed(e.to_string()))
    }
}

fn failed(found: String) -> Error {
    Error::Data {
        operation: "preparing a batch",
        found,
        expected: "a thread that prepares batches".to_owned(),
        remedy: "see whether the system allows more threads, and resume the run",
    }
}
