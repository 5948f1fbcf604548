//! One line of something secret.

use std::io::{Error, Read, Result};

use crate::locked::Locked;

/// Bytes of a line, at most.
const LONGEST: usize = 1024;

/// The bytes before the end of the line. They are read one at a time, so that none stays in a
/// buffer.
///
/// # Errors
/// When it cannot be read, or is longer than 1024 bytes.
pub(crate) fn read_line(from: &mut impl Read) -> Result<Locked<u8>> {
    let mut line = Locked::<u8>::zeroed(LONGEST);
    let mut len = 0;
    let mut byte = [0];
    while from.read(&mut byte)? == 1 && byte != *b"\n" {
        if len == LONGEST {
            return Err(Error::other(format!("found a line of more than {LONGEST} bytes, expected a passphrase")));
        }
        line[len] = byte[0];
        len += 1;
    }
    if line[..len].ends_with(b"\r") {
        len -= 1;
    }
    Ok(Locked::collect(len, line[..len].iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_it_ends() {
        for (text, line) in [("a b\nc", "a b"), ("a\r\n", "a"), ("abc", "abc"), ("\nx", ""), ("", "")] {
            assert_eq!(&*read_line(&mut text.as_bytes()).unwrap(), line.as_bytes(), "{text:?}");
        }
        assert!(read_line(&mut "x".repeat(1025).as_bytes()).is_err());
        assert_eq!(read_line(&mut "x".repeat(1024).as_bytes()).unwrap().len(), 1024);
    }
}
