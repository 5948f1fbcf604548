//! A table read line by line: its columns chosen, cells turned into numbers, and everything that is
//! no number told by line and column.

use std::path::{Path, PathBuf};

use super::dialect::{Column, Dialect, has_header, other_separator, refuse_utf16};
use super::lines::{Line, Lines};
use super::plain_lines::PlainLines;
use super::table_rows::TableRows;
use crate::bounded_reader::BoundedReader;
use crate::error::Error;
use crate::formats::npy_array::MOST_NUMBERS;
use crate::formats::row_labels::canonical;
use crate::formats::wrong_cells::{WrongCells, shortened};

/// A table whose first line has been read.
pub(crate) struct Table {
    path: PathBuf,
    dialect: Dialect,
    lines: Lines,
    /// Names of the columns, if the first line has them.
    pub(crate) header: Option<Vec<String>>,
    /// Number of columns.
    pub(crate) width: usize,
    /// The first line, if it is a row.
    pending: Option<Line>,
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
        let lines = Lines::new(path.to_owned(), BoundedReader::open(path)?, separator)?;
        let path = path.to_owned();
        let mut table = Self { path, dialect, lines, header: None, width: 0, pending: None };
        let Some(line) = table.lines.next()? else {
            return Err(Error::NoImages { file: table.path });
        };
        let first = (0..line.len()).map(|i| Ok(table.text(&line, i)?.trim().to_owned()));
        let first = first.collect::<Result<Vec<String>, Error>>()?;
        other_separator(&table.path, separator, &first)?;
        table.width = first.len();
        let numbered = columns.iter().filter(|c| matches!(c, Column::Number(_)));
        let passed_over = numbered.map(|c| table.find(c)).collect::<Result<Vec<_>, _>>()?;
        let by_name = passed_over.len() < columns.len();
        if has_header(&table.path, &dialect, &first, &passed_over, by_name, names)? {
            if let Some(twice) = (1..first.len()).find(|&i| !first[i].is_empty() && first[..i].contains(&first[i])) {
                let position = format!(", line {}, column {twice}", line.number);
                let found = format!("`{}` again", first[twice]);
                return Err(Error::table(&table.path, position, found, "each name once", "rename the column"));
            }
            table.header = Some(first);
        } else {
            table.pending = Some(line);
        }
        Ok(table)
    }

    /// The position of a column.
    ///
    /// # Errors
    /// A name or number that is not there.
    pub(crate) fn find(&self, column: &Column) -> Result<usize, Error> {
        let wrong =
            |found: String, expected: String, remedy: &str| Err(Error::table(&self.path, "", found, expected, remedy));
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
        let plain = PlainLines::new(self.dialect, self.width, chosen, label)?;
        while let Some(line) = self.next()? {
            self.row(&line, chosen, label, (&mut rows, &mut wrong))?;
            if let Some(plain) = &plain {
                let (bytes, lines) = plain.read(self.lines.whole_lines(), self.lines.line(), &mut rows);
                self.lines.pass_over(bytes, lines);
            }
            self.check_size(&rows)?;
        }
        let remedy = "fill in what is missing, or leave out these rows or columns";
        wrong.check(&self.path, "no number", "a finite number in each", remedy)?;
        if rows.lines.is_empty() { Err(Error::NoImages { file: self.path }) } else { Ok(rows) }
    }

    /// Reads one row, whatever its cells look like.
    fn row(
        &self,
        line: &Line,
        chosen: &[usize],
        label: Option<usize>,
        (rows, wrong): (&mut TableRows, &mut WrongCells),
    ) -> Result<(), Error> {
        let number = line.number;
        if line.len() != self.width {
            let (found, expected) = (format!("{} cells", line.len()), format!("{}", self.width));
            let remedy = "correct the line, or quote cells that hold the separator";
            return Err(Error::table(&self.path, format!(", line {number}"), found, expected, remedy));
        }
        for &column in chosen {
            match self.dialect.number(self.text(line, column)?) {
                Ok(value) => rows.numbers.push(value),
                Err(found) => wrong.add(|| format!("line {number}, {}: {found}", self.column_name(column))),
            }
        }
        if let Some(column) = label {
            let label = canonical(self.text(line, column)?);
            if label.is_empty() {
                wrong.add(|| format!("line {number}, {}: no label", self.column_name(column)));
            }
            rows.labels.push(label);
        }
        rows.lines.push(number);
        Ok(())
    }

    /// Refuses more numbers than fit.
    fn check_size(&self, rows: &TableRows) -> Result<(), Error> {
        if rows.numbers.len() as u64 > MOST_NUMBERS {
            let (file, claimed) = (self.path.clone(), format!("more than {MOST_NUMBERS} numbers"));
            return Err(Error::AbsurdSize { file, claimed, limit: "2 GiB of them".into() });
        }
        Ok(())
    }

    /// The next line.
    fn next(&mut self) -> Result<Option<Line>, Error> {
        match self.pending.take() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next(),
        }
    }

    /// A cell as text.
    fn text<'a>(&self, line: &'a Line, column: usize) -> Result<&'a str, Error> {
        std::str::from_utf8(line.cell(column)).map_err(|_| {
            let position = format!(", line {}, column {column}", line.number);
            Error::table(&self.path, position, "letters of another encoding", "UTF-8", "save the table as CSV UTF-8")
        })
    }
}
