//! Internal crate of beaa: reads data sets of images (IDX, CIFAR-10 binary, MedMNIST `.npz`,
//! folders) and of real numbers (CSV, NumPy arrays) and ships the embedded default. It downloads
//! nothing and writes nothing; a size in a file counts only once the bytes are there.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bounded_reader;
mod catalogue;
mod channel_statistics;
mod classes;
mod dataset;
mod error;
mod formats;
mod images;
mod loaded_split;
mod open;
mod path_text;
mod preprocess;
mod resize;
mod source;
mod spec;
mod split;
mod warning;

#[cfg(test)]
mod testing;

pub use catalogue::{
    Entry, FileStatus, Located, PublicFile, Sizes, catalogue, embedded, embedded_bytes, entry, locate,
};
pub use channel_statistics::Ranges;
pub use classes::Classes;
pub use dataset::Dataset;
pub use error::Error;
pub use formats::{
    CifarFiles, CifarSource, Column, CsvFiles, CsvSource, Dialect, FolderFiles, FolderSource, IdxFiles, IdxPair,
    IdxSource, MedMnistFile, MedMnistSource, NpyFiles, NpySource, Pictures, PixelScale, RowFormat, RowShape, Survey,
    read_pictures, read_rows, survey,
};
pub use images::{Images, Reals, Values};
pub use loaded_split::LoadedSplit;
pub use open::{open, open_split};
pub use path_text::path_text;
pub use source::Source;
pub use spec::SourceSpec;
pub use split::{Amount, HoldOut, Split, shuffled};
pub use warning::Warning;
