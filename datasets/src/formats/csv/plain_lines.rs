//! Lines of a table that are what most are, numbers without quotes, read several times as fast as
//! any line can be. What is not plain, or wrong, is left to the parser of all lines, which says so.

use super::dialect::Dialect;
use super::table_rows::TableRows;
use crate::error::Error;
use crate::formats::decimal::{leading_decimal, leading_six_decimals};
use crate::formats::row_labels::canonical;

/// What is done with a column.
#[derive(Clone, Copy, PartialEq)]
enum Column {
    /// It is the number at this position of its row.
    Number(usize),
    /// It is the label.
    Label,
    /// It is not read.
    PassedOver,
}

/// How plain lines are read.
pub(super) struct PlainLines {
    dialect: Dialect,
    separator: u8,
    point: u8,
    columns: Vec<Column>,
    /// Numbers of a row.
    width: usize,
}

impl PlainLines {
    /// Rows of the columns `chosen` and `label` of a table with so many `columns`. None if a column
    /// is read twice.
    pub(super) fn new(
        dialect: Dialect,
        columns: usize,
        chosen: &[usize],
        label: Option<usize>,
    ) -> Result<Option<Self>, Error> {
        let separator = dialect.separator()?;
        let point = if dialect.decimal == Some(',') { b',' } else { b'.' };
        let mut all = vec![Column::PassedOver; columns];
        let numbers = chosen.iter().enumerate().map(|(position, &column)| (column, Column::Number(position)));
        for (column, what) in numbers.chain(label.map(|column| (column, Column::Label))) {
            if all[column] != Column::PassedOver {
                return Ok(None);
            }
            all[column] = what;
        }
        Ok(Some(Self { dialect, separator, point, columns: all, width: chosen.len() }))
    }

    /// Reads `lines`, whole ones of which the first is line `number`, up to the first that is not
    /// plain. Gives the bytes and the lines that were read, those without a cell as well.
    pub(super) fn read(&self, lines: &[u8], number: u64, rows: &mut TableRows) -> (usize, u64) {
        let (mut rest, mut read) = (lines, 0);
        while !rest.is_empty() {
            if let [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] = rest {
                (rest, read) = (after, read + 1);
                continue;
            }
            let (numbers, labels) = (rows.numbers.len(), rows.labels.len());
            let Some(after) = self.row(rest, rows) else {
                rows.numbers.truncate(numbers);
                rows.labels.truncate(labels);
                break;
            };
            rows.lines.push(number + read);
            (rest, read) = (after, read + 1);
        }
        (lines.len() - rest.len(), read)
    }

    /// Reads the line that `text` starts with, and gives what follows it; none if it is not plain.
    fn row<'a>(&self, mut text: &'a [u8], rows: &mut TableRows) -> Option<&'a [u8]> {
        let start = rows.numbers.len();
        rows.numbers.resize(start + self.width, 0.0);
        let row = &mut rows.numbers[start..];
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 {
                text = text.strip_prefix(&[self.separator])?;
            }
            text = match column {
                Column::Number(position) => {
                    let (number, after) = self.number(text)?;
                    row[*position] = number;
                    after
                }
                Column::Label => {
                    let (cell, after) = self.cell(text)?;
                    let label = canonical(std::str::from_utf8(cell).ok()?);
                    if label.is_empty() {
                        return None;
                    }
                    rows.labels.push(label);
                    after
                }
                Column::PassedOver => self.cell(text)?.1,
            };
        }
        text.strip_prefix(b"\n").or_else(|| text.strip_prefix(b"\r\n"))
    }

    /// The number in the cell that `text` starts with, and what follows the cell.
    #[inline]
    fn number<'a>(&self, text: &'a [u8]) -> Option<(f32, &'a [u8])> {
        let six = if self.point == b'.' { leading_six_decimals(text, self.separator) } else { None };
        match six.or_else(|| leading_decimal(text, self.point)) {
            // At most fifteen digits and 22 zeros are within single precision.
            Some((number, after)) if self.ends_cell(after) => Some((number as f32, after)),
            _ => {
                let (cell, after) = self.cell(text)?;
                Some((self.dialect.number(std::str::from_utf8(cell).ok()?).ok()?, after))
            }
        }
    }

    /// Whether a cell ends before `text`.
    fn ends_cell(&self, text: &[u8]) -> bool {
        matches!(text, [b'\n', ..] | [b'\r', b'\n', ..]) || text.first() == Some(&self.separator)
    }

    /// The cell that `text` starts with, and what follows it; none if it is not plain.
    fn cell<'a>(&self, text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let end = text.iter().position(|&byte| byte == self.separator || matches!(byte, b'\n' | b'\r' | b'"'))?;
        let (cell, after) = text.split_at(end);
        self.ends_cell(after).then_some((cell, after))
    }
}
