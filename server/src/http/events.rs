//! How a job goes on, as server-sent events: each is the whole job, so that a client that missed
//! some has lost nothing.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use beaa_protocol::{Id, JobView};
use futures_util::stream;

use super::body::word;
use super::caller::Reader;
use super::{Shared, with_store};
use crate::Result;
use crate::quota::Held;
use crate::store::Caller;

/// How often the store is asked.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// Something is sent at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long one request follows a job: the next one shows its token again.
const LONGEST: Duration = Duration::from_secs(600);

/// Who follows which job, and what was sent.
struct Following {
    app: Shared,
    caller: Caller,
    id: Id,
    sent: Option<i64>,
    ended: bool,
    until: Instant,
    /// Given back at the end.
    _stream: Held,
}

pub(super) async fn follow(
    State(app): State<Shared>,
    Reader(caller): Reader,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<impl IntoResponse> {
    let id = word(&job)?;
    let stream = app.streams.hold(caller.tenant)?;
    let until = Instant::now() + LONGEST;
    let mut following = Following { app, caller, id, sent: None, ended: false, until, _stream: stream };
    // What is not there is refused as any other request is.
    following.look().await?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    following.sent = last.and_then(|text| text.parse().ok());
    let events = stream::unfold(following, |mut following| async {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Following {
    async fn look(&self) -> Result<JobView> {
        let (caller, id) = (self.caller.clone(), self.id);
        with_store(&self.app, move |store| store.job(&caller, &id)).await
    }

    /// The next event; none when the job has ended, is gone, was followed for long, or the server
    /// ends.
    async fn next(&mut self) -> Option<Event> {
        let mut stopping = self.app.stopping.clone();
        while !self.ended && !*stopping.borrow() && Instant::now() < self.until {
            let job = self.look().await.ok()?;
            if self.sent != Some(job.version) {
                self.sent = Some(job.version);
                self.ended = job.state.is_final();
                let text = serde_json::to_string(&job).ok()?;
                return Some(Event::default().event("job").id(job.version.to_string()).data(text));
            }
            if job.state.is_final() {
                return None;
            }
            tokio::select! {
                () = tokio::time::sleep(BETWEEN_LOOKS) => {}
                _ = stopping.changed() => {}
            }
        }
        None
    }
}
