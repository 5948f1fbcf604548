//! Resumable uploads, by the tus protocol.

use std::path::Path as FilePath;
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
use tokio::sync::mpsc;

use super::body::word;
use super::caller::Submitter;
use super::{Shared, blocking, with_store};
use crate::error::disk_full;
use crate::store::{Chunk, Frame, NewUpload, UploadView};
use crate::{Error, RefusalKind, Result};

/// Pieces of a chunk that wait for the disk, at most.
const WAITING: usize = 4;

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
    let id = with_store(&app, move |store| {
        if free_bytes(store.folder())? < new.length.saturating_add(reserve) {
            return Err(disk_full("beginning an upload"));
        }
        store.begin_upload(&caller, &new)
    })
    .await?;
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
    let view = with_store(&app, move |store| store.upload(&caller, &id)).await?;
    Ok(with_headers(StatusCode::OK, &lengths(&view)))
}

pub(super) async fn append(
    State(app): State<Shared>,
    Submitter(caller): Submitter,
    Path(upload): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    check_version(&headers)?;
    let id: Id = word(&upload)?;
    let chunk = chunk(&headers, app.settings.chunk_bytes)?;
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let store = Arc::clone(&app.store);
    let writing = tokio::spawn(blocking(move || {
        store.append(&caller, &id, &chunk, std::iter::from_fn(|| receiver.blocking_recv()))
    }));
    send_frames(body, &sender, Duration::from_secs(app.settings.idle_seconds)).await;
    drop(sender);
    let written = writing.await.map_err(|error| Error::Setting(format!("writing a chunk: found a bug ({error})")))?;
    Ok(with_headers(StatusCode::NO_CONTENT, &lengths(&written?)))
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

/// Bytes that the disk of a folder has free.
pub(super) fn free_bytes(folder: &FilePath) -> Result<u64> {
    let space = rustix::fs::statvfs(folder);
    let space = space.map_err(|error| Error::io("looking at the space of", folder)(error.into()))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Hands the pieces of a body on. The end is said only where the client has sent all.
async fn send_frames(mut body: Body, sender: &mpsc::Sender<Frame>, idle: Duration) {
    loop {
        match tokio::time::timeout(idle, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let Ok(bytes) = frame.into_data() else { continue };
                // Nobody receives any more: the writer has an error to tell.
                if sender.send(Frame::Bytes(bytes.into())).await.is_err() {
                    return;
                }
            }
            Ok(None) => {
                let _ = sender.send(Frame::End).await;
                return;
            }
            Ok(Some(Err(_))) | Err(_) => return,
        }
    }
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
