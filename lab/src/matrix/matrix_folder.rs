//! The folder of a matrix: what is in it, and what may be removed from it.

use std::path::Path;

use anyhow::Result;
use beaa_base::folder::{self, FolderLock};
use beaa_evaluation::bad_setting;
use beaa_evaluation::files;

use super::results::Results;
use crate::json_lines;
use crate::matrix::ResultRow;
use crate::run_folder::{RunFolder, Start};

/// What the marker of such a folder says.
const HOLDS: &str = "a matrix of experiments";
const RESULTS: &str = "results.jsonl";
/// Folders of runs.
const RUNS: [&str; 2] = ["teachers", "students"];
/// What a matrix writes.
const NAMES: [&str; 12] = [
    RESULTS,
    "table.md",
    "table.json",
    "accuracy.svg",
    "cost.svg",
    "differences.svg",
    "packings.jsonl",
    "packings.md",
    "packings.svg",
    "headline.svg",
    RUNS[0],
    RUNS[1],
];

/// Refuses where somebody's files would suffer, and takes the right to write there; a matrix that
/// is replaced is removed before.
///
/// # Errors
/// [`Fault::Setting`](beaa_evaluation::Fault::Setting) if the folder holds files of these names
/// that the matrix may not touch; if another process writes there; if a file cannot be removed.
pub fn claim(folder: &Path, start: Start) -> Result<FolderLock> {
    let path = folder.display();
    let ours = folder::is_marked(folder, HOLDS) || is_older(folder);
    match (start, folder::first_of(folder, &NAMES)) {
        (Start::New, Some(_)) if ours => {
            return Err(bad_setting(format!(
                "reproducing: found results in {path}, expected none; give --resume to go on with them, --force to \
                 throw them away, or another --out"
            )));
        }
        (_, Some(name)) if !ours => {
            return Err(bad_setting(format!(
                "reproducing: found {name} in {path}, which no matrix wrote there, expected a folder without it; give \
                 another --out"
            )));
        }
        _ => {}
    }
    files::create_folder(folder)?;
    let lock = folder::lock(folder)?;
    folder::mark(folder, HOLDS)?;
    if start == Start::Replace {
        for runs in RUNS.map(|name| folder.join(name)) {
            for run in std::fs::read_dir(&runs).into_iter().flatten().flatten() {
                RunFolder::new(&run.path()).remove()?;
            }
            folder::remove_if_empty(&runs)?;
        }
    }
    Ok(lock)
}

/// Whether it is the folder of a matrix that an older release wrote, without a marker.
fn is_older(folder: &Path) -> bool {
    let rows = json_lines::read::<ResultRow>(&Results::path(folder));
    let runs = RUNS.iter().flat_map(|name| std::fs::read_dir(folder.join(name)).into_iter().flatten().flatten());
    rows.is_ok_and(|rows| !rows.values.is_empty()) || runs.into_iter().any(|run| RunFolder::new(&run.path()).is_run())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_anybody_else_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let grades = folder.path().join("students/grades.txt");
        std::fs::create_dir_all(grades.parent().unwrap()).unwrap();
        std::fs::write(&grades, "1").unwrap();
        for start in [Start::New, Start::Resume, Start::Replace] {
            let error = claim(folder.path(), start).unwrap_err().to_string();
            assert!(error.contains("found students"), "{error}");
        }
        std::fs::remove_file(&grades).unwrap();
        std::fs::remove_dir(grades.parent().unwrap()).unwrap();
        drop(claim(folder.path(), Start::New).unwrap());
        let run = folder.path().join("students/a");
        std::fs::create_dir_all(&run).unwrap();
        for name in ["config.json", "metrics.jsonl", "notes.txt"] {
            std::fs::write(run.join(name), "{}").unwrap();
        }
        assert!(claim(folder.path(), Start::New).unwrap_err().to_string().contains("--resume"));
        let held = claim(folder.path(), Start::Replace).unwrap();
        assert!(run.join("notes.txt").exists() && !run.join("config.json").exists());
        assert!(claim(folder.path(), Start::Resume).is_err());
        drop(held);
    }
}
