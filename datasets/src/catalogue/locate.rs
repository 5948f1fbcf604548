//! Looks for the files of a named set below the roots, without reading them.

use std::path::{Path, PathBuf};

use crate::catalogue::{Entry, PublicFile, catalogue};

/// Where one file of a set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileStatus {
    /// It is there.
    Found {
        /// What the catalogue says of it.
        file: &'static PublicFile,
        /// Where.
        path: PathBuf,
        /// Size on disk.
        bytes: u64,
    },
    /// It is not there; `file` says where to get it.
    Missing {
        /// What the catalogue says of it.
        file: &'static PublicFile,
    },
}

/// The files of a set, in the order of the catalogue, all in one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// One status per file.
    pub files: Vec<FileStatus>,
    /// The folders that were searched, in order.
    pub searched: Vec<PathBuf>,
}

impl Located {
    /// The paths when every file is there.
    pub fn complete(&self) -> Option<Vec<PathBuf>> {
        let path = |status: &FileStatus| match status {
            FileStatus::Found { path, .. } => Some(path.clone()),
            FileStatus::Missing { .. } => None,
        };
        self.files.iter().map(path).collect()
    }

    /// The first name of each missing file.
    pub fn missing(&self) -> Vec<&'static PublicFile> {
        let missing = |status: &FileStatus| match status {
            FileStatus::Found { .. } => None,
            FileStatus::Missing { file } => Some(*file),
        };
        self.files.iter().filter_map(missing).collect()
    }
}

/// Looks for the files of `entry` in its folders below each root, in order. The first folder with
/// all files wins; otherwise the report is about the folder with the most.
pub fn locate(entry: &'static Entry, roots: &[PathBuf]) -> Located {
    let mut searched: Vec<PathBuf> = Vec::new();
    let mut best: Vec<FileStatus> = entry.files.iter().map(|file| FileStatus::Missing { file }).collect();
    for root in roots {
        for folder in entry.folders {
            let folder = if folder.is_empty() { root.clone() } else { root.join(folder) };
            let files: Vec<FileStatus> = entry.files.iter().map(|file| status(entry, file, &folder)).collect();
            searched.push(folder);
            if found(&files) > found(&best) {
                best = files;
            }
        }
    }
    Located { files: best, searched }
}

fn found(files: &[FileStatus]) -> usize {
    files.iter().filter(|status| matches!(status, FileStatus::Found { .. })).count()
}

fn status(entry: &Entry, file: &'static PublicFile, folder: &Path) -> FileStatus {
    let there = file.names.iter().find_map(|name| {
        let path = folder.join(name);
        let bytes = path.metadata().ok().filter(|data| data.is_file())?.len();
        let ours = !shared(entry) || folder_is_ours(entry, folder) || file.bytes == Some(bytes);
        ours.then_some((path, bytes))
    });
    match there {
        Some((path, bytes)) => FileStatus::Found { file, path, bytes },
        None => FileStatus::Missing { file },
    }
}

/// Whether another set has the same file names, as MNIST and Fashion-MNIST do: then names alone do
/// not tell them apart.
fn shared(entry: &Entry) -> bool {
    catalogue().iter().filter(|other| other.name != entry.name).any(|other| {
        let theirs: Vec<&str> = other.files.iter().flat_map(|file| file.names.iter().copied()).collect();
        entry.files.iter().all(|file| file.names.iter().any(|name| theirs.contains(name)))
    })
}

/// Whether the folder is named after the set, however it was reached.
fn folder_is_ours(entry: &Entry, folder: &Path) -> bool {
    entry.folders.iter().any(|ours| !ours.is_empty() && folder.ends_with(ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::entry;
    use crate::testing::Folder;

    const NAMES: [&str; 4] = [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ];

    fn fill(folder: &Folder, below: &str, names: &[&str]) {
        for name in names {
            folder.write(&format!("{below}{name}"), b"x");
        }
    }

    #[test]
    fn first_complete_folder_wins() {
        let (a, b) = (Folder::new(), Folder::new());
        let roots = [a.path().to_owned(), b.path().to_owned()];
        let mnist = entry("mnist").unwrap();
        assert_eq!(locate(mnist, &roots).missing().len(), 4);
        assert_eq!(locate(mnist, &[]).missing().len(), 4);
        fill(&a, "mnist/", &NAMES[..3]);
        let part = locate(mnist, &roots);
        assert_eq!((part.complete(), part.missing().len()), (None, 1));
        assert_eq!(part.searched.len(), 6);
        fill(&b, "MNIST/raw/", &NAMES);
        let whole = locate(mnist, &roots).complete().unwrap();
        assert_eq!(whole, NAMES.map(|name| b.path().join("MNIST/raw").join(name)));
    }

    #[test]
    fn sets_with_the_same_file_names_are_not_confused() {
        let folder = Folder::new();
        let (mnist, fashion) = (entry("mnist").unwrap(), entry("fashion-mnist").unwrap());
        fill(&folder, "", &NAMES);
        let root = [folder.path().to_owned()];
        assert_eq!(locate(mnist, &root).complete(), None, "a folder of any name could be either");
        fill(&folder, "fashion-mnist/", &NAMES);
        let itself = [folder.path().join("fashion-mnist")];
        assert!(locate(fashion, &itself).complete().is_some());
        assert_eq!(locate(mnist, &itself).complete(), None);
        let labels = folder.path().join("t10k-labels-idx1-ubyte.gz");
        std::fs::write(labels, vec![0; 5148]).unwrap();
        assert_eq!(found(&locate(mnist, &root).files), 0);
        assert!(!shared(entry("mednist").unwrap()) && !shared(entry("cifar-10").unwrap()));
    }
}
