//! Files of plain numbers (tables, text, NumPy arrays, raw bytes) for the network that takes them,
//! without labels: rows and signals of real numbers, or images.

use std::path::{Path, PathBuf};

use anyhow::Result;
use beaa_datasets::{Dialect, Images, PixelScale, Reals, RowFormat, RowShape, Values, read_rows};
use beaa_ir::InputSpec;
use clap::{Args, ValueEnum};

use crate::context::Context;
use crate::exit::Exit;

/// A file of rows, and how it is written.
#[derive(Debug, Args)]
pub(crate) struct RowArgs {
    /// A file of plain numbers instead, a sample a line or row. Columns of a table (CSV) are found
    /// by their names, others are passed over.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    #[arg(conflicts_with_all = ["data_set", "images", "labels"])]
    pub(crate) rows: Option<PathBuf>,
    /// How that file is written [default: npy if it begins as such, otherwise csv].
    #[arg(long, value_name = "FORMAT", requires = "rows", help_heading = "Data")]
    row_format: Option<Written>,
    /// The numbers are pixels from 0 to this, 1 or 255: stated for programs that take images, whose
    /// pixels come channel by channel, each row by row.
    #[arg(long, value_name = "WHITE", requires = "rows", help_heading = "Data")]
    pixels: Option<PixelScale>,
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

/// How a file of samples is written.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Written {
    /// A table whose cells are separated by a character.
    Csv,
    /// Numbers separated by blanks or tabs, a sample a line.
    Text,
    /// A NumPy array, samples first.
    Npy,
    /// Pixels as unsigned bytes, one sample after the other.
    Bytes,
}

impl From<Written> for RowFormat {
    fn from(written: Written) -> Self {
        match written {
            Written::Csv => Self::Csv,
            Written::Text => Self::Text,
            Written::Npy => Self::Npy,
            Written::Bytes => Self::Bytes,
        }
    }
}

impl RowArgs {
    /// Reads the samples of `path` as `input` wants them; images are those before they are
    /// preprocessed. All labels are 0: they are not known.
    pub(crate) fn read(&self, path: &Path, input: &InputSpec, context: &Context) -> Result<Images> {
        let refuse = |found: &str, expected: &str| {
            let path = path.display();
            Err(Exit::BadInput.because(format!("reading rows {path}: found {found}, expected {expected}")))
        };
        let names = match (input.reals(), self.pixels) {
            (Some(_), Some(_)) => return refuse("pixels and a program that takes real numbers", "no --pixels with it"),
            (None, None) => {
                let found = "a program that takes images";
                return refuse(
                    found,
                    "--pixels 255 or --pixels 1, the number that white is in this file; or a program that takes real \
                     numbers; pictures are given with --images",
                );
            }
            (Some(channels), None) => channels.names.as_slice(),
            (None, Some(_)) => &[],
        };
        let format = self.row_format.map(RowFormat::from);
        let table = [self.separator.is_some(), self.decimal.is_some(), self.header.is_some()].contains(&true);
        if table && format.is_some_and(|format| format != RowFormat::Csv) {
            return Err(Exit::Usage.because(
                "--separator, --decimal and --header: found another --row-format, expected csv; leave them out",
            ));
        }
        let dialect = Dialect { separator: self.separator, decimal: self.decimal, header: self.header };
        let wanted = RowShape { shape: input.picture_shape(), names, pixels: self.pixels };
        let (rows, notes) = read_rows(path, format, dialect, wanted)?;
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
