//! A table read line by line: its columns chosen, cells turned into numbers, and everything that is
//! no number told by line and column.

use std::cell::Cell;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use csv::ByteRecord;

use super::dialect::{Column, Dialect, has_header, other_separator, refuse_utf16, shortened};
use crate::bounded_reader::BoundedReader;
use crate::error::Error;
use crate::formats::npy_array::MOST_NUMBERS;
use crate::formats::row_labels::canonical;

/// A line longer than this is refused: a quote is not closed.
const LONGEST_LINE: u64 = 64 << 20;
/// So many cells that are no numbers are shown.
const SHOWN: usize = 6;

/// A table whose first line has been read.
pub(crate) struct Table {
    path: PathBuf,
    dialect: Dialect,
    reader: csv::Reader<Limited>,
    /// Bytes that may still be read before the line must end.
    left: Rc<Cell<u64>>,
    /// Names of the columns, if the first line has them.
    pub(crate) header: Option<Vec<String>>,
    /// Number of columns.
    pub(crate) width: usize,
    /// The first line, if it is a row.
    pending: Option<(u64, ByteRecord)>,
}

/// The rows of a table.
pub(crate) struct TableRows {
    /// `[row][chosen column]`.
    pub(crate) numbers: Vec<f32>,
    /// One for each row, without blanks around it; empty if none were asked for.
    pub(crate) labels: Vec<String>,
    /// The line in the file of each row, from 1 on.
    pub(crate) lines: Vec<u64>,
}

/// A reader that stops where a line has no end.
struct Limited {
    reader: BoundedReader<'static>,
    left: Rc<Cell<u64>>,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left.get() == 0 {
            return Err(std::io::Error::other("a line of more than 64 MiB; is a quote not closed?"));
        }
        let read = self.reader.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(read as u64));
        Ok(read)
    }
}

impl Table {
    /// Opens a table, plain or compressed. `columns` are those that the caller speaks of, other
    /// than features; `names` are features that may be in the first line.
    ///
    /// # Errors
    /// No table, another encoding or separator, or a first line in doubt.
    pub(crate) fn open(path: &Path, dialect: Dialect, columns: &[&Column], names: &[String]) -> Result<Self, Error> {
        let separator = dialect.separator()?;
        refuse_utf16(path)?;
        let left = Rc::new(Cell::new(LONGEST_LINE));
        let limited = Limited { reader: BoundedReader::open(path)?, left: Rc::clone(&left) };
        let reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(limited);
        let path = path.to_owned();
        let mut table = Self { path, dialect, reader, left, header: None, width: 0, pending: None };
        let Some((line, record)) = table.next()? else {
            return Err(Error::NoImages { file: table.path });
        };
        let first = record.iter().enumerate().map(|(i, cell)| table.text(line, i, cell).map(|t| t.trim().to_owned()));
        let first = first.collect::<Result<Vec<String>, Error>>()?;
        other_separator(&table.path, separator, &first)?;
        table.width = first.len();
        let numbered = columns.iter().filter(|c| matches!(c, Column::Number(_)));
        let passed_over = numbered.map(|c| table.find(c)).collect::<Result<Vec<_>, _>>()?;
        let by_name = passed_over.len() < columns.len();
        if has_header(&table.path, &dialect, &first, &passed_over, by_name, names)? {
            if let Some(twice) = (1..first.len()).find(|&i| !first[i].is_empty() && first[..i].contains(&first[i])) {
                let (position, found) = (format!(", line {line}, column {twice}"), format!("`{}` again", first[twice]));
                return Err(Error::table(&table.path, position, found, "each name once", "rename the column"));
            }
            table.header = Some(first);
        } else {
            table.pending = Some((line, record));
        }
        Ok(table)
    }

    /// The position of a column.
    ///
    /// # Errors
    /// A name or number that is not there.
    pub(crate) fn find(&self, column: &Column) -> Result<usize, Error> {
        let wrong = |found: String, expected: String, remedy: &str| {
            Err(Error::table(&self.path, "", found, expected, remedy))
        };
        match (column, &self.header) {
            (Column::Number(n), _) => {
                let from_start = if *n < 0 { n + self.width as i64 } else { *n };
                match usize::try_from(from_start).ok().filter(|&i| i < self.width) {
                    Some(position) => Ok(position),
                    None => {
                        let expected = format!("0 to {}, or -1 for the last", self.width - 1);
                        wrong(format!("{} columns and a column {n}", self.width), expected, "count columns from 0 on")
                    }
                }
            }
            (Column::Name(name), None) => {
                let remedy = "call columns by their number from 0 on";
                wrong("a first line without names".into(), format!("a column `{name}`"), remedy)
            }
            (Column::Name(name), Some(header)) => match header.iter().position(|h| h == name.trim()) {
                Some(position) => Ok(position),
                None => {
                    let found = format!("the columns {}", crate::channel_statistics::list(header));
                    wrong(found, format!("one called `{name}`"), "correct the name")
                }
            },
        }
    }

