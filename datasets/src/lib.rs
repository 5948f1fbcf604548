//! Internal crate of beaa: reads image data sets (IDX, CIFAR-10 binary, MedMNIST `.npz`, folders of
//! images) and ships the embedded default. It downloads nothing and writes nothing; a size in a
//! file counts only once the bytes are there.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bounded_reader;
mod catalogue;
mod classes;
mod dataset;
mod error;
mod formats;
mod images;
mod open;
mod path_text;
mod source;
mod spec;
mod split;
mod warning;

#[cfg(test)]
mod testing;

pub use catalogue::{
    Entry, FileStatus, Located, PublicFile, Sizes, catalogue, embedded, embedded_bytes, entry, locate,
};
pub use classes::Classes;
pub use dataset::Dataset;
pub use error::Error;
pub use formats::{
    CifarFiles, CifarSource, FolderFiles, FolderSource, IdxFiles, IdxPair, IdxSource, MedMnistFile, MedMnistSource,
    Pictures, Survey, read_pictures, survey,
};
pub use images::Images;
pub use open::open;
pub use path_text::path_text;
pub use source::Source;
pub use spec::SourceSpec;
pub use split::{Amount, HoldOut, Split, shuffled};
pub use warning::Warning;
