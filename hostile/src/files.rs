//! Where good files are: `fuzz/seeds`, one folder for each reader.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A good file by the name of its reader and its own.
pub(crate) fn good_file(reader: &str, name: &str) -> PathBuf {
    folder(reader).join(name)
}

/// Writes a good file.
pub(crate) fn keep(reader: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let path = good_file(reader, name);
    let folder = folder(reader);
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder of a reader.
pub(crate) fn folder(reader: &str) -> PathBuf {
    root().join("fuzz/seeds").join(reader)
}

/// The files of a folder whose names end in an extension, in order.
pub(crate) fn listed(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    files.retain(|f| f.is_file() && f.to_string_lossy().ends_with(extension));
    files.sort();
    Ok(files)
}
