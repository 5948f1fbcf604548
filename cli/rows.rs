//! Rows and signals of real numbers (CSV, NumPy) for a network that takes them, without labels.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_datasets::{Dialect, Images, Reals, Values, read_csv_rows, read_npy_rows};
use beaa_ir::InputSpec;
use clap::Args;

use crate::context::Context;
use crate::exit::Exit;

/// A file of rows, and how it is written.
#[derive(Debug, Args)]
pub(crate) struct RowArgs {
    /// A table (CSV) or a NumPy array (.npy) of rows or signals instead, for programs that take
    /// real numbers; columns are found by their names, others are passed over.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    #[arg(conflicts_with_all = ["data_set", "images", "labels"])]
    pub(crate) rows: Option<PathBuf>,
    /// What separates the cells of the table, `tab` for a tab [default: ,].
    #[arg(long, value_name = "CHAR", requires = "rows", value_parser = parse_separator, help_heading = "Data")]
    separator: Option<char>,
    /// The decimal sign of the table [default: .].
    #[arg(long, value_name = "CHAR", requires = "rows", help_heading = "Data")]
    decimal: Option<char>,
    /// Whether the first line of the table names its columns [default: by its cells].
    #[arg(long, value_name = "BOOL", requires = "rows", help_heading = "Data")]
    header: Option<bool>,
    /// Set numbers outside of the range that the program promises to the nearest inside, and say
    /// which, instead of refusing them.
    #[arg(long, help_heading = "Data")]
    clip: bool,
}

impl RowArgs {
    /// Reads the samples of `path` as `input` wants them. All labels are 0: they are not known.
    pub(crate) fn read(&self, path: &Path, input: &InputSpec, context: &Context) -> Result<Images> {
        let start = start_of(path)?;
        let Some(channels) = input.reals() else {
            return Err(Exit::BadInput.because(format!(
                "reading rows {}: found a program that takes images, expected one that takes real numbers; give the \
                 images with --images or --data-set",
                path.display()
            )));
        };
        if start.starts_with(b"PK") {
            return Err(Exit::BadInput.because(format!(
                "reading rows {}: found an archive, expected a table (CSV) or one array (.npy); save the array alone \
                 with numpy.save",
                path.display()
            )));
        }
        if start.starts_with(b"\x93NUMPY") {
            return Ok(read_npy_rows(path, input.shape, &channels.names)?);
        }
        let dialect = Dialect { separator: self.separator, decimal: self.decimal, header: self.header };
        let (rows, notes) = read_csv_rows(path, dialect, input.shape, &channels.names)?;
        notes.iter().for_each(|note| context.console.note(format_args!("note: {note}")));
        Ok(rows)
    }

    /// The samples with every number within the range that `input` allows, where this is wished
    /// for; otherwise as they are.
    pub(crate) fn clipped(&self, images: Images, input: &InputSpec, context: &Context) -> Result<Images> {
        let (true, Values::Reals(reals)) = (self.clip, images.values()) else { return Ok(images) };
        let allowed = input.allowed_values();
        let plane = input.shape[1] * input.shape[2];
        let clipped = reals.numbers.iter().enumerate().map(|(i, v)| {
            let range = allowed[i / plane % allowed.len()];
            v.clamp(range.min, range.max)
        });
        let numbers: Vec<f32> = clipped.collect();
        let changed = numbers.iter().zip(&reals.numbers).filter(|(new, old)| new != old).count();
        if changed == 0 {
            return Ok(images);
        }
        context.console.warn(format_args!(
            "{changed} numbers are set to the nearest that the program promises to take; answers are to these"
        ));
        let reals = Reals { numbers, channels: reals.channels.clone() };
        let clipped = Images::of_reals("rows", images.shape(), reals, images.labels().to_vec())?;
        Ok(match images.names() {
            Some(names) => clipped.with_names(names.to_vec()),
            None => clipped,
        })
    }
}

/// The first bytes, by which a file is recognised.
fn start_of(path: &Path) -> Result<Vec<u8>> {
    let doing = || format!("reading rows {}", path.display());
    let mut start = Vec::new();
    let file = beaa_base::input::open("reading rows", path)?;
    file.take(8).read_to_end(&mut start).with_context(doing)?;
    Ok(start)
}

/// One character; tabs are hard to type.
fn parse_separator(text: &str) -> Result<char, String> {
    match text {
        "tab" | "\\t" => Ok('\t'),
        other => other.parse::<char>().map_err(|_| format!("{other:?}; expected one character, or tab")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_single_characters() {
        assert_eq!(
            [parse_separator("tab"), parse_separator("\\t"), parse_separator(";")],
            [Ok('\t'), Ok('\t'), Ok(';')]
        );
        assert!(parse_separator("::").unwrap_err().contains("one character"));
    }
}
