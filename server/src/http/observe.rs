//! What is noted of every request: a number, its path as the table has it, status and time; nothing
//! of what was sent.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Shared;
use crate::random;

tokio::task_local! {
    static REQUEST: String;
}

/// Names the request in responses.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The page for people runs its own scripts and no other, and speaks to nobody else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The name of the request at work, if there is one.
pub(super) fn request() -> Option<String> {
    REQUEST.try_with(Clone::clone).ok()
}

/// The same for the log.
pub(super) fn request_text() -> String {
    request().unwrap_or_else(|| "none".to_owned())
}

/// The method by its name: strangers may send any word for one, and each would be kept.
fn known(method: &Method) -> &'static str {
    let all = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    all.iter().zip(names).find(|(known, _)| *known == method).map_or("other", |(_, name)| name)
}

/// Serves the request, notes it, and adds what every response has.
pub(super) async fn observe(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let name = random::id().map_or_else(|_| "none".to_owned(), |id| id.to_string());
    let method = known(request.method());
    let path = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let mut response = REQUEST.scope(name.clone(), next.run(request)).await;
    let (status, seconds) = (response.status().as_u16(), started.elapsed().as_secs_f64());
    app.counters.add(method, &path, status, seconds);
    tracing::info!(request = %name, method, path, status, seconds, "request");
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&name) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
