//! Text as editors leave it: UTF-8, with or without a byte order mark. Other encodings are named.

use std::path::Path;

use crate::input::{TEXT_LIMIT, read};
use crate::{Error, Result};

/// The mark that some editors put before UTF-8.
const MARK: char = '\u{feff}';

/// Reads a text file in UTF-8; a byte order mark is left out.
///
/// # Errors
/// As [`read`], and [`Error::Unfit`] if the bytes are of another encoding, with the line of the
/// first that is not UTF-8.
pub fn read_text(operation: &'static str, path: &Path) -> Result<String> {
    decode(operation, path, read(operation, path, TEXT_LIMIT)?)
}

/// The text without a byte order mark before it.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// The number of a line that is not UTF-8, counted from 1, if there is one.
pub fn foreign_line(bytes: &[u8]) -> Option<usize> {
    let error = std::str::from_utf8(bytes).err()?;
    Some(1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count())
}

fn decode(operation: &'static str, path: &Path, bytes: Vec<u8>) -> Result<String> {
    let unfit = |found: String| Error::Unfit {
        operation,
        path: path.to_path_buf(),
        found,
        expected: "UTF-8".to_owned(),
        remedy: "save the file again in the encoding UTF-8",
    };
    match bytes.as_slice() {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err(unfit("text in UTF-32".to_owned())),
        // What people write begins with a character of ASCII: in UTF-16 one half of it is zero.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..] => {
            return Err(unfit("text in UTF-16".to_owned()));
        }
        _ => {}
    }
    if let Some(line) = foreign_line(&bytes) {
        return Err(unfit(format!("line {line} in another encoding")));
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(without_mark(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_left_out_and_other_encodings_named() {
        let of = |bytes: &[u8]| decode("reading", Path::new("x.json"), bytes.to_vec());
        assert_eq!(of(b"\xef\xbb\xbf{}").unwrap(), "{}");
        assert_eq!(of(b"{}\r\n").unwrap(), "{}\r\n");
        assert_eq!(of(b"").unwrap(), "");
        assert_eq!(of("ä".as_bytes()).unwrap(), "ä");
        for (bytes, found) in [
            (&b"\xff\xfe{\0}\0"[..], "UTF-16"),
            (b"\xfe\xff\0{\0}", "UTF-16"),
            (b"{\0}\0", "UTF-16"),
            (b"\0{\0}", "UTF-16"),
            (b"\xff\xfe\0\0{\0\0\0", "UTF-32"),
            (b"{\n\"name\": \"M\xfcnchen\"}", "line 2"),
        ] {
            let error = of(bytes).unwrap_err().to_string();
            assert!(error.contains(found) && error.contains("x.json"), "{error}");
        }
    }
}
