//! The file formats that data sets come in: one file per format, each with its `Source`.

mod cifar;
mod csv;
mod decimal;
mod folder;
mod idx;
mod medmnist;
mod npy;
mod npy_array;
mod npy_rows;
mod picture;
mod pixel_scale;
mod row_labels;
mod rows;
mod sample_shape;
mod text_rows;
mod wrong_cells;

pub use cifar::{CifarFiles, CifarSource};
pub use csv::{Column, CsvFiles, CsvSource, Dialect};
pub use folder::{FolderFiles, FolderSource, Pictures, Survey, read_pictures, survey};
pub use idx::{IdxFiles, IdxPair, IdxSource};
pub(crate) use medmnist::read as read_medmnist;
pub use medmnist::{MedMnistFile, MedMnistSource};
pub use npy_rows::{NpyFiles, NpySource};
pub use pixel_scale::PixelScale;
pub use rows::{RowFormat, RowShape, read_rows};
