//! Bodies: JSON that comes and goes, files that go out in pieces, and words of paths.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::blocking;
use crate::{Error, RefusalKind, Result};

/// Most bytes of a body of JSON.
const MOST_JSON: usize = 64 << 10;
/// How long a client may take to send it.
const LONGEST: Duration = Duration::from_secs(30);
/// Bytes of a file that are in memory for one response.
const PIECE: usize = 128 << 10;

/// A value as JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
            Err(error) => Error::Damaged { found: error.to_string(), expected: "a value as JSON" }.into_response(),
        }
    }
}

/// Reads a body of JSON.
pub(super) async fn parsed<T: DeserializeOwned>(body: Body) -> Result<T> {
    let malformed = |found: String| {
        Error::refused(
            RefusalKind::Malformed,
            format!("reading the body: found {found}, expected JSON as the interface describes it"),
            "see /v1/openapi.json",
        )
    };
    let whole = tokio::time::timeout(LONGEST, axum::body::to_bytes(body, MOST_JSON)).await;
    let whole = whole.map_err(|_| malformed(format!("no end after {} s", LONGEST.as_secs())))?;
    let bytes = whole.map_err(|error| malformed(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| malformed(error.to_string()))?;
    beaa_base::json::parse(text).map_err(|error| malformed(error.to_string()))
}

/// A word of a path.
pub(super) fn word<T: FromStr<Err = beaa_protocol::Malformed>>(text: &str) -> Result<T> {
    text.parse().map_err(|error: beaa_protocol::Malformed| {
        Error::refused(RefusalKind::Malformed, error.to_string(), "send it as the server gave it")
    })
}

/// Some bytes of a file as the body of a response, read as they are sent.
pub(super) async fn file(path: &Path, bytes: Range<u64>, status: StatusCode) -> Result<Response> {
    let owned = path.to_path_buf();
    let start = bytes.start;
    let opened = blocking(move || {
        let mut file = File::open(&owned).map_err(Error::io("reading", &owned))?;
        file.seek(SeekFrom::Start(start)).map_err(Error::io("reading", &owned))?;
        Ok(file)
    });
    let reading = (opened.await?, bytes.end - bytes.start);
    let pieces = stream::unfold(Some(reading), |reading| async {
        let (file, left) = reading?;
        if left == 0 {
            return None;
        }
        match tokio::task::spawn_blocking(move || piece(file, left)).await {
            Ok(Ok((bytes, file, left))) => Some((Ok(bytes), Some((file, left)))),
            Ok(Err(error)) => Some((Err(error), None)),
            Err(error) => Some((Err(std::io::Error::other(error)), None)),
        }
    });
    let length = [(header::CONTENT_LENGTH, (bytes.end - bytes.start).to_string())];
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((status, length, kind, Body::from_stream(pieces)).into_response())
}

/// The next bytes of a file, of which `left` are still to be sent.
fn piece(mut file: File, left: u64) -> std::io::Result<(Bytes, File, u64)> {
    let mut bytes = vec![0; usize::try_from(left).map_or(PIECE, |left| left.min(PIECE))];
    file.read_exact(&mut bytes)?;
    let left = left - bytes.len() as u64;
    Ok((bytes.into(), file, left))
}
