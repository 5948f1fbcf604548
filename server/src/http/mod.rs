//! The interface over HTTP: what is at which path, in one table, and what every request goes
//! through before.

mod account;
mod answers;
mod body;
mod caller;
mod counters;
mod events;
mod health;
mod jobs;
mod keys;
mod observe;
mod page;
mod problem;
mod programs;
mod rates;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, head, options, patch, post};
use tokio::sync::{Semaphore, watch};

use crate::quota::Quota;
use crate::settings::Settings;
use crate::store::Store;
use crate::{Error, RefusalKind, Result};
use counters::Counters;
use rates::Rates;

/// The description of the interface, which `GET /v1/openapi.json` gives.
pub const OPENAPI: &str = include_str!("openapi.json");

/// What every request may use.
pub struct App {
    store: Arc<Store>,
    settings: Settings,
    rates: Rates,
    counters: Counters,
    /// Connections of each tenant.
    connections: Arc<Quota>,
    /// Jobs that each tenant follows.
    streams: Arc<Quota>,
    /// For checking a whole upload: one at a time, so that memory is bounded.
    checks: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

/// The same for all requests.
pub type Shared = Arc<App>;

impl App {
    /// What requests use from now on, until `stopping` becomes true.
    pub fn new(store: Arc<Store>, settings: Settings, stopping: watch::Receiver<bool>) -> Shared {
        let rates = Rates::new(settings.requests_per_second);
        let (connections, streams) = (settings.tenant_connections, settings.tenant_streams);
        Arc::new(Self {
            store,
            settings,
            rates,
            counters: Counters::default(),
            connections: Quota::new("connections", RefusalKind::TooManyConnections, connections),
            streams: Quota::new("jobs that are followed", RefusalKind::TooMany, streams),
            checks: Arc::new(Semaphore::new(1)),
            stopping,
        })
    }
}

/// Method, path and handler of everything that there is.
fn table() -> Vec<(&'static str, &'static str, MethodRouter<Shared>)> {
    vec![
        ("GET", "/", get(page::html)),
        ("GET", "/page.css", get(page::style)),
        ("GET", "/page.js", get(page::script)),
        ("GET", "/healthz", get(health::alive)),
        ("GET", "/readyz", get(health::ready)),
        ("GET", "/metrics", get(health::metrics)),
        ("GET", "/v1/openapi.json", get(page::openapi)),
        ("GET", "/v1/account", get(account::show)),
        ("GET", "/v1/programs", get(programs::list)),
        ("GET", "/v1/programs/{program}", get(programs::show)),
        ("GET", "/v1/programs/{program}/signature", get(programs::signature)),
        ("OPTIONS", "/v1/uploads", options(uploads::abilities)),
        ("POST", "/v1/uploads", post(uploads::begin)),
        ("HEAD", "/v1/uploads/{upload}", head(uploads::offset)),
        ("PATCH", "/v1/uploads/{upload}", patch(uploads::append)),
        ("DELETE", "/v1/uploads/{upload}", delete(uploads::remove)),
        ("GET", "/v1/keys", get(keys::list)),
        ("GET", "/v1/keys/{key}", get(keys::show)),
        ("DELETE", "/v1/keys/{key}", delete(keys::remove)),
        ("GET", "/v1/jobs", get(jobs::list)),
        ("POST", "/v1/jobs", post(jobs::create)),
        ("GET", "/v1/jobs/{job}", get(jobs::show)),
        ("DELETE", "/v1/jobs/{job}", delete(jobs::remove)),
        ("POST", "/v1/jobs/{job}/cancel", post(jobs::cancel)),
        ("GET", "/v1/jobs/{job}/events", get(events::follow)),
        ("GET", "/v1/jobs/{job}/answers", get(answers::download)),
    ]
}

/// Method and path of everything that there is.
pub fn routes() -> Vec<(&'static str, &'static str)> {
    table().into_iter().map(|(method, path, _)| (method, path)).collect()
}

/// The whole interface.
pub fn router(app: Shared) -> Router {
    let routes = table().into_iter().fold(Router::new(), |router, (_, path, handler)| router.route(path, handler));
    routes
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn_with_state(Arc::clone(&app), observe::observe))
        .with_state(app)
}

/// Does work that waits for the disk where it keeps nobody else waiting.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Setting(format!("serving a request: found a bug of the server ({error})"))),
    }
}

/// The same with the store.
async fn with_store<T: Send + 'static>(
    app: &Shared,
    work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
) -> Result<T> {
    let store = Arc::clone(&app.store);
    blocking(move || work(&store)).await
}
