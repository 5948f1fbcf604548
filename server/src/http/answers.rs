//! Answers: whole, or the range that a client lacks.

use std::ops::Range;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::body::{self, word};
use super::caller::Reader;
use super::{Shared, with_store};
use crate::{Error, RefusalKind, Result};

pub(super) async fn download(
    State(app): State<Shared>,
    Reader(caller): Reader,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let id = word(&job)?;
    let (path, bytes, hash) = with_store(&app, move |store| {
        let answers = store.answers(&caller, &id)?;
        store.note_download(&caller, &id)?;
        Ok(answers)
    })
    .await?;
    let tag = format!("\"{hash}\"");
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // Of other answers than those that the client has begun, it gets the whole.
    let same = text(header::IF_RANGE).is_none_or(|of| of == tag);
    let range = text(header::RANGE).filter(|_| same).map_or(Wanted::Whole, |range| wanted(range, bytes));
    let (part, status) = match range {
        Wanted::Whole => (0..bytes, StatusCode::OK),
        Wanted::Part(part) => (part, StatusCode::PARTIAL_CONTENT),
        Wanted::Nothing => {
            let refusal = Error::refused(
                RefusalKind::WrongRange,
                format!("downloading answers: found a range beyond {bytes} bytes, expected one within"),
                "ask for bytes that are there",
            );
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{bytes}"))], refusal).into_response());
        }
    };
    let of = format!("bytes {}-{}/{bytes}", part.start, part.end.saturating_sub(1));
    let mut response = body::file(&path, part, status).await?;
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let of = (status == StatusCode::PARTIAL_CONTENT).then_some(of);
    let values = [(header::ETAG, Some(tag)), (header::CONTENT_RANGE, of)];
    for (name, value) in values {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// What a `Range` header wants.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<u64>),
    Nothing,
}

/// Reads the header for a file of so many bytes. What is not understood, and several ranges at
/// once, may be answered with the whole (RFC 9110, section 14.2).
fn wanted(header: &str, bytes: u64) -> Wanted {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>();
    match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Ok(0) => Wanted::Nothing,
            Ok(count) => Wanted::Part(bytes.saturating_sub(count)..bytes),
            Err(_) => Wanted::Whole,
        },
        (first, last) => match (number(first), last.is_empty().then_some(u64::MAX).map_or_else(|| number(last), Ok)) {
            (Ok(first), Ok(last)) if first > last => Wanted::Whole,
            (Ok(first), Ok(_)) if first >= bytes => Wanted::Nothing,
            (Ok(first), Ok(last)) => Wanted::Part(first..bytes.min(last.saturating_add(1))),
            _ => Wanted::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        for (header, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=2-100", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("bytes=x-", Wanted::Whole),
        ] {
            assert_eq!(wanted(header, 10), expected, "{header}");
        }
    }
}
