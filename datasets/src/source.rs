//! The one trait of all formats, and the way from a description to a data set. It never guesses a format.

use std::path::{Path, PathBuf};

use crate::{
    CifarFiles, CifarSource, Classes, Dataset, Error, FolderFiles, FolderSource, HoldOut, IdxFiles, IdxPair, IdxSource,
    MedMnistFile, MedMnistSource, SourceSpec, catalogue,
};

/// Something a data set can be read from.
pub trait Source {
    /// Reads everything.
    ///
    /// # Errors
    /// Whatever is wrong with a file; the error names it.
    fn load(&self) -> Result<Dataset, Error>;
}

/// Reads what `spec` describes. Named sets are searched in `roots` in order; so are relative paths that do not exist as such.
///
/// # Errors
/// A missing file or set, and whatever is wrong with a file; the error names it.
pub fn open(spec: &SourceSpec, roots: &[PathBuf]) -> Result<Dataset, Error> {
    source(spec, roots)?.load()
}

fn source(spec: &SourceSpec, roots: &[PathBuf]) -> Result<Box<dyn Source>, Error> {
    let at = |path: &PathBuf| resolve(path, roots);
    let all = |paths: &[PathBuf]| paths.iter().map(at).collect::<Vec<_>>();
    let classes = |classes: &Option<Classes>| match classes {
        Some(Classes::File(path)) => Some(Classes::File(at(path))),
        other => other.clone(),
    };
    let pair = |pair: &IdxPair| IdxPair { images: at(&pair.images), labels: at(&pair.labels) };
    Ok(match spec {
        SourceSpec::Named { name, hold_out } => catalogue::resolve(name, *hold_out, roots)?,
        SourceSpec::Idx { name, files, hold_out } => Box::new(IdxSource {
            name: name_or_folder(name, &at(&files.train.images)),
            files: IdxFiles {
                train: pair(&files.train),
                validation: files.validation.as_ref().map(pair),
                test: pair(&files.test),
                classes: classes(&files.classes),
            },
            hold_out: *hold_out,
        }),
        SourceSpec::Cifar { name, files, hold_out } => Box::new(CifarSource {
            name: name_or_folder(name, files.train.first().map(at).as_deref().unwrap_or(Path::new("cifar"))),
            files: CifarFiles {
                train: all(&files.train),
                validation: all(&files.validation),
                test: all(&files.test),
                classes: classes(&files.classes),
            },
            hold_out: *hold_out,
        }),
        SourceSpec::MedMnist { name, file } => Box::new(MedMnistSource {
            name: name.clone().unwrap_or_else(|| last(file.file.file_stem(), "medmnist")),
            file: MedMnistFile { file: at(&file.file), classes: classes(&file.classes) },
        }),
        SourceSpec::Folder { name, files, hold_out } => Box::new(FolderSource {
            name: name.clone().unwrap_or_else(|| last(files.path.file_name(), "folder")),
            files: FolderFiles { path: at(&files.path), shape: files.shape },
            hold_out: *hold_out,
        }),
    })
}

/// A relative path is taken as it is when it exists, otherwise below the first root where it does.
fn resolve(path: &Path, roots: &[PathBuf]) -> PathBuf {
    if path.is_absolute() || path.exists() {
        return path.to_owned();
    }
    roots.iter().map(|root| root.join(path)).find(|candidate| candidate.exists()).unwrap_or_else(|| path.to_owned())
}

fn name_or_folder(name: &Option<String>, file: &Path) -> String {
    name.clone().unwrap_or_else(|| last(file.parent().and_then(Path::file_name), "images"))
}

fn last(name: Option<&std::ffi::OsStr>, otherwise: &str) -> String {
    name.map_or_else(|| otherwise.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The validation split: the files' own, or carved out of training.
pub(crate) fn with_validation(
    name: &str,
    train: crate::Images,
    own: Option<crate::Images>,
    hold_out: HoldOut,
) -> Result<(crate::Images, crate::Images), Error> {
    let file = || PathBuf::from(name);
    if hold_out.test.is_some() {
        return Err(Error::HasSplit { file: file(), split: crate::Split::Test });
    }
    match (own, hold_out.validation) {
        (Some(_), Some(_)) => Err(Error::HasSplit { file: file(), split: crate::Split::Validation }),
        (Some(validation), None) => Ok((train, validation)),
        (None, amount) => {
            let amount = amount.unwrap_or(HoldOut::DEFAULT);
            crate::split::carve(Path::new(name), &train, amount, hold_out.seed, 0)
        }
    }
}
