//! The images of a run: their splits, batches on the device, augmentation, and a thread that
//! prepares batches.

mod augment;
mod batch;
mod prefetch;
mod splits;

pub(crate) use batch::{ImageBatch, batch, batches};
pub(crate) use prefetch::{EpochBatches, Prefetcher};
pub(crate) use splits::Splits;
