//! Connections: so many at a time, each with its times, with TLS where there is a certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::quota::ConnectionTenant;
use crate::settings::Settings;
use crate::timed::Timed;
use crate::{Error, Result};

/// Most bytes of the head of a request.
const MOST_HEAD: usize = 64 << 10;
/// How long the accepting of connections rests when the system has no descriptor left.
const REST: Duration = Duration::from_millis(200);

/// Refuses to take connections of other machines without TLS, unless the operator wants it.
///
/// # Errors
/// [`Error::Setting`] with what helps.
pub fn check_plain(address: SocketAddr, settings: &Settings) -> Result<()> {
    if settings.certificate.is_some() || settings.plain_http || address.ip().is_loopback() {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "listening on {address}: found no certificate, expected one, since tokens would travel in clear; give \
         --certificate and --private-key, or --plain-http where something in front of this server does TLS"
    )))
}

/// Serves connections until `stopping` becomes true, and then lets running requests end, for as
/// long as the settings say. Each connection has the latest certificate.
pub async fn accept(
    listener: TcpListener,
    tls: Option<watch::Receiver<TlsAcceptor>>,
    router: Router,
    settings: &Settings,
    mut stopping: watch::Receiver<bool>,
) {
    let (graceful, permits) = (GracefulShutdown::new(), Arc::new(Semaphore::new(settings.connections)));
    let idle = Duration::from_secs(settings.idle_seconds);
    while !*stopping.borrow() {
        let accepted = tokio::select! {
            accepted = next(&listener, &permits) => accepted,
            _ = stopping.changed() => None,
        };
        let Some((stream, permit)) = accepted else { continue };
        let tls = tls.as_ref().map(|latest| latest.borrow().clone());
        let (router, watcher) = (router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            let _ = stream.set_nodelay(true);
            let stream = Timed::new(stream, idle);
            match tls {
                None => connection(stream, router, watcher, idle).await,
                Some(tls) => {
                    // Strangers who do not finish the handshake are none of anybody's concern.
                    if let Ok(Ok(stream)) = tokio::time::timeout(idle, tls.accept(stream)).await {
                        connection(stream, router, watcher, idle).await;
                    }
                }
            }
        });
    }
    drop(listener);
    let longest = Duration::from_secs(settings.shutdown_seconds);
    if tokio::time::timeout(longest, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still running when the time for ending was over");
    }
}

/// The next connection, once there may be one more.
async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!("accepting a connection: {error}");
            tokio::time::sleep(REST).await;
            None
        }
    }
}

/// Serves the requests of a connection, one after the other.
async fn connection<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    router: Router,
    watcher: Watcher,
    idle: Duration,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(idle).max_buf_size(MOST_HEAD);
    let (tenant, service) = (Arc::new(ConnectionTenant::default()), TowerToHyperService::new(router));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&tenant));
        service.call(request)
    });
    let served = http.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!("a connection ended: {error}");
    }
}
