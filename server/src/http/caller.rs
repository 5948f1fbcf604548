//! Whose request it is, by its bearer token, and whether the token allows it.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use beaa_protocol::Scope;

use super::{Shared, with_store};
use crate::quota::ConnectionTenant;
use crate::store::Caller;
use crate::{Error, RefusalKind, Result};

/// A tenant that may look and download.
pub(super) struct Reader(pub(super) Caller);

/// A tenant that may do everything.
pub(super) struct Submitter(pub(super) Caller);

/// Who may see the server's figures.
pub(super) struct Observer;

impl FromRequestParts<Shared> for Reader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self> {
        allowed(parts, app, &[Scope::Submit, Scope::Read]).await.map(Self)
    }
}

impl FromRequestParts<Shared> for Submitter {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self> {
        allowed(parts, app, &[Scope::Submit]).await.map(Self)
    }
}

impl FromRequestParts<Shared> for Observer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self> {
        allowed(parts, app, &[Scope::Metrics]).await.map(|_| Self)
    }
}

async fn allowed(parts: &Parts, app: &Shared, scopes: &[Scope]) -> Result<Caller> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    // No header is refused as a token that nobody has.
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).map_or("", str::trim).to_owned();
    let caller = with_store(app, move |store| store.caller(&token)).await?;
    app.rates.count(caller.tenant, Instant::now())?;
    if let Some(connection) = parts.extensions.get::<Arc<ConnectionTenant>>() {
        connection.count(&app.connections, caller.tenant)?;
    }
    if scopes.contains(&caller.scope) {
        return Ok(caller);
    }
    Err(Error::refused(
        RefusalKind::Forbidden,
        format!(
            "checking the token: found one of scope `{}`, expected {}",
            caller.scope.name(),
            scopes.iter().map(|s| format!("`{}`", s.name())).collect::<Vec<_>>().join(" or ")
        ),
        "ask the operator for a token of that scope",
    ))
}
