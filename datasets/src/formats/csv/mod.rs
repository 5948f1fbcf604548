//! Tables of real numbers (CSV): one row per sample, one column per number, and a column of
//! classes.

mod dialect;
mod lines;
mod plain_lines;
mod read_rows;
mod table;
mod table_rows;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::pixel_scale::{PixelScale, scaled};
use super::row_labels::LabelNames;
use super::sample_shape::{channel_names, check_pixels, check_row_shape};
use crate::channel_statistics::Ranges;
use crate::classes::Classes;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::images::{Images, Reals};
use crate::source::Source;
use crate::split::{HoldOut, Split};
use crate::warning::Warning;
use table::Table;
use table_rows::TableRows;

pub use dialect::{Column, Dialect};
pub(crate) use read_rows::read_csv_rows;

/// The tables of a set and what their columns are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvFiles {
    /// All samples, or those to train on.
    pub file: PathBuf,
    /// Validation samples; held out of training when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_file: Option<PathBuf>,
    /// Test samples; held out of training when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_file: Option<PathBuf>,
    /// The column of the classes.
    pub label: Column,
    /// The columns to learn from, in this order; all but the label and what is ignored unless
    /// stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<Column>>,
    /// Columns to pass over, such as a patient's number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Column>,
    /// Names of the classes; those that occur when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
    /// What separates cells; a comma unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// The decimal sign; a point unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// Whether the first line names the columns; by its cells unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Channels, height, width of a sample, whose numbers are in the columns in this order: a
    /// signal of 12 leads and 1000 values is `[12, 1, 1000]`. Unless stated, each column is a
    /// channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<[usize; 3]>,
    /// What white is, if the numbers are pixels; then `shape` says that of an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<PixelScale>,
    /// Which values are allowed; what training spans and half as much beyond it unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Ranges>,
}

/// Tables on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvSource {
    /// Name of the set.
    pub name: String,
    /// Its files.
    pub files: CsvFiles,
    /// What to hold out of training when there are no such files.
    pub hold_out: HoldOut,
}

/// One table, its chosen columns read.
struct Part {
    path: PathBuf,
    label_column: String,
    /// Names of the chosen columns, if the first line has them.
    columns: Option<Vec<String>>,
    width: usize,
    rows: TableRows,
    warnings: Vec<Warning>,
}

impl Source for CsvSource {
    fn load(&self) -> Result<Dataset, Error> {
        let files = &self.files;
        check_pixels(files.pixels, files.shape, files.ranges.as_ref())?;
        let train = read(files, &files.file, None)?;
        let other = |path: &Option<PathBuf>| path.as_ref().map(|p| read(files, p, Some(&train))).transpose();
        let (validation, test) = (other(&files.validation_file)?, other(&files.test_file)?);
        let classes = LabelNames::of(&train.path, &train.label_column, &train.rows.labels, files.classes.as_ref())?;
        let warnings = train.warnings.clone();
        let images = |part: Part| part.images(files.shape, files.pixels, &classes);
        let (validation, test) = (validation.map(images).transpose()?, test.map(images).transpose()?);
        let origin = Path::new(&self.name);
        let (train, test) = self.hold_out.part(origin, images(train)?, test, Split::Test)?;
        let (train, validation) = self.hold_out.part(origin, train, validation, Split::Validation)?;
        let set = Dataset::within(&self.name, classes.names, [train, validation, test], files.ranges.as_ref())?;
        Ok(set.with_warnings(warnings))
    }
}

