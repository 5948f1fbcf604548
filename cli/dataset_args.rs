//! Which images a command works on: a data set's split, or picture files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use beaa_base::json;
use beaa_base::text::read_text;
use beaa_datasets::{Dataset, Images, LoadedSplit, SourceSpec, Split};
use clap::Args;
use directories::ProjectDirs;

use crate::exit::Exit;

const READING: &str = "reading data set";

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

    /// Reads one part of a data set; the others need not be there.
    pub(crate) fn open_part(&self, spec: &SourceSpec, part: &Part) -> Result<LoadedSplit> {
        let split: Split = part.split.parse()?;
        let loaded = beaa_datasets::open_split(spec, split, &self.paths()).context("opening the data set")?;
        Ok(LoadedSplit { images: part.limited(loaded.images, &loaded.name, split)?, ..loaded })
    }
}

impl Part {
    /// The images asked for.
    pub(crate) fn of(&self, dataset: &Dataset) -> Result<Images> {
        let split: Split = self.split.parse()?;
        self.limited(dataset.split(split).clone(), dataset.name(), split)
    }

    /// As many images of a `split` as wanted, at least one.
    fn limited(&self, all: Images, name: &str, split: Split) -> Result<Images> {
        let images = match self.limit {
            Some(n) => all.take(n),
            None => all,
        };
        if images.is_empty() {
            return Err(Exit::BadInput.because(format!(
                "data set {name}: no image in the {split} split; choose another with --split, and --limit of at least 1"
            )));
        }
        Ok(images)
    }
}

/// A data set as given on the command line: a name, a JSON description, or a file holding one. What
/// is wrong with a file is a [`beaa_base::Error`], which `main` tells from wrong use.
pub(crate) fn parse_set(text: &str) -> Result<SourceSpec, Box<dyn std::error::Error + Send + Sync>> {
    if text.trim_start().starts_with('{') {
        return json::parse(text).map_err(|e| format!("{e}; expected a name or a JSON description").into());
    }
    if !text.ends_with(".json") {
        return Ok(SourceSpec::named(text));
    }
    let path = Path::new(text);
    let parsed = json::parse(&read_text(READING, path)?).map_err(|e| beaa_base::Error::Unfit {
        operation: READING,
        path: path.to_path_buf(),
        found: e.to_string(),
        expected: "a JSON description of a data set".to_owned(),
        remedy: "docs/data.md shows every kind",
    });
    Ok(parsed?)
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
        assert_eq!(parse_set("mnist").unwrap(), SourceSpec::named("mnist"));
        assert!(matches!(parse_set(r#"{"name": "mnist", "seed": 3}"#), Ok(SourceSpec::Named { .. })));
        assert!(parse_set("{").unwrap_err().to_string().contains("expected a name"));
        let error = parse_set("nowhere.json").unwrap_err();
        assert!(error.to_string().contains("nowhere.json") && error.is::<beaa_base::Error>());
    }

    #[test]
    fn a_given_folder_comes_before_the_cache() {
        let roots = DatasetRoots { data: Some("here".into()) }.paths();
        assert_eq!(roots.first(), Some(&PathBuf::from("here")));
        assert!(DatasetRoots::default().paths().len() <= 1);
    }
}
