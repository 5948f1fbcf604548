//! The lines of a table as cells, by the parser of `csv-core`: quotes, line breaks within quotes,
//! either kind of line end. Memory is bounded by the longest line.

use std::io::Read;
use std::path::PathBuf;

use csv_core::ReadRecordResult;

use crate::bounded_reader::BoundedReader;
use crate::error::Error;

/// A line longer than this is refused: a quote is not closed.
const LONGEST_LINE: usize = 64 << 20;
/// Bytes read at a time.
const CHUNK: usize = 1 << 20;
/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A line, cell by cell.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Its number, from 1 on; that of its first one, if it goes over several.
    pub(super) number: u64,
    bytes: Vec<u8>,
    /// Where each cell ends.
    ends: Vec<usize>,
}

impl Line {
    /// Number of cells.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a cell, which must be below [`Self::len`].
    pub(super) fn cell(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[start..self.ends[i]]
    }
}

/// A table being read.
pub(super) struct Lines {
    path: PathBuf,
    input: BoundedReader<'static>,
    parser: csv_core::Reader,
    /// What has been read and not been parsed is `buffer[start..]`.
    buffer: Vec<u8>,
    start: usize,
    /// Where the last line ends that ends in the buffer; 0 if none does.
    whole: usize,
    ended: bool,
}

impl Lines {
    /// The lines of `input`, whose cells are separated by `separator`. A byte order mark is passed
    /// over.
    pub(super) fn new(path: PathBuf, mut input: BoundedReader<'static>, separator: u8) -> Result<Self, Error> {
        let buffer = input.at_most(CHUNK as u64)?;
        let whole = end_of_lines(&buffer);
        let start = if buffer.starts_with(MARK) { MARK.len() } else { 0 };
        let parser = csv_core::ReaderBuilder::new().delimiter(separator).build();
        Ok(Self { path, input, parser, buffer, start, whole, ended: false })
    }

    /// The next line that is not empty.
    ///
    /// # Errors
    /// A line without end, and whatever is wrong with the file.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Error> {
        let mut line = Line { number: self.parser.line(), bytes: vec![0; 256], ends: vec![0; 16] };
        let (mut bytes, mut cells) = (0, 0);
        loop {
            if self.start == self.buffer.len() && !self.ended {
                self.refill()?;
            }
            if bytes == 0 && cells == 0 {
                // Empty lines before it are counted, too.
                line.number = self.parser.line() + self.empty_lines();
            }
            let rest = &self.buffer[self.start..];
            let (result, read, written, ended) =
                self.parser.read_record(rest, &mut line.bytes[bytes..], &mut line.ends[cells..]);
            (self.start, bytes, cells) = (self.start + read, bytes + written, cells + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if bytes >= LONGEST_LINE => return Err(self.without_end(line.number)),
                ReadRecordResult::OutputFull => line.bytes.resize(2 * line.bytes.len(), 0),
                ReadRecordResult::OutputEndsFull if cells >= LONGEST_LINE => {
                    return Err(self.without_end(line.number));
                }
                ReadRecordResult::OutputEndsFull => line.ends.resize(2 * line.ends.len(), 0),
                ReadRecordResult::Record => {
                    line.bytes.truncate(bytes);
                    line.ends.truncate(cells);
                    return Ok(Some(line));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    /// The whole lines that are in memory and were not parsed; none where the next one is not
    /// whole.
    pub(super) fn whole_lines(&self) -> &[u8] {
        &self.buffer[self.start..self.whole.max(self.start)]
    }

    /// The number of the first of [`Self::whole_lines`].
    pub(super) fn line(&self) -> u64 {
        self.parser.line()
    }

    /// Passes over so many bytes of [`Self::whole_lines`], which end with the end of a line.
    pub(super) fn pass_over(&mut self, bytes: usize, lines: u64) {
        self.start += bytes;
        self.parser.set_line(self.parser.line() + lines);
    }

    /// Reads the next bytes in place of those that have been parsed.
    fn refill(&mut self) -> Result<(), Error> {
        self.buffer.resize(CHUNK, 0);
        let mut filled = 0;
        // Decompressors give few bytes at a time.
        while filled < CHUNK && !self.ended {
            let read = self.input.read(&mut self.buffer[filled..]).map_err(|e| self.input.classify(e, 0))?;
            (filled, self.ended) = (filled + read, read == 0);
        }
        self.buffer.truncate(filled);
        (self.start, self.whole) = (0, end_of_lines(&self.buffer));
        Ok(())
    }

    /// Line ends at the start of what has not been parsed.
    fn empty_lines(&self) -> u64 {
        let ends = self.buffer[self.start..].iter().take_while(|b| **b == b'\n' || **b == b'\r');
        ends.filter(|b| **b == b'\n').count() as u64
    }

    fn without_end(&self, line: u64) -> Error {
        let (position, found) = (format!(", line {line}"), "a line of more than 64 MiB");
        Error::table(&self.path, position, found, "shorter ones", "close the quote, if one is open")
    }
}

/// Where the last line ends that ends in `bytes`; 0 if none does.
fn end_of_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1)
}
