//! Resumable uploads, by the tus protocol.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64, Encoding};
use beaa_protocol::upload::{
    ALGORITHM, CHECKSUM, CHUNK_TYPE, EXTENSIONS, LENGTH, METADATA, OFFSET, PURPOSE, Purpose, RESUMABLE, SHA256,
    TUS_VERSION,
};
use beaa_protocol::{Digest, Id};
use http_body_util::BodyExt;

use super::body::word;
use super::caller::Submitter;
use super::{Shared, blocking, with_store};
use crate::store::{Caller, Chunk, ChunkBegun, NewUpload, UploadView};
use crate::{Error, RefusalKind, Result};

/// Bytes of a chunk that are in memory before they are written.
const PIECE: usize = 128 << 10;

pub(super) async fn abilities(State(app): State<Shared>) -> Response {
    let most = HeaderValue::from(app.settings.upload_bytes);
    let fixed = [("tus-version", TUS_VERSION), ("tus-extension", EXTENSIONS), ("tus-checksum-algorithm", ALGORITHM)];
    let mut response = with_headers(StatusCode::NO_CONTENT, &[("tus-max-size", most)]);
    for (name, value) in fixed {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

pub(super) async fn begin(
    State(app): State<Shared>,
    Submitter(caller): Submitter,
    headers: HeaderMap,
) -> Result<Response> {
    check_version(&headers)?;
    let new = new_upload(&headers)?;
    let (most, reserve) = (app.settings.upload_bytes, app.settings.disk_reserve_bytes);
    if new.length > most {
        return Err(Error::refused(
            RefusalKind::TooLarge,
            format!("beginning an upload: found {} bytes, expected {most} at most", new.length),
            "send fewer images in one file",
        ));
    }
    let id = with_store(&app, move |store| store.begin_upload(&caller, &new, reserve)).await?;
    let location =
        HeaderValue::try_from(format!("/v1/uploads/{id}")).map_err(|error| Error::Setting(error.to_string()))?;
    Ok(with_headers(StatusCode::CREATED, &[("location", location), (OFFSET, HeaderValue::from(0))]))
}

pub(super) async fn offset(
    State(app): State<Shared>,
    Submitter(caller): Submitter,
    Path(upload): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    check_version(&headers)?;
    let id: Id = word(&upload)?;
    let whose = caller.clone();
    let view = with_store(&app, move |store| store.upload(&whose, &id)).await?;
    // A failure may have come between its last byte and its check.
    Ok(with_headers(StatusCode::OK, &lengths(&completed(&app, caller, id, view).await?)))
}

pub(super) async fn append(
    State(app): State<Shared>,
    Submitter(caller): Submitter,
    Path(upload): Path<String>,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response> {
    check_version(&headers)?;
    let id: Id = word(&upload)?;
    let chunk = chunk(&headers, app.settings.chunk_bytes)?;
    let whose = caller.clone();
    let begun = with_store(&app, move |store| store.begin_chunk(&whose, &id, &chunk)).await?;
    let mut open = match begun {
        ChunkBegun::Whole(view) => return Ok(with_headers(StatusCode::NO_CONTENT, &lengths(&view))),
        ChunkBegun::Open(open) => open,
    };
    let idle = Duration::from_secs(app.settings.idle_seconds);
    loop {
        let (piece, ended) = next_piece(&mut body, idle).await.ok_or_else(|| open.cut_off())?;
        // A thread waits for the disk, and none for the client.
        let written = move || {
            open.write(&piece)?;
            Ok(open)
        };
        open = blocking(written).await?;
        if ended {
            break;
        }
    }
    let whose = caller.clone();
    let view = with_store(&app, move |store| store.end_chunk(&whose, *open)).await?;
    Ok(with_headers(StatusCode::NO_CONTENT, &lengths(&completed(&app, caller, id, view).await?)))
}

pub(super) async fn remove(
    State(app): State<Shared>,
    Submitter(caller): Submitter,
    Path(upload): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    check_version(&headers)?;
    let id: Id = word(&upload)?;
    with_store(&app, move |store| store.delete_upload(&caller, &id)).await?;
    Ok(with_headers(StatusCode::NO_CONTENT, &[]))
}

/// The next bytes of a chunk, with whether they are the last; none where the client sends nothing
/// for as long as it may, or is gone.
async fn next_piece(body: &mut Body, idle: Duration) -> Option<(Vec<u8>, bool)> {
    let mut piece = Vec::new();
    while piece.len() < PIECE {
        match tokio::time::timeout(idle, body.frame()).await.ok()? {
            Some(frame) => {
                if let Ok(bytes) = frame.ok()?.into_data() {
                    piece.extend_from_slice(&bytes);
                }
            }
            None => return Some((piece, true)),
        }
    }
    Some((piece, false))
}

/// The upload, checked if its last byte is there. Who must wait for other checks keeps no thread
/// meanwhile, and is told to come again before it takes the server for dead.
async fn completed(app: &Shared, caller: Caller, id: Id, view: UploadView) -> Result<UploadView> {
    if view.complete || view.received < view.length {
        return Ok(view);
    }
    let longest = Duration::from_secs(app.settings.idle_seconds);
    let waited = tokio::time::timeout(longest, Arc::clone(&app.checks).acquire_owned()).await;
    let Ok(Ok(turn)) = waited else {
        return Err(Error::refused(
            RefusalKind::Locked,
            "completing an upload: found other files that are being checked, expected none",
            "ask for the offset (HEAD) again: nothing need be sent again",
        ));
    };
    with_store(app, move |store| {
        // Until the check has ended, whoever waits for it.
        let _turn = turn;
        store.complete_upload(&caller, &id)
    })
    .await
}

fn check_version(headers: &HeaderMap) -> Result<()> {
    if text(headers, RESUMABLE) == Some(TUS_VERSION) {
        return Ok(());
    }
    Err(Error::refused(
        RefusalKind::WrongVersion,
        format!("reading an upload's headers: found no `{RESUMABLE}: {TUS_VERSION}`, expected it"),
        "send it with each request of an upload",
    ))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn malformed(found: &str, expected: &str) -> Error {
    Error::refused(
        RefusalKind::Malformed,
        format!("reading an upload's headers: found {found}, expected {expected}"),
        "see /v1/openapi.json",
    )
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<u64> {
    let number = text(headers, name).and_then(|text| text.parse().ok());
    number.ok_or_else(|| malformed(&format!("no number in `{name}`"), "a number of bytes"))
}

fn new_upload(headers: &HeaderMap) -> Result<NewUpload> {
    let length = number(headers, LENGTH)?;
    let metadata = text(headers, METADATA).ok_or_else(|| malformed("no `upload-metadata`", "purpose and sha256"))?;
    let value = |name: &str| {
        let pair = metadata.split(',').filter_map(|pair| pair.trim().split_once(' ')).find(|(key, _)| *key == name);
        let decoded = pair.and_then(|(_, value)| Base64::decode_vec(value.trim()).ok());
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or_else(|| malformed(&format!("no `{name}` in `{METADATA}`"), "a name and a value in base64"))
    };
    let purpose = value(PURPOSE)?;
    let purpose = Purpose::of_name(&purpose).ok_or_else(|| malformed("another purpose", "`key` or `images`"))?;
    Ok(NewUpload { purpose, length, sha256: word(&value(SHA256)?)? })
}

fn chunk(headers: &HeaderMap, most: u64) -> Result<Chunk> {
    if text(headers, header::CONTENT_TYPE.as_str()) != Some(CHUNK_TYPE) {
        return Err(Error::refused(
            RefusalKind::WrongType,
            format!("reading an upload's headers: found another media type, expected `{CHUNK_TYPE}`"),
            "send it as `content-type`",
        ));
    }
    let offset = number(headers, OFFSET)?;
    let checksum = text(headers, CHECKSUM).and_then(|text| text.split_once(' '));
    let hash = checksum.filter(|(algorithm, _)| *algorithm == ALGORITHM);
    let hash = hash.and_then(|(_, value)| Base64::decode_vec(value.trim()).ok());
    let hash = hash.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).map(Digest::from_bytes);
    let sha256 = hash.ok_or_else(|| malformed("no `upload-checksum`", "`sha256` and the hash in base64"))?;
    Ok(Chunk { offset, sha256, most })
}

fn lengths(view: &UploadView) -> [(&'static str, HeaderValue); 2] {
    [(OFFSET, HeaderValue::from(view.received)), (LENGTH, HeaderValue::from(view.length))]
}

/// A response without a body, with the header that all of them have.
fn with_headers(status: StatusCode, headers: &[(&'static str, HeaderValue)]) -> Response {
    let mut response = status.into_response();
    response.headers_mut().insert(RESUMABLE, HeaderValue::from_static(TUS_VERSION));
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.clone());
    }
    response
}
