//! The file formats that data sets come in: one file per format, each with its `Source`.

mod cifar;
mod folder;
mod idx;
mod medmnist;
mod npy;
mod picture;

pub use cifar::{CifarFiles, CifarSource};
pub use folder::{FolderFiles, FolderSource, Pictures, Survey, read_pictures, survey};
pub use idx::{IdxFiles, IdxPair, IdxSource};
pub(crate) use medmnist::read as read_medmnist;
pub use medmnist::{MedMnistFile, MedMnistSource};
