//! Rows for a network that is there already: its columns are found by name, and nothing else is
//! read.

use std::path::Path;

use super::dialect::{Column, Dialect};
use super::table::Table;
use crate::channel_statistics::list;
use crate::error::Error;
use crate::formats::sample_shape::channel_names;
use crate::images::{Images, Reals};

/// Reads a table as samples of `shape` without labels (all are 0), and says what a user should know
/// of it. If the network's channels have `names` and the table has a first line of names, columns
/// are taken by name, in any order, and others are passed over; otherwise the table must have as
/// many columns as a sample has numbers.
///
/// # Errors
/// Columns that are not there, and whatever is wrong with a line or cell.
pub(crate) fn read_csv_rows(
    path: &Path,
    dialect: Dialect,
    shape: [usize; 3],
    names: &[String],
) -> Result<(Images, Vec<String>), Error> {
    let table = Table::open(path, dialect, &[], names)?;
    let (width, mut notes) = (shape.iter().product::<usize>(), Vec::new());
    let chosen: Vec<usize> = match &table.header {
        Some(header) if !names.is_empty() => {
            let missing: Vec<String> = names.iter().filter(|name| !header.contains(name)).cloned().collect();
            if !missing.is_empty() {
                let (found, expected) = (format!("no column {}", list(&missing)), "all columns of the network");
                let remedy = format!("give the table these columns; it has {}", list(header));
                return Err(Error::table(path, "", found, expected, remedy));
            }
            let others: Vec<String> = header.iter().filter(|name| !names.contains(name)).cloned().collect();
            if !others.is_empty() {
                notes.push(format!("{}: columns that the network does not take: {}", path.display(), list(&others)));
            }
            names.iter().map(|name| table.find(&Column::Name(name.clone()))).collect::<Result<_, _>>()?
        }
        header => {
            if table.width != width {
                let expected = match names {
                    [] => format!("{width}"),
                    names => format!("{width}: {}", list(names)),
                };
                let found = format!("{} columns", table.width);
                return Err(Error::table(path, "", found, expected, "leave out other columns, the label among them"));
            }
            if header.is_none() {
                notes.push(format!("{}: no names of columns, taken in their order from line 1 on", path.display()));
            }
            (0..width).collect()
        }
    };
    let rows = table.rows(&chosen, None)?;
    let lines: Vec<String> = rows.lines.iter().map(|line| format!("line {line}")).collect();
    let columns = (!names.is_empty()).then(|| names.to_vec());
    let reals = Reals { numbers: rows.numbers, channels: channel_names(columns, shape) };
    let images = Images::of_reals(path, shape, reals, vec![0; lines.len()])?;
    Ok((images.with_names(lines), notes))
}
