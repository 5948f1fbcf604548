//! The way from a description to a data set. The format is the one that the description names.

use std::path::{Path, PathBuf};

use crate::catalogue;
use crate::classes::Classes;
use crate::dataset::{Dataset, check_names};
use crate::error::Error;
use crate::formats::{
    CifarFiles, CifarSource, CsvFiles, CsvSource, FolderFiles, FolderSource, IdxFiles, IdxPair, IdxSource,
    MedMnistFile, MedMnistSource, NpyFiles, NpySource,
};
use crate::loaded_split::LoadedSplit;
use crate::source::Source;
use crate::spec::SourceSpec;
use crate::split::Split;

/// Reads what `spec` describes. Named sets are searched in `roots` in order; so are relative paths
/// that do not exist as such. The warnings of the set are also logged.
///
/// # Errors
/// A missing file or set, and whatever is wrong with a file; the error names it.
pub fn open(spec: &SourceSpec, roots: &[PathBuf]) -> Result<Dataset, Error> {
    let (spec, steps) = spec.source_and_steps();
    let dataset = source_of(spec, roots)?.load()?;
    let dataset = if steps.is_empty() { dataset } else { dataset.preprocessed(steps)? };
    dataset.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    Ok(dataset)
}

/// Reads one split of what `spec` describes, otherwise as [`open`]. Where a split has files of its
/// own, no others need to be there, nor labels.
///
/// # Errors
/// As [`open`].
pub fn open_split(spec: &SourceSpec, split: Split, roots: &[PathBuf]) -> Result<LoadedSplit, Error> {
    let (spec, steps) = spec.source_and_steps();
    let loaded = source_of(spec, roots)?.load_split(split)?;
    check_names(PathBuf::from(&loaded.name), &loaded.classes)?;
    if steps.is_empty() { Ok(loaded) } else { loaded.preprocessed(steps) }
}

/// The files of `spec`, found, with the reader of their format.
fn source_of(spec: &SourceSpec, roots: &[PathBuf]) -> Result<Box<dyn Source>, Error> {
    let at = |path: &PathBuf| existing(path, roots);
    let all = |paths: &[PathBuf]| paths.iter().map(at).collect::<Vec<_>>();
    let classes = |classes: &Option<Classes>| match classes {
        Some(Classes::File(path)) => Some(Classes::File(at(path))),
        other => other.clone(),
    };
    let pair = |pair: &IdxPair| IdxPair { images: at(&pair.images), labels: pair.labels.as_ref().map(at) };
    Ok(match spec {
        SourceSpec::Named { name, hold_out } => catalogue::resolve(name, *hold_out, roots)?,
        SourceSpec::Idx { name, files, hold_out } => Box::new(IdxSource {
            name: name_or_folder(name, files.first().map(|pair| at(&pair.images)).as_deref()),
            files: IdxFiles {
                train: files.train.as_ref().map(pair),
                validation: files.validation.as_ref().map(pair),
                test: files.test.as_ref().map(pair),
                classes: classes(&files.classes),
            },
            hold_out: *hold_out,
        }),
        SourceSpec::Cifar { name, files, hold_out } => Box::new(CifarSource {
            name: name_or_folder(name, files.first().map(at).as_deref()),
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
        SourceSpec::Csv { name, files, hold_out } => Box::new(CsvSource {
            name: name.clone().unwrap_or_else(|| last(files.file.file_stem(), "table")),
            files: CsvFiles {
                file: at(&files.file),
                validation_file: files.validation_file.as_ref().map(at),
                test_file: files.test_file.as_ref().map(at),
                classes: classes(&files.classes),
                ..files.as_ref().clone()
            },
            hold_out: *hold_out,
        }),
        SourceSpec::Preprocessed { source, .. } => source_of(source, roots)?,
        SourceSpec::Npy { name, files, hold_out } => {
            // Entries of an archive are no files.
            let array = |path: &PathBuf| if files.file.is_some() { path.clone() } else { at(path) };
            let arrays = |path: &Option<PathBuf>| path.as_ref().map(array);
            let named_after = files.file.as_ref().unwrap_or(&files.x);
            Box::new(NpySource {
                name: name.clone().unwrap_or_else(|| last(named_after.file_stem(), "arrays")),
                files: NpyFiles {
                    file: files.file.as_ref().map(at),
                    x: array(&files.x),
                    y: array(&files.y),
                    x_validation: arrays(&files.x_validation),
                    y_validation: arrays(&files.y_validation),
                    x_test: arrays(&files.x_test),
                    y_test: arrays(&files.y_test),
                    classes: classes(&files.classes),
                    ..files.as_ref().clone()
                },
                hold_out: *hold_out,
            })
        }
    })
}

/// A relative path stays as it is when it exists, otherwise below the first root where it does.
fn existing(path: &Path, roots: &[PathBuf]) -> PathBuf {
    if path.is_absolute() || path.exists() {
        return path.to_owned();
    }
    roots.iter().map(|root| root.join(path)).find(|candidate| candidate.exists()).unwrap_or_else(|| path.to_owned())
}

fn name_or_folder(name: &Option<String>, file: Option<&Path>) -> String {
    name.clone().unwrap_or_else(|| last(file.and_then(Path::parent).and_then(Path::file_name), "images"))
}

fn last(name: Option<&std::ffi::OsStr>, otherwise: &str) -> String {
    name.map_or_else(|| otherwise.to_owned(), |name| name.to_string_lossy().into_owned())
}
