//! The inputs of a campaign: good files, and what mutations make of them. All good files are read
//! without a fault; a test sees to it.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::files::{folder, listed, root};
use crate::mutate::{Input, Structure, mutate};
use crate::random::Choices;
use crate::reader::{Good, Reader};

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
                let folder = folder(reader.name);
                let mut paths = if folder.is_dir() { listed(&folder, "")? } else { Vec::new() };
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
