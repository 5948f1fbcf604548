//! Errors as responses: refusals as they are, failures without what only the operator may know.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use beaa_protocol::{PROBLEM_TYPE, Problem};

use super::observe;
use crate::{Error, Refusal, RefusalKind};

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => respond(&refusal),
            failure if failure.is_disk_full() => respond(&Refusal {
                kind: RefusalKind::DiskFull,
                detail: "writing to the store: found no space left on the server's disk, expected some".to_owned(),
                remedy: "wait until the operator has made space, and send the same again".to_owned(),
            }),
            failure => {
                tracing::error!(request = %observe::request_text(), "{failure}");
                internal()
            }
        }
    }
}

/// Nothing is at the path.
pub(super) async fn no_such_path() -> Response {
    respond(&Refusal {
        kind: RefusalKind::NotFound,
        detail: "looking for the path: found nothing there, expected one of the interface".to_owned(),
        remedy: "see /v1/openapi.json for all paths".to_owned(),
    })
}

/// The path has no such method.
pub(super) async fn no_such_method() -> Response {
    let mut response = respond(&Refusal {
        kind: RefusalKind::Malformed,
        detail: "looking for the method: found one that this path does not have, expected another".to_owned(),
        remedy: "see /v1/openapi.json for the methods of the path".to_owned(),
    });
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

fn respond(refusal: &Refusal) -> Response {
    let mut response = body(Problem { request: observe::request(), ..refusal.problem() });
    match refusal.kind {
        RefusalKind::Unauthorised => {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            // Strangers keep no connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        RefusalKind::TooManyConnections => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        RefusalKind::TooMany | RefusalKind::NotReady => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

fn internal() -> Response {
    body(Problem {
        kind: Problem::full_kind("failure"),
        title: "The server failed".to_owned(),
        status: 500,
        detail: "serving the request: found a failure of the server, expected none".to_owned(),
        remedy: "send the request again later; tell the operator its number if that does not help".to_owned(),
        request: observe::request(),
    })
}

fn body(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // All of its fields are text and numbers.
    let text = serde_json::to_string(&problem).unwrap_or_else(|_| "{}".to_owned());
    (status, [(header::CONTENT_TYPE, PROBLEM_TYPE)], text).into_response()
}
