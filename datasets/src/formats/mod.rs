//! The file formats that data sets come in: one file per format, each with its `Source`.

mod cifar;
mod folder;
mod idx;
mod image_file;
mod medmnist;
mod npy;

pub use cifar::{CifarFiles, CifarSource};
pub use folder::{FolderFiles, FolderSource, Survey, survey};
pub use idx::{IdxFiles, IdxPair, IdxSource};
pub use image_file::read_image_file;
pub(crate) use medmnist::read as read_medmnist;
pub use medmnist::{MedMnistFile, MedMnistSource};
