//! Who the caller is.

use axum::extract::State;
use axum::response::IntoResponse;

use super::body::Json;
use super::caller::Reader;
use super::{Shared, with_store};
use crate::Result;

pub(super) async fn show(State(app): State<Shared>, Reader(caller): Reader) -> Result<impl IntoResponse> {
    Ok(Json(with_store(&app, move |store| store.account(&caller)).await?))
}
