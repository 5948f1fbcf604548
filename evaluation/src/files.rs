//! Writing results.

use std::path::Path;

use anyhow::{Context, Result};
use beaa_base::output::{self, Care};
use serde::Serialize;

/// Writes a result as all outputs are written ([`beaa_base::output`]): the file is whole or not
/// there.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    create_parent(path)?;
    Ok(output::write(path, bytes, Care::Result)?)
}

/// Writes indented JSON, as [`write`] does.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).with_context(|| format!("writing {}", path.display()))?;
    text.push('\n');
    write(path, text.as_bytes())
}

/// Makes sure that the folder exists.
///
/// # Errors
/// If it cannot be created.
pub fn create_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("creating folder {}", path.display()))
}

/// Makes sure that the folder of a file exists.
///
/// # Errors
/// If it cannot be created.
pub fn create_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => create_folder(parent),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_files_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c.json");
        write_json(&path, &[1, 2]).unwrap();
        write_json(&path, &[3]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[\n  3\n]\n");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
