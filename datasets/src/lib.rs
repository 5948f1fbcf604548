//! Reads image data sets (IDX, CIFAR-10 binary, MedMNIST `.npz`, folders of images) and ships the embedded default.
//! It never downloads, never writes, and never trusts a size in a file before the bytes are there.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bytes;
mod carve;
mod catalogue;
mod cifar;
mod classes;
mod dataset;
mod embedded;
mod error;
mod folder;
mod idx;
mod images;
mod locate;
mod medmnist;
mod named;
mod npy;
mod order;
mod picture;
mod source;
mod spec;
mod split;

#[cfg(test)]
mod testing;

pub use carve::{Amount, HoldOut};
pub use catalogue::{Entry, PublicFile, Sizes, catalogue, entry};
pub use cifar::{CifarFiles, CifarSource};
pub use classes::Classes;
pub use dataset::Dataset;
pub use embedded::{embedded, embedded_bytes};
pub use error::Error;
pub use folder::{FolderFiles, FolderSource, Survey, survey};
pub use idx::{IdxFiles, IdxPair, IdxSource};
pub use images::Images;
pub use locate::{FileStatus, Located, locate};
pub use medmnist::{MedMnistFile, MedMnistSource};
pub use order::shuffled;
pub use picture::read_picture;
pub use source::{Source, open};
pub use spec::SourceSpec;
pub use split::Split;
