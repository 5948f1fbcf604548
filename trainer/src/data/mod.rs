//! The images of a run: their splits, batches on the device, augmentation, and a thread that prepares them.

mod augment;
pub(crate) mod prefetch;
mod splits;

pub(crate) use splits::{ImageBatch, Splits, batch, batches};
