//! Which images a command works on: a data set's split, or picture files.

use std::path::PathBuf;

use anyhow::{Context, Result};
use beaa_datasets::{Dataset, Images, SourceSpec, Split};
use clap::Args;
use directories::ProjectDirs;

use crate::exit::Exit;

/// Where data sets are.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DatasetRoots {
    /// Folder of data sets; the platform's cache folder is searched after it.
    #[arg(long, env = "BEAA_DATA", value_name = "DIR", help_heading = "Data")]
    pub(crate) data: Option<PathBuf>,
}

/// A part of a data set.
#[derive(Debug, Clone, Args)]
pub(crate) struct Part {
    /// Which part of it.
    #[arg(long, value_name = "SPLIT", default_value = "test", help_heading = "Data")]
    #[arg(value_parser = ["train", "validation", "test"])]
    pub(crate) split: String,
    /// At most so many images, from the first on.
    #[arg(long, value_name = "N", help_heading = "Data")]
    pub(crate) limit: Option<usize>,
}

impl DatasetRoots {
    /// The folders to search, in order.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.data.clone().into_iter().chain(cache()).collect()
    }

    /// Reads a data set.
    pub(crate) fn open(&self, spec: &SourceSpec) -> Result<Dataset> {
        beaa_datasets::open(spec, &self.paths()).context("opening the data set")
    }
}

impl Part {
    /// The images asked for.
    pub(crate) fn of(&self, dataset: &Dataset) -> Result<Images> {
        let split: Split = self.split.parse()?;
        let all = dataset.split(split);
        let images = self.limit.map_or_else(|| all.clone(), |n| all.take(n));
        if images.is_empty() {
            return Err(Exit::BadInput.because(format!(
                "data set {}: no image in the {split} split; choose another with --split, and --limit of at least 1",
                dataset.name()
            )));
        }
        Ok(images)
    }
}

/// A data set as given on the command line: a name, a JSON description, or a file holding one.
pub(crate) fn parse_set(text: &str) -> Result<SourceSpec, String> {
    let json =
        |text: &str| serde_json::from_str(text).map_err(|e| format!("{e}; expected a name or a JSON description"));
    match text {
        _ if text.trim_start().starts_with('{') => json(text),
        _ if text.ends_with(".json") => {
            json(&std::fs::read_to_string(text).map_err(|e| format!("reading {text}: {e}"))?)
        }
        _ => Ok(SourceSpec::named(text)),
    }
}

/// The platform's folder for data that can be fetched again.
fn cache() -> Option<PathBuf> {
    ProjectDirs::from("", "", "beaa").map(|dirs| dirs.cache_dir().join("data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_names_or_descriptions() {
        assert_eq!(parse_set("mnist"), Ok(SourceSpec::named("mnist")));
        assert!(matches!(parse_set(r#"{"name": "mnist", "seed": 3}"#), Ok(SourceSpec::Named { .. })));
        assert!(parse_set("{").unwrap_err().contains("expected a name"));
        assert!(parse_set("nowhere.json").unwrap_err().contains("nowhere.json"));
    }

    #[test]
    fn a_given_folder_comes_before_the_cache() {
        let roots = DatasetRoots { data: Some("here".into()) }.paths();
        assert_eq!(roots.first(), Some(&PathBuf::from("here")));
        assert!(DatasetRoots::default().paths().len() <= 1);
    }
}
