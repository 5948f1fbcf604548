//! How a table is written: what separates cells, the decimal sign, and whether the first line names
//! the columns. What is not stated is only taken where the file leaves no doubt.

use std::io::Read;
use std::path::Path;

use beaa_base::input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::formats::decimal;
use crate::formats::wrong_cells::shortened;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "the name of a column, or its number from 0 on; -1 is the last")]
pub enum Column {
    /// By its position: from 0 on, or from the end, where -1 is the last.
    Number(i64),
    /// By its name in the first line.
    Name(String),
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialect {
    /// What separates cells; a comma unless stated.
    pub separator: Option<char>,
    /// The decimal sign; a point unless stated.
    pub decimal: Option<char>,
    /// Whether the first line names the columns; by its cells unless stated.
    pub header: Option<bool>,
}

impl Dialect {
    /// The separator as a byte.
    ///
    /// # Errors
    /// A separator or decimal sign that is none, or both the same.
    pub(crate) fn separator(&self) -> Result<u8, Error> {
        let separator = self.separator.unwrap_or(',');
        let known = [',', ';', '\t', '|', ' '];
        if !known.contains(&separator) {
            return Err(Error::Spec(format!("separator {separator:?}; expected one of `,` `;` `|`, a tab or a blank")));
        }
        match self.decimal {
            None | Some('.') => {}
            Some(',') if separator != ',' => {}
            Some(',') => {
                let found = "a comma as decimal sign and between cells";
                return Err(Error::Spec(format!("{found}; state another separator, as \"separator\": \";\"")));
            }
            Some(other) => return Err(Error::Spec(format!("decimal sign {other:?}; expected `.` or `,`"))),
        }
        Ok(separator as u8)
    }

    /// The number in a cell, or what is wrong with the cell.
    pub(crate) fn number(&self, cell: &str) -> Result<f32, String> {
        let cell = cell.trim();
        let number = |text: &str| decimal::number(text.as_bytes());
        let parsed = match self.decimal {
            Some(',') if cell.contains('.') => None,
            Some(',') => number(&cell.replace(',', ".")),
            _ => number(cell),
        };
        match parsed {
            Some(value) if (value as f32).is_finite() => Ok(value as f32),
            Some(value) if value.is_finite() => Err(format!("`{}`, beyond single precision", shortened(cell))),
            Some(_) => Err(format!("`{}`", shortened(cell))),
            None if cell.is_empty() => Err("nothing".to_owned()),
            None if self.decimal != Some(',') && number(&cell.replacen(',', ".", 1)).is_some() => {
                Err(format!("`{}`, with a comma: if it is the decimal sign, state it", shortened(cell)))
            }
            None => Err(format!("`{}`", shortened(cell))),
        }
    }
}

/// Whether the first line names the columns: as stated; or because somebody calls columns by their
/// `names`; or because none of its cells is a number (it does), or all are (it does not).
///
/// # Errors
/// A first line that could be either.
pub(super) fn has_header(
    path: &Path,
    dialect: &Dialect,
    first: &[String],
    passed_over: &[usize],
    by_name: bool,
    names: &[String],
) -> Result<bool, Error> {
    if let Some(stated) = dialect.header {
        return Ok(stated);
    }
    if by_name || names.iter().any(|name| first.contains(name)) {
        return Ok(true);
    }
    let cells: Vec<&String> = (0..first.len()).filter(|i| !passed_over.contains(i)).map(|i| &first[i]).collect();
    let numbers: Vec<Option<f32>> = cells.iter().map(|cell| dialect.number(cell).ok()).collect();
    let doubt = |found: String| {
        let (expected, remedy) = ("numbers, or names of columns", "state \"header\": true or false");
        Err(Error::table(path, ", line 1", found, expected, remedy))
    };
    // pandas writes 0, 1, 2 ... above columns that have no names.
    let counted = |from: f32| numbers.iter().enumerate().all(|(i, n)| *n == Some(from + i as f32));
    if numbers.len() > 2 && (counted(0.0) || counted(1.0)) {
        return doubt("whole numbers in order, which may be names of columns".to_owned());
    }
    match (numbers.iter().all(Option::is_some), numbers.iter().position(Option::is_none)) {
        (true, _) => Ok(false),
        (false, _) if numbers.iter().all(Option::is_none) => Ok(true),
        (false, Some(cell)) => doubt(format!("numbers, and `{}` among them", shortened(cells[cell]))),
        (false, None) => unreachable!("not all cells are numbers"),
    }
}

/// Refuses text in UTF-16 by its byte order mark; other encodings show up in cells.
pub(super) fn refuse_utf16(path: &Path) -> Result<(), Error> {
    let mut start = Vec::new();
    let error = |error| Error::io(path, error);
    input::open("reading", path).map_err(Error::path)?.take(2).read_to_end(&mut start).map_err(error)?;
    if start == [0xff, 0xfe] || start == [0xfe, 0xff] {
        return Err(Error::table(path, "", "text in UTF-16", "UTF-8", "save the table as CSV UTF-8"));
    }
    Ok(())
}

/// A message for a table whose first line is a single cell, if that is because of the separator.
pub(super) fn other_separator(path: &Path, separator: u8, first: &[String]) -> Result<(), Error> {
    let [cell] = first else { return Ok(()) };
    let candidates = [(b';', "`;`", ";"), (b'\t', "tabs", "\\t"), (b',', "`,`", ","), (b'|', "`|`", "|")];
    match candidates.into_iter().find(|c| c.0 != separator && cell.as_bytes().contains(&c.0)) {
        None => Ok(()),
        Some((_, found, text)) => Err(Error::table(
            path,
            ", line 1",
            format!("one cell, with {found} in it"),
            "several cells",
            format!("state \"separator\": \"{text}\""),
        )),
    }
}
