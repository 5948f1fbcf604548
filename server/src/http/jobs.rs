//! Jobs of the tenant.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use beaa_protocol::{Id, JobList, NewJob};

use super::body::{Json, parsed, word};
use super::caller::{Reader, Submitter};
use super::{Shared, with_store};
use crate::{Error, RefusalKind, Result};

/// Jobs of one answer, unless the client wants fewer.
const MOST: u32 = 100;

pub(super) async fn create(State(app): State<Shared>, Submitter(caller): Submitter, body: Body) -> Result<Response> {
    let new: NewJob = parsed(body).await?;
    let (job, is_new) = with_store(&app, move |store| store.create_job(&caller, &new)).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, format!("/v1/jobs/{}", job.id))];
    Ok((status, location, Json(job)).into_response())
}

pub(super) async fn list(
    State(app): State<Shared>,
    Reader(caller): Reader,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse> {
    let (before, most) = page_of(query.as_deref())?;
    let (jobs, more) = with_store(&app, move |store| store.jobs(&caller, before.as_ref(), most)).await?;
    let next = if more { jobs.last().map(|job| job.id) } else { None };
    Ok(Json(JobList { jobs, next }))
}

pub(super) async fn show(
    State(app): State<Shared>,
    Reader(caller): Reader,
    Path(job): Path<String>,
) -> Result<impl IntoResponse> {
    let id = word(&job)?;
    Ok(Json(with_store(&app, move |store| store.job(&caller, &id)).await?))
}

pub(super) async fn cancel(
    State(app): State<Shared>,
    Submitter(caller): Submitter,
    Path(job): Path<String>,
) -> Result<impl IntoResponse> {
    let id = word(&job)?;
    Ok(Json(with_store(&app, move |store| store.cancel_job(&caller, &id)).await?))
}

pub(super) async fn remove(
    State(app): State<Shared>,
    Submitter(caller): Submitter,
    Path(job): Path<String>,
) -> Result<StatusCode> {
    let id = word(&job)?;
    with_store(&app, move |store| store.delete_job(&caller, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `before` and `limit` of a query.
fn page_of(query: Option<&str>) -> Result<(Option<Id>, u32)> {
    let (mut before, mut most) = (None, MOST);
    for (name, value) in form_urlencoded::parse(query.map_or(&[][..], str::as_bytes)) {
        match name.as_ref() {
            "before" => before = Some(word(&value)?),
            "limit" => most = limit(&value)?,
            _ => return Err(wrong(&format!("`{}`", name.escape_debug()), "`before` or `limit`")),
        }
    }
    Ok((before, most))
}

fn limit(value: &str) -> Result<u32> {
    let number = value.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| wrong(&format!("a limit of `{}`", value.escape_debug()), "1 to 100"))
}

fn wrong(found: &str, expected: &str) -> Error {
    Error::refused(
        RefusalKind::Malformed,
        format!("reading the query: found {found}, expected {expected}"),
        "see /v1/openapi.json",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_or_refused() {
        let id = "0fa00102030405060708090a0b0c0dff";
        assert_eq!(page_of(None).unwrap(), (None, MOST));
        assert_eq!(page_of(Some(&format!("before={id}&limit=7"))).unwrap(), (Some(id.parse().unwrap()), 7));
        for query in ["limit=0", "limit=101", "limit=x", "before=1", "after=1"] {
            assert!(page_of(Some(query)).is_err(), "{query}");
        }
    }
}
