//! The images of a run: their splits, batches on the device, augmentation, mixing, and a thread
//! that prepares batches.

mod augment;
mod batch;
mod cutmix;
mod normalisation;
mod prefetch;
mod splits;

pub(crate) use batch::{ImageBatch, batch, batches};
pub(crate) use cutmix::Pasted;
pub(crate) use normalisation::{alike, input_spec};
pub(crate) use prefetch::{EpochBatches, Prefetcher};
pub(crate) use splits::Splits;
