//! Good files, which are changed: those in `fuzz/seeds`, one folder for each reader, and how they
//! are made. All of them are read without a fault; a test sees to it.

mod ckks;
mod data;
mod models;
mod texts;
#[cfg(feature = "tfhe")]
mod tfhe;
mod training;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::mutate::{Input, Structure, mutate};
use crate::random::Choices;
use crate::readers::{Good, Reader};

/// The good files of a reader.
pub struct Seeds(Vec<(String, Vec<u8>)>);

impl Seeds {
    /// Reads them, or makes those that are not kept.
    ///
    /// # Errors
    /// If they are not there.
    pub fn of(reader: &Reader) -> Result<Self> {
        let files = match reader.good {
            Good::Fixed(files) => files.iter().map(|f| ("a fixed one".to_owned(), f.to_vec())).collect(),
            Good::Made(make) => make()?.into_iter().map(|f| ("one that is made".to_owned(), f)).collect(),
            Good::Files(others) => {
                let own = folder(reader.name);
                let mut paths = if own.is_dir() { listed(&own, "")? } else { Vec::new() };
                for (path, extension) in others {
                    let path = root().join(path);
                    if path.is_dir() { paths.extend(listed(&path, extension)?) } else { paths.push(path) }
                }
                let read = |path: &PathBuf| Ok((path.display().to_string(), std::fs::read(path)?));
                paths.iter().map(read).collect::<Result<Vec<_>>>()?
            }
        };
        ensure!(!files.is_empty(), "good files of {}: found none, make them: beaa-hostile seeds", reader.name);
        Ok(Self(files))
    }

    /// All, each with what it is called.
    pub fn files(&self) -> &[(String, Vec<u8>)] {
        &self.0
    }

    /// The input with this number: first the good files as they are, then changed ones.
    pub fn input(&self, reader: &Reader, seed: u64, number: u64) -> Input {
        if let Some((_, good)) = self.0.get(number as usize) {
            return Input { bytes: good.clone(), damaged: false };
        }
        let choices = &mut Choices::new(seed, reader.name, number);
        let (good, other) = (&choices.pick(&self.0).1, &choices.pick(&self.0).1);
        mutate(reader.structure, reader.checked && has_checksum(reader.structure, good), good, other, choices)
    }
}

/// Whether a good file has a checksum: models of older formats have none.
fn has_checksum(structure: Structure, file: &[u8]) -> bool {
    structure != Structure::Safetensors || file.windows(14).any(|w| w == br#"\"checksum\":\""#)
}

/// A good file by the name of its reader and its own.
pub fn good_file(reader: &str, name: &str) -> PathBuf {
    folder(reader).join(name)
}

/// Makes all good files anew that are kept, with the formats that are written now.
///
/// # Errors
/// If one cannot be made or written.
pub fn make_all() -> Result<()> {
    texts::make()?;
    models::make()?;
    ckks::make()?;
    #[cfg(feature = "tfhe")]
    tfhe::make()?;
    data::make()?;
    training::make()
}

/// Writes a good file.
fn keep(reader: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let path = good_file(reader, name);
    let folder = folder(reader);
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn folder(reader: &str) -> PathBuf {
    root().join("fuzz/seeds").join(reader)
}

/// The files of a folder whose names end in an extension, in order.
fn listed(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    files.retain(|f| f.is_file() && f.to_string_lossy().ends_with(extension));
    files.sort();
    Ok(files)
}