/// Reads one table as `files` describe it; it must have the columns of `first`, if there is one.
fn read(files: &CsvFiles, path: &Path, first: Option<&Part>) -> Result<Part, Error> {
    let dialect = Dialect { separator: files.separator, decimal: files.decimal, header: files.header };
    let spoken_of: Vec<&Column> = files.columns.iter().flatten().chain(&files.ignore).chain([&files.label]).collect();
    let others: Vec<&Column> = files.ignore.iter().chain([&files.label]).collect();
    let table = Table::open(path, dialect, if files.columns.is_some() { &spoken_of } else { &others }, &[])?;
    let find = |columns: &[Column]| columns.iter().map(|c| table.find(c)).collect::<Result<Vec<_>, _>>();
    let label = table.find(&files.label)?;
    let passed_over = find(&files.ignore)?;
    let chosen = match &files.columns {
        Some(columns) => find(columns)?,
        None => (0..table.width).filter(|i| *i != label && !passed_over.contains(i)).collect(),
    };
    check_chosen(path, &table, &chosen, label)?;
    let columns: Option<Vec<String>> = table.header.as_ref().map(|h| chosen.iter().map(|&i| h[i].clone()).collect());
    if let Some(first) = first
        && (columns.as_ref() != first.columns.as_ref() || chosen.len() != first.width)
    {
        return Err(other_columns(path, columns.as_deref(), chosen.len(), first));
    }
    let mut warnings = Vec::new();
    if files.header.is_none() && table.header.is_none() {
        warnings.push(Warning::FirstLineRead { file: path.to_owned() });
    }
    let label_column = table.column_name(label);
    let rows = table.rows(&chosen, Some(label))?;
    Ok(Part { path: path.to_owned(), label_column, columns, width: chosen.len(), rows, warnings })
}

/// Refuses columns without a name, columns that are chosen twice, the label among them, and none at
/// all.
fn check_chosen(path: &Path, table: &Table, chosen: &[usize], label: usize) -> Result<(), Error> {
    let wrong = |found: String, expected: &str, remedy: &str| Err(Error::table(path, "", found, expected, remedy));
    if chosen.is_empty() {
        return wrong("no column beside the label".into(), "columns of numbers", "see whether the separator is right");
    }
    if chosen.contains(&label) {
        return wrong("the label among the columns to learn from".into(), "others", "leave it out of \"columns\"");
    }
    if let Some(&twice) = (1..chosen.len()).find(|&i| chosen[..i].contains(&chosen[i])).map(|i| &chosen[i]) {
        return wrong(format!("{} twice", table.column_name(twice)), "each column once", "correct \"columns\"");
    }
    let unnamed = table.header.as_ref().and_then(|header| chosen.iter().find(|&&i| header[i].is_empty()));
    match unnamed {
        None => Ok(()),
        Some(column) => {
            let remedy = format!("name it, or leave it out with \"ignore\": [{column}] if it only counts the rows");
            wrong(format!("column {column} without a name"), "a name for each column", &remedy)
        }
    }
}

/// The error of a table whose columns are not those of the training table.
fn other_columns(path: &Path, columns: Option<&[String]>, width: usize, first: &Part) -> Error {
    let text = |columns: Option<&[String]>, width: usize| match columns {
        Some(names) => format!("the columns {}", crate::channel_statistics::list(names)),
        None => format!("{width} columns without names"),
    };
    let expected = format!("{}, as in {}", text(first.columns.as_deref(), first.width), first.path.display());
    let remedy = "give both tables the same columns, or choose them under \"columns\"";
    Error::table(path, "", text(columns, width), expected, remedy)
}

impl Part {
    /// The rows as samples, each with the line that it is from.
    fn images(
        self,
        shape: Option<[usize; 3]>,
        pixels: Option<PixelScale>,
        classes: &LabelNames,
    ) -> Result<Images, Error> {
        let Self { path, label_column, columns, width, rows, .. } = self;
        let position = |i: usize| format!("line {}, {label_column}", rows.lines[i]);
        let labels = classes.numbers(&path, &rows.labels, position)?;
        let shape = shape.unwrap_or([width, 1, 1]);
        check_row_shape(&path, width, shape)?;
        let reals = Reals { numbers: rows.numbers, channels: channel_names(columns, shape) };
        let names = rows.lines.iter().map(|line| format!("line {line}")).collect();
        let samples = Images::of_reals(path.clone(), shape, reals, labels)?.with_names(names);
        scaled(&path, samples, pixels)
    }
}

#[cfg(test)]
mod tests;