    /// What a column is called in messages.
    pub(crate) fn column_name(&self, column: usize) -> String {
        match &self.header {
            Some(header) if !header[column].is_empty() => format!("column `{}`", shortened(&header[column])),
            _ => format!("column {column}"),
        }
    }

    /// Reads all rows: the numbers of the columns `chosen`, in that order, and the texts of the
    /// column `label`.
    ///
    /// # Errors
    /// Rows of another length, cells that are no numbers, no row at all, or more than fits.
    pub(crate) fn rows(mut self, chosen: &[usize], label: Option<usize>) -> Result<TableRows, Error> {
        let mut rows = TableRows { numbers: Vec::new(), labels: Vec::new(), lines: Vec::new() };
        let mut wrong = WrongCells::default();
        while let Some((line, record)) = self.next()? {
            if record.len() != self.width {
                let (found, expected) = (format!("{} cells", record.len()), format!("{}", self.width));
                let remedy = "correct the line, or quote cells that hold the separator";
                return Err(Error::table(&self.path, format!(", line {line}"), found, expected, remedy));
            }
            for &column in chosen {
                let cell = self.text(line, column, &record[column])?;
                match self.dialect.number(cell) {
                    Ok(number) => rows.numbers.push(number),
                    Err(found) => wrong.add(|| format!("line {line}, {}: {found}", self.column_name(column))),
                }
            }
            if let Some(column) = label {
                let label = canonical(self.text(line, column, &record[column])?);
                if label.is_empty() {
                    wrong.add(|| format!("line {line}, {}: no label", self.column_name(column)));
                }
                rows.labels.push(label);
            }
            rows.lines.push(line);
            if rows.numbers.len() as u64 > MOST_NUMBERS {
                let claimed = format!("more than {MOST_NUMBERS} numbers");
                return Err(Error::AbsurdSize { file: self.path, claimed, limit: "2 GiB of them".into() });
            }
        }
        wrong.check(&self.path)?;
        if rows.lines.is_empty() { Err(Error::NoImages { file: self.path }) } else { Ok(rows) }
    }

    /// The next line that is not empty, and its number.
    fn next(&mut self) -> Result<Option<(u64, ByteRecord)>, Error> {
        if let Some(pending) = self.pending.take() {
            return Ok(Some(pending));
        }
        let mut record = ByteRecord::new();
        let read = self.reader.read_byte_record(&mut record);
        self.left.set(LONGEST_LINE);
        let line = record.position().map_or(1, csv::Position::line);
        match read {
            Ok(true) => Ok(Some((line, record))),
            Ok(false) => Ok(None),
            Err(error) => {
                let position = format!(", after line {}", self.reader.position().line());
                let expected = "lines of cells";
                Err(Error::table(&self.path, position, error.to_string(), expected, "see whether the file is damaged"))
            }
        }
    }

    /// A cell as text, for a column that may have no name yet.
    fn text<'a>(&self, line: u64, column: usize, cell: &'a [u8]) -> Result<&'a str, Error> {
        std::str::from_utf8(cell).map_err(|_| {
            let position = format!(", line {line}, column {column}");
            Error::table(&self.path, position, "letters of another encoding", "UTF-8", "save the table as CSV UTF-8")
        })
    }
}

/// Cells that are no numbers: how many, and the first.
#[derive(Default)]
struct WrongCells {
    count: usize,
    shown: Vec<String>,
}

impl WrongCells {
    fn add(&mut self, text: impl Fn() -> String) {
        if self.shown.len() < SHOWN {
            self.shown.push(text());
        }
        self.count += 1;
    }

    fn check(&self, path: &Path) -> Result<(), Error> {
        if self.count == 0 {
            return Ok(());
        }
        let more = self.count - self.shown.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let cells = if self.count == 1 { "1 cell that is".to_owned() } else { format!("{} cells that are", self.count) };
        Err(Error::table(
            path,
            "",
            format!("{cells} no number: {}{more}", self.shown.join("; ")),
            "a finite number in each",
            "fill in what is missing, or leave out these rows or columns",
        ))
    }
}
