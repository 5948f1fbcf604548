//! The header of a file of the age format with one recipient of type `scrypt`, which is always
//! alone: its only reader needs no other. Whatever another writer would write otherwise is refused.

use base64ct::{Base64Unpadded, Encoding};

use super::{FILE_KEY, Result, TAG};
use crate::error::PassphraseError;

/// Bytes of the salt.
pub(super) const SALT: usize = 16;
/// Bytes that authenticate the header.
pub(super) const MAC: usize = 32;
/// No line is longer.
const LONGEST_LINE: usize = 80;
const VERSION: &str = "age-encryption.org/v1";
const RECIPIENT: &str = "-> scrypt ";
const LAST: &str = "---";

/// What is needed to find the key of a file.
pub(super) struct Header {
    pub(super) salt: [u8; SALT],
    /// log2 of scrypt's N.
    pub(super) work: u8,
    /// The file's key, encrypted.
    pub(super) body: [u8; FILE_KEY + TAG],
}

impl Header {
    /// The bytes that are authenticated: all but the last digits.
    pub(super) fn authenticated(&self) -> Vec<u8> {
        let encode = |bytes: &[u8]| Base64Unpadded::encode_string(bytes);
        let (salt, body) = (encode(&self.salt), encode(&self.body));
        format!("{VERSION}\n{RECIPIENT}{salt} {}\n{body}\n{LAST}", self.work).into_bytes()
    }
}

/// Ends a header.
pub(super) fn finish(header: &mut Vec<u8>, mac: &[u8; MAC]) {
    header.extend(format!(" {}\n", Base64Unpadded::encode_string(mac)).bytes());
}

/// The header, what authenticates it, and what follows.
pub(super) fn parse(file: &[u8]) -> Result<(Header, [u8; MAC], &[u8])> {
    let mut rest = file;
    let version = line(&mut rest)?;
    if version != VERSION {
        return Err(PassphraseError::Format {
            found: format!("{version:?}"),
            expected: "a file of the format age, version 1",
        });
    }
    let recipient = line(&mut rest)?;
    let Some((salt, work)) = recipient.strip_prefix(RECIPIENT).and_then(|words| words.split_once(' ')) else {
        return Err(PassphraseError::Format {
            found: format!("{recipient:?}"),
            expected: "a recipient of type scrypt",
        });
    };
    let digits = !work.is_empty() && work.bytes().all(|b| b.is_ascii_digit()) && !work.starts_with('0');
    let work = work.parse().ok().filter(|_| digits).ok_or_else(bad_header)?;
    let salt = decode(salt)?;
    let body = decode(line(&mut rest)?)?;
    let mac = line(&mut rest)?.strip_prefix(LAST).and_then(|l| l.strip_prefix(' ')).ok_or_else(bad_header)?;
    Ok((Header { salt, work, body }, decode(mac)?, rest))
}

fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a str> {
    let end = rest.iter().take(LONGEST_LINE).position(|b| *b == b'\n').ok_or_else(bad_header)?;
    let (found, tail) = rest.split_at(end);
    *rest = &tail[1..];
    std::str::from_utf8(found).map_err(|_| bad_header())
}

fn decode<const BYTES: usize>(text: &str) -> Result<[u8; BYTES]> {
    let bytes = Base64Unpadded::decode_vec(text).map_err(|_| bad_header())?;
    bytes.try_into().map_err(|_| bad_header())
}

fn bad_header() -> PassphraseError {
    PassphraseError::Format {
        found: "another header".to_owned(),
        expected: "that of a file encrypted with a passphrase",
    }
}
