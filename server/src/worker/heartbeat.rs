//! Says again and again that a worker lives, and how far it is; and hears that its job is wanted no
//! more.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::progress::JobProgress;
use crate::clock;
use crate::store::{Lease, Store};

/// How often progress is written, where there is some.
const BETWEEN_NOTES: Duration = Duration::from_millis(200);

/// While it lives, the lease is renewed.
pub(super) struct Heartbeat {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    pub(super) fn start(store: Arc<Store>, lease: Lease, lease_ms: i64, progress: Arc<JobProgress>) -> Self {
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            let renew_after = Duration::from_millis(lease_ms.unsigned_abs() / 4);
            let (mut noted, mut renewed) = (progress.view(), Instant::now());
            while ended.recv_timeout(BETWEEN_NOTES.min(renew_after)) == Err(RecvTimeoutError::Timeout) {
                let view = progress.view();
                let news = (view != noted).then_some(&view);
                if news.is_none() && renewed.elapsed() < renew_after {
                    continue;
                }
                match store.renew(&lease, clock::now_ms().saturating_add(lease_ms), news) {
                    Ok(true) => (noted, renewed) = (view, Instant::now()),
                    Ok(false) => return progress.lose(),
                    // The lease lasts a while yet.
                    Err(error) => tracing::warn!("renewing a lease: {error}"),
                }
            }
        });
        Self { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
