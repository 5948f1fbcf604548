//! Programs that are published, and their signatures.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use beaa_protocol::ProgramList;

use super::body::{self, Json};
use super::caller::Reader;
use super::{Shared, with_store};
use crate::{Error, Result};

pub(super) async fn list(State(app): State<Shared>, _: Reader) -> Result<impl IntoResponse> {
    let programs = with_store(&app, |store| store.programs()).await?;
    Ok(Json(ProgramList { programs }))
}

pub(super) async fn show(
    State(app): State<Shared>,
    _: Reader,
    Path(program): Path<String>,
) -> Result<impl IntoResponse> {
    Ok(Json(with_store(&app, move |store| Ok(store.program(&program)?.view)).await?))
}

pub(super) async fn signature(State(app): State<Shared>, _: Reader, Path(program): Path<String>) -> Result<Response> {
    let (path, bytes, hash) = with_store(&app, move |store| {
        let hash = store.program(&program)?.signature;
        let path = store.blob(&hash);
        let bytes = std::fs::metadata(&path).map_err(Error::io("reading", &path))?.len();
        Ok((path, bytes, hash))
    })
    .await?;
    let response = body::file(&path, 0..bytes, StatusCode::OK).await?;
    Ok(([(header::ETAG, format!("\"{hash}\""))], response).into_response())
}
