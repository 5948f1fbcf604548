//! The rows of a matrix on disk: one line of JSON for each finished run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use beaa_evaluation::{Reporter, files};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::encrypted_run::EncryptedFigures;
use crate::json_lines::{self, Lines};

/// What a run measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    /// Hash of the resolved configuration.
    pub key: String,
    /// Axis to variation.
    pub labels: BTreeMap<String, String>,
    /// How the run ended, with its figures.
    pub outcome: RunOutcome,
    /// Checksum of the data set.
    pub data: String,
    /// Of the program that ran.
    pub version: String,
    /// Accuracy of the ReLU network on the test images in clear, 0..1.
    pub teacher: Option<f64>,
    /// Training the student, initialisation and measuring included; the teacher's time is not in
    /// it.
    pub seconds: f64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ended", rename_all = "snake_case")]
pub enum RunOutcome {
    /// Trained, compiled and run on ciphertexts.
    Done {
        /// Accuracy of the student on the same test images in clear, 0..1.
        student: f64,
        /// What the encrypted run measured.
        encrypted: Box<EncryptedFigures>,
    },
    /// Training left the finite numbers.
    Diverged {
        /// Where, and which quantity.
        message: String,
    },
    /// Trained, but there is no program for it.
    NotCompiled {
        /// Accuracy of the student on the test images in clear, 0..1.
        student: f64,
        /// Why.
        message: String,
    },
}

impl ResultRow {
    /// What the student has in clear, if it was trained to the end.
    pub fn student(&self) -> Option<f64> {
        match &self.outcome {
            RunOutcome::Done { student, .. } | RunOutcome::NotCompiled { student, .. } => Some(*student),
            RunOutcome::Diverged { .. } => None,
        }
    }

    /// The figures of the encrypted run, if there was one.
    pub fn encrypted(&self) -> Option<&EncryptedFigures> {
        match &self.outcome {
            RunOutcome::Done { encrypted, .. } => Some(encrypted),
            _ => None,
        }
    }
}

/// One line of a file of rows.
pub trait Row: Serialize + DeserializeOwned {
    /// Name of the file.
    const FILE: &'static str;

    /// Tells the rows of a file apart.
    fn key(&self) -> &str;
}

impl Row for ResultRow {
    const FILE: &'static str = "results.jsonl";

    fn key(&self) -> &str {
        &self.key
    }
}

/// `results.jsonl` of an output folder.
pub type Results = Rows<ResultRow>;

/// Rows of an output folder.
pub struct Rows<R> {
    path: PathBuf,
    rows: Vec<R>,
}

impl<R: Row> Rows<R> {
    /// Where the rows are.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(R::FILE)
    }

    /// Reads the rows of an output folder. Lines that are no rows are left out, with a warning.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn open(folder: &Path, reporter: &dyn Reporter) -> Result<Self> {
        let path = Self::path(folder);
        let Lines { values: rows, problems } = json_lines::read(&path)?;
        problems.iter().for_each(|problem| reporter.warn(problem));
        Ok(Self { path, rows })
    }

    /// No row, and the file is replaced with the first.
    pub fn empty(folder: &Path) -> Self {
        Self { path: Self::path(folder), rows: Vec::new() }
    }

    /// The rows so far.
    pub fn rows(&self) -> &[R] {
        &self.rows
    }

    /// Adds a row, instead of an earlier one of the same run. The file is written anew under
    /// another name and renamed.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, row: R) -> Result<()> {
        self.rows.retain(|r| r.key() != row.key());
        self.rows.push(row);
        let lines = self.rows.iter().map(serde_json::to_string).collect::<std::result::Result<Vec<_>, _>>()?;
        files::write(&self.path, (lines.join("\n") + "\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use beaa_evaluation::Quiet;

    #[test]
    fn rows_survive_a_damaged_line() {
        let folder = tempfile::tempdir().unwrap();
        let row = |key: &str| ResultRow {
            key: key.to_owned(),
            labels: BTreeMap::new(),
            outcome: RunOutcome::Diverged { message: "m".to_owned() },
            data: String::new(),
            version: String::new(),
            teacher: None,
            seconds: 1.5,
        };
        let mut results = Results::open(folder.path(), &Quiet).unwrap();
        results.add(row("a")).unwrap();
        results.add(row("b")).unwrap();
        results.add(row("a")).unwrap();
        let path = Results::path(folder.path());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        std::fs::write(&path, text + "{\"key\": \"c").unwrap();
        let mut results = Results::open(folder.path(), &Quiet).unwrap();
        assert_eq!(results.rows(), [row("b"), row("a")]);
        results.add(row("d")).unwrap();
        assert_eq!(Results::open(folder.path(), &Quiet).unwrap().rows().len(), 3);
    }
}
