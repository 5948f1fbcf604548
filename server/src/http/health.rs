//! Whether the server lives, whether it can take work, and its figures.

use std::fmt::Write;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use beaa_protocol::JobState;

use super::caller::Observer;
use super::{Shared, with_store};
use crate::{Error, RefusalKind, Result};

pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// Ready while the database answers, the disk has space, and the server does not end.
pub(super) async fn ready(State(app): State<Shared>) -> Result<&'static str> {
    let not_ready = |detail: &str| {
        Err(Error::refused(RefusalKind::NotReady, format!("looking whether the server is ready: {detail}"), "wait"))
    };
    if *app.stopping.borrow() {
        return not_ready("found it ending, expected it running");
    }
    let reserve = app.settings.disk_reserve_bytes;
    let free = with_store(&app, |store| {
        store.jobs_by_state()?;
        store.free_bytes()
    })
    .await?;
    if free < reserve { not_ready("found too little space on the disk, expected the reserve") } else { Ok("ready\n") }
}

pub(super) async fn metrics(State(app): State<Shared>, _: Observer) -> Result<impl IntoResponse> {
    let (jobs, free) = with_store(&app, |store| Ok((store.jobs_by_state()?, store.free_bytes()?))).await?;
    let mut text = app.counters.text();
    text.push_str("# TYPE beaa_jobs gauge\n");
    for (state, count) in jobs {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "beaa_jobs{{state=\"{}\"}} {count}", JobState::name(state));
    }
    let _ = writeln!(text, "# TYPE beaa_disk_free_bytes gauge\nbeaa_disk_free_bytes {free}");
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
