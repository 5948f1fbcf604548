//! Sending a file in chunks, each with its hash, from where the server has it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use beaa_protocol::upload::{
    ALGORITHM, CHECKSUM, CHUNK_TYPE, LENGTH, METADATA, OFFSET, PURPOSE, Purpose, RESUMABLE, SHA256, TUS_VERSION,
};
use beaa_protocol::{Digest, Hasher, Id};

use crate::connection::{malformed, number};
use crate::{Connection, Error, Follower, Result};

/// Bytes of a chunk: what is sent again at most after an interruption.
const CHUNK: usize = 4 << 20;
const SENDING: &str = "sending a file";
/// How long the server may take to check a file that it has.
const LONGEST_CHECK: Duration = Duration::from_secs(3600);
/// Between two questions how far an upload has come.
const PAUSE: Duration = Duration::from_millis(200);
/// The status of what another request works on.
const LOCKED: u16 = 423;

/// A file to send.
#[derive(Debug, Clone, Copy)]
pub struct FileToSend<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// What it is.
    pub purpose: Purpose,
    /// Its hash.
    pub sha256: Digest,
}

impl Connection {
    /// Begins an upload.
    ///
    /// # Errors
    /// When the file cannot be read, or the server refuses.
    pub fn begin_upload(&self, file: &FileToSend<'_>) -> Result<Id> {
        let length = std::fs::metadata(file.path).map_err(Error::io(SENDING, file.path))?.len();
        let encoded = |text: &str| Base64::encode_string(text.as_bytes());
        let metadata =
            format!("{PURPOSE} {},{SHA256} {}", encoded(file.purpose.name()), encoded(&file.sha256.to_string()));
        let request = self.agent().post(self.url("/v1/uploads")).header("authorization", self.authorisation());
        let request = request.header(RESUMABLE, TUS_VERSION).header(LENGTH, length.to_string());
        let response = self.good(SENDING, request.header(METADATA, metadata).send_empty())?;
        let location = response.headers().get("location").and_then(|value| value.to_str().ok());
        let id = location.and_then(|location| location.rsplit('/').next()).and_then(|text| text.parse().ok());
        id.ok_or_else(|| malformed(SENDING, "no location of an upload".to_owned()))
    }

    /// Sends what the server lacks of a file, until it has the whole.
    ///
    /// # Errors
    /// When the file cannot be read, the server refuses, or cannot be reached for a minute.
    pub fn send(&self, file: &FileToSend<'_>, upload: &Id, follower: &dyn Follower) -> Result<()> {
        let all = std::fs::metadata(file.path).map_err(Error::io(SENDING, file.path))?.len();
        let mut reader = File::open(file.path).map_err(Error::io(SENDING, file.path))?;
        let mut offset = self.offset_when_free(upload, all, follower)?;
        follower.moved(file.purpose.name(), offset, all);
        while offset < all {
            reader.seek(SeekFrom::Start(offset)).map_err(Error::io(SENDING, file.path))?;
            let mut chunk = Vec::with_capacity(CHUNK);
            (&reader).take(CHUNK as u64).read_to_end(&mut chunk).map_err(Error::io(SENDING, file.path))?;
            let end = offset + chunk.len() as u64;
            match self.append(upload, offset, &chunk) {
                Ok(now) if now == end => offset = now,
                Ok(now) => return Err(malformed(SENDING, format!("{now} bytes after a chunk that ends at {end}"))),
                // It may be there for all that; the server knows.
                Err(error) if error.passes() || error.problem().is_some_and(|p| p.short_kind() == "wrong-offset") => {
                    follower.again(&error.to_string());
                    std::thread::sleep(PAUSE);
                    offset = self.offset_when_free(upload, all, follower)?;
                }
                Err(error) => return Err(error),
            }
            follower.moved(file.purpose.name(), offset, all);
        }
        Ok(())
    }

    /// The same as [`Self::offset`], once nobody else works on the upload: the server takes its
    /// time to check a large file.
    fn offset_when_free(&self, upload: &Id, all: u64, follower: &dyn Follower) -> Result<u64> {
        let until = Instant::now() + LONGEST_CHECK;
        loop {
            match self.patiently(follower, || self.offset(upload, all)) {
                Err(error) if error.problem().is_some_and(|p| p.status == LOCKED) && Instant::now() < until => {
                    std::thread::sleep(PAUSE);
                }
                result => return result,
            }
        }
    }

    /// How many bytes of an upload of `all` bytes the server has.
    fn offset(&self, upload: &Id, all: u64) -> Result<u64> {
        let request = self.agent().head(self.url(&format!("/v1/uploads/{upload}")));
        let request = request.header("authorization", self.authorisation()).header(RESUMABLE, TUS_VERSION);
        let response = self.good(SENDING, request.call())?;
        let (offset, length) =
            (number(SENDING, response.headers(), OFFSET)?, number(SENDING, response.headers(), LENGTH)?);
        if length != all || offset > all {
            return Err(malformed(SENDING, format!("an upload of {offset} of {length} bytes of a file of {all}")));
        }
        Ok(offset)
    }

    fn append(&self, upload: &Id, offset: u64, chunk: &[u8]) -> Result<u64> {
        let checksum = format!("{ALGORITHM} {}", Base64::encode_string(Digest::of(chunk).bytes()));
        let request = self.agent().patch(self.url(&format!("/v1/uploads/{upload}")));
        let request = request.header("authorization", self.authorisation()).header(RESUMABLE, TUS_VERSION);
        let request = request.header("content-type", CHUNK_TYPE).header(OFFSET, offset.to_string());
        let response = self.good(SENDING, request.header(CHECKSUM, checksum).send(chunk))?;
        number(SENDING, response.headers(), OFFSET)
    }
}

/// The hash of a file.
///
/// # Errors
/// When it cannot be read.
pub fn hash_of(path: &Path) -> Result<Digest> {
    let reading = || Error::io("reading", path);
    let mut file = beaa_base::input::open("reading", path)?;
    let (mut hasher, mut piece) = (Hasher::default(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece).map_err(reading())? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&piece[..read]),
        }
    }
}
