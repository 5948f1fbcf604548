//! Plain text: numbers separated by blanks or tabs, a sample a line. Lines are read in pieces, so
//! that memory holds the numbers and not the text.

use std::io::Read;
use std::path::Path;

use super::decimal::{is_blank, leading_six_decimals, number};
use super::npy_array::MOST_NUMBERS;
use super::wrong_cells::{WrongCells, shortened};
use crate::bounded_reader::BoundedReader;
use crate::error::Error;

/// Bytes read at a time.
const CHUNK: usize = 1 << 18;
/// A longer line is refused.
const LONGEST_LINE: usize = 64 << 20;
/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What the numbers of a file must be, in the words of messages.
pub(crate) struct Allowed<'a> {
    /// Numbers of a line.
    pub(crate) width: usize,
    /// What others are, as in "no number".
    pub(crate) wrong: &'a str,
    /// What to do about them.
    pub(crate) remedy: &'a str,
}

/// Reads a file of numbers, plain or compressed; `push` keeps a number and says whether it is
/// allowed. Gives the number of the line of each sample, from 1 on; empty lines are passed over.
///
/// # Errors
/// Lines of another length, numbers that are not allowed or none (all of them), no line at all, or
/// more than fits.
pub(crate) fn read_text_rows(
    path: &Path,
    allowed: &Allowed<'_>,
    push: impl FnMut(f64) -> bool,
) -> Result<Vec<u64>, Error> {
    let mut input = BoundedReader::open(path)?;
    let mut rows = TextRows { path, allowed, push, line: 1, lines: Vec::new(), wrong: WrongCells::default() };
    let (mut buffer, mut filled) = (vec![0; CHUNK], 0);
    loop {
        if filled + 1 >= buffer.len() {
            if buffer.len() >= LONGEST_LINE {
                let (position, found) = (format!(", line {}", rows.line), "a line of more than 64 MiB");
                return Err(Error::table(path, position, found, "a line for each sample", "put each on its own line"));
            }
            buffer.resize(2 * buffer.len(), 0);
        }
        let last = buffer.len() - 1;
        let before = filled;
        let read = input.read(&mut buffer[filled..last]).map_err(|error| input.classify(error, 0))?;
        filled += read;
        if read == 0 {
            if filled == 0 {
                break;
            }
            // The last line may lack its end.
            buffer[filled] = b'\n';
            filled += 1;
        }
        // What was there before has no end of a line.
        let Some(end) = buffer[before..filled].iter().rposition(|&byte| byte == b'\n') else { continue };
        let end = before + end;
        let lines = &buffer[..=end];
        rows.read(if rows.line == 1 { lines.strip_prefix(MARK).unwrap_or(lines) } else { lines })?;
        buffer.copy_within(end + 1..filled, 0);
        filled -= end + 1;
    }
    rows.wrong.check(path, allowed.wrong, "numbers separated by blanks", allowed.remedy)?;
    if rows.lines.is_empty() { Err(Error::NoImages { file: path.to_owned() }) } else { Ok(rows.lines) }
}

/// What has been read.
struct TextRows<'a, F> {
    path: &'a Path,
    allowed: &'a Allowed<'a>,
    push: F,
    /// The number of the next line.
    line: u64,
    /// Those of samples.
    lines: Vec<u64>,
    wrong: WrongCells,
}

