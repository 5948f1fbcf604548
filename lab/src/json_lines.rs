//! Files of JSON, one record in each line. A record and the end of its line are one write, so that
//! a process that dies leaves at most its last line unfinished; a line that cannot be read is told
//! with file and number, and costs no other.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_base::input;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of such a file, at most.
const MAX_BYTES: u64 = 1 << 32;

/// The records of a file.
pub struct Lines<T> {
    /// Those that can be read, in order.
    pub values: Vec<T>,
    /// What is wrong with the other lines, a sentence for each.
    pub problems: Vec<String>,
}

/// Reads a file; one that is not there has no records.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Lines<T>> {
    let mut lines = Lines { values: Vec::new(), problems: Vec::new() };
    if !path.exists() {
        return Ok(lines);
    }
    let bytes = input::read("reading", path, MAX_BYTES)?;
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(value) => lines.values.push(value),
            Err(error) => {
                let found = if std::str::from_utf8(line).is_err() { "no UTF-8".to_owned() } else { error.to_string() };
                lines.problems.push(format!("{}, line {}: {found}; left out", path.display(), i + 1));
            }
        }
    }
    Ok(lines)
}

/// A file to which records are added.
pub(crate) struct JsonLines {
    path: PathBuf,
    file: File,
}

impl JsonLines {
    /// Opens a file for adding, or begins it anew. A last line without an end is ended, so that the
    /// next record has a line of its own.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub(crate) fn open(path: &Path, append: bool) -> Result<Self> {
        let doing = || format!("opening {}", path.display());
        let mut options = OpenOptions::new();
        let mut file = options.create(true).read(true).write(true).truncate(!append).open(path).with_context(doing)?;
        let end = file.seek(SeekFrom::End(0)).with_context(doing)?;
        if end > 0 {
            let mut last = [0];
            file.seek(SeekFrom::Start(end - 1)).with_context(doing)?;
            file.read_exact(&mut last).with_context(doing)?;
            if last != *b"\n" {
                file.write_all(b"\n").with_context(doing)?;
            }
        }
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn add<T: Serialize>(&mut self, record: &T) -> Result<()> {
        let doing = || format!("writing {}", self.path.display());
        let mut line = serde_json::to_vec(record).with_context(doing)?;
        line.push(b'\n');
        self.file.write_all(&line).with_context(doing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_line_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        assert!(read::<u32>(&path).unwrap().values.is_empty());
        let mut lines = JsonLines::open(&path, true).unwrap();
        (1..=3).try_for_each(|n| lines.add(&n)).unwrap();
        std::fs::write(&path, b"1\n\xff\n\n{\n4").unwrap();
        JsonLines::open(&path, true).unwrap().add(&5).unwrap();
        let found = read::<u32>(&path).unwrap();
        assert_eq!(found.values, [1, 4, 5]);
        let problems = found.problems.join(" ");
        assert!(problems.contains("x.jsonl, line 2: no UTF-8") && problems.contains("line 4"), "{problems}");
        JsonLines::open(&path, false).unwrap().add(&6).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "6\n");
    }
}
