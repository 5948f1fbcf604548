//! Evaluation keys of the tenant.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use beaa_protocol::KeyList;

use super::body::{Json, word};
use super::caller::{Reader, Submitter};
use super::{Shared, with_store};
use crate::Result;

pub(super) async fn list(State(app): State<Shared>, Reader(caller): Reader) -> Result<impl IntoResponse> {
    let keys = with_store(&app, move |store| store.keys(&caller)).await?;
    Ok(Json(KeyList { keys }))
}

pub(super) async fn show(
    State(app): State<Shared>,
    Reader(caller): Reader,
    Path(key): Path<String>,
) -> Result<impl IntoResponse> {
    let sha256 = word(&key)?;
    Ok(Json(with_store(&app, move |store| store.key(&caller, &sha256)).await?))
}

pub(super) async fn remove(
    State(app): State<Shared>,
    Submitter(caller): Submitter,
    Path(key): Path<String>,
) -> Result<StatusCode> {
    let sha256 = word(&key)?;
    with_store(&app, move |store| store.delete_key(&caller, &sha256)).await?;
    Ok(StatusCode::NO_CONTENT)
}