impl<F: FnMut(f64) -> bool> TextRows<'_, F> {
    /// Reads whole lines.
    fn read(&mut self, lines: &[u8]) -> Result<(), Error> {
        let (mut rest, mut numbers) = (lines, 0);
        while let Some((&first, after_first)) = rest.split_first() {
            if let Some((number, after)) = leading_six_decimals(rest, b' ') {
                if !(self.push)(number) {
                    self.refuse(&rest[..8], numbers);
                }
                (rest, numbers) = (after.strip_prefix(b" ").unwrap_or(after), numbers + 1);
            } else if first == b'\n' {
                self.end_of_line(numbers)?;
                (rest, numbers) = (after_first, 0);
            } else if is_blank(first) {
                rest = after_first;
            } else {
                let length = rest.iter().position(|&byte| is_blank(byte));
                let (text, after) = rest.split_at(length.unwrap_or(rest.len()));
                if !number(text).is_some_and(&mut self.push) {
                    self.refuse(text, numbers);
                }
                (rest, numbers) = (after, numbers + 1);
            }
        }
        Ok(())
    }

    /// Notes a number that is none or not allowed, by its position in the line.
    #[cold]
    fn refuse(&mut self, text: &[u8], position: usize) {
        let (line, text) = (self.line, String::from_utf8_lossy(text));
        self.wrong.add(|| format!("line {line}, number {position}: `{}`", shortened(&text)));
    }

    fn end_of_line(&mut self, numbers: usize) -> Result<(), Error> {
        if numbers == self.allowed.width {
            self.lines.push(self.line);
            if (self.lines.len() * numbers) as u64 > MOST_NUMBERS {
                let claimed = format!("more than {MOST_NUMBERS} numbers");
                return Err(Error::AbsurdSize { file: self.path.to_owned(), claimed, limit: "2 GiB of them".into() });
            }
        } else if numbers > 0 {
            let (position, found) = (format!(", line {}", self.line), format!("{numbers} numbers"));
            let remedy = "give each sample a line of its own, its numbers separated by blanks and nothing else";
            return Err(Error::table(self.path, position, found, format!("{}", self.allowed.width), remedy));
        }
        self.line += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, gz};

    fn read(text: &[u8], width: usize) -> Result<(Vec<f64>, Vec<u64>), String> {
        let folder = Folder::new();
        let path = folder.write("a.txt", text);
        let mut numbers = Vec::new();
        let allowed = Allowed { width, wrong: "no number", remedy: "correct it" };
        let push = |number: f64| {
            numbers.push(number);
            number.is_finite()
        };
        let lines = read_text_rows(&path, &allowed, push).map_err(|error| error.to_string())?;
        Ok((numbers, lines))
    }

    #[test]
    fn numbers_are_separated_by_any_blanks() {
        let expected = (vec![1.0, 0.25, -3.0, 1e-3], vec![1, 3]);
        assert_eq!(read(b"1 0.25\n\n-3\t 1e-3\n", 2).unwrap(), expected);
        assert_eq!(read(b"\xef\xbb\xbf  1 0.25 \r\n\r\n -3 0.001", 2).unwrap(), expected);
        assert_eq!(read(&gz(b"1 .25\n\n-3 0.001000".to_vec()), 2).unwrap(), expected);
        assert_eq!(read(b"0.500000", 1).unwrap(), (vec![0.5], vec![1]));
        assert_eq!(read(b"\xef\xbb\xbf1 2", 2).unwrap(), (vec![1.0, 2.0], vec![1]));
    }

    #[test]
    fn lines_go_across_pieces_and_may_be_longer_than_one() {
        let line: Vec<String> = (0..100_000).map(|i| format!("{:.6}", f64::from(i % 97) / 97.0)).collect();
        let text = format!("{0}\n{0}\n{0}", line.join(" "));
        let (numbers, lines) = read(text.as_bytes(), 100_000).unwrap();
        assert_eq!(lines, [1, 2, 3]);
        let expected: Vec<f64> = line.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(numbers, [expected.clone(), expected.clone(), expected].concat());
    }

    #[test]
    fn what_is_no_number_is_told_by_line_and_number() {
        let found = read(b"1 2\n3 x\nnan 0,5\n", 2).unwrap_err();
        assert!(
            found.contains("3 cells that are no number: line 2, number 1: `x`; line 3, number 0: `nan`"),
            "{found}"
        );
        let found = read(b"1 2\n3 4 5\n", 2).unwrap_err();
        assert!(found.contains("line 2") && found.contains("found 3 numbers, expected 2"), "{found}");
        assert!(read(b" \n\n", 2).is_err() && read(b"", 2).is_err());
        let found = read(&gz(vec![b'1'; LONGEST_LINE + 2]), 2).unwrap_err();
        assert!(found.contains("line 1: found a line of more than 64 MiB"), "{found}");
    }
}
