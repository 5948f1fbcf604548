//! A server from its start to its end: listen, serve, sweep, end when told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::certificate::{CertificateFiles, renewed};
use crate::http::{App, router};
use crate::listen::{accept, check_plain};
use crate::settings::Settings;
use crate::store::Store;
use crate::{Error, Result, clock};

/// How often what was left behind is removed.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(600);
/// How often ended leases are looked for.
const BETWEEN_EXPIRIES: Duration = Duration::from_secs(1);
/// How often somebody is asked whether the server is to end.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(100);
/// Threads that wait for the disk, at most: what bounds the memory of many clients at once.
const WAITING_THREADS: usize = 64;

/// What a server is made of.
pub struct Service {
    /// Its jobs and files.
    pub store: Arc<Store>,
    /// How it runs.
    pub settings: Settings,
}

/// Serves until `stop` says so, which is asked ten times a second, or the process is told to end;
/// `started` hears where it listens.
///
/// # Errors
/// When it cannot listen, or the certificate is none.
pub fn serve(
    service: Service,
    stop: impl Fn() -> bool + Send + 'static,
    started: impl FnOnce(SocketAddr),
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(WAITING_THREADS)
        .build()
        .map_err(|error| Error::Setting(format!("starting the server: {error}")))?;
    runtime.block_on(run(service, stop, started))
}

async fn run(
    service: Service,
    stop: impl Fn() -> bool + Send + 'static,
    started: impl FnOnce(SocketAddr),
) -> Result<()> {
    let Service { store, settings } = service;
    // Before anybody can connect: who sees the server may end it.
    let (termination, (stopper, stopping)) = (Termination::listen(), watch::channel(false));
    tokio::spawn(async move {
        wait_for_end(termination, stop).await;
        let _ = stopper.send(true);
    });
    let listening = |error: std::io::Error| Error::Setting(format!("listening on {}: {error}", settings.listen));
    let tls = match (&settings.certificate, &settings.private_key) {
        (Some(certificate), Some(private_key)) => {
            let files = CertificateFiles { certificate: certificate.clone(), private_key: private_key.clone() };
            Some(renewed(files)?)
        }
        (None, None) => None,
        _ => {
            return Err(Error::Setting(
                "listening: found one of certificate and private key, expected both or none; give both".to_owned(),
            ));
        }
    };
    let addresses = tokio::net::lookup_host(&settings.listen).await.map_err(listening)?;
    for address in addresses {
        check_plain(address, &settings)?;
    }
    let listener = TcpListener::bind(&settings.listen).await.map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    let (for_sweeps, for_expiries) = (Arc::clone(&store), Arc::clone(&store));
    let idle_ms = signed_hours_ms(settings.upload_hours);
    let sweeping = repeat(BETWEEN_SWEEPS, stopping.clone(), move || for_sweeps.sweep(idle_ms).map(|_| ()));
    let expire = move || for_expiries.expire_leases(clock::now_ms()).map(|_| ());
    let expiring = repeat(BETWEEN_EXPIRIES, stopping.clone(), expire);
    tokio::spawn(sweeping);
    tokio::spawn(expiring);
    started(address);
    let app = App::new(store, settings.clone(), stopping.clone());
    accept(listener, tls, router(app), &settings, stopping).await;
    Ok(())
}

/// Makes `stop` true when the system tells the process to end.
///
/// # Errors
/// When the system does not let it be told.
pub fn end_on_termination(stop: &Arc<AtomicBool>) -> Result<()> {
    let failed = |error: std::io::Error| Error::Setting(format!("listening to signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let termination = runtime.block_on(async { Termination::listen() });
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        runtime.block_on(wait_for_end(termination, || false));
        stop.store(true, Ordering::Relaxed);
    });
    Ok(())
}

fn signed_hours_ms(hours: u64) -> i64 {
    i64::try_from(hours.saturating_mul(3_600_000)).unwrap_or(i64::MAX)
}

/// Does something again and again; what fails is logged, and done again.
async fn repeat(
    pause: Duration,
    mut stopping: watch::Receiver<bool>,
    work: impl Fn() -> Result<()> + Send + Sync + 'static,
) {
    let work = Arc::new(work);
    while !*stopping.borrow() {
        let once = Arc::clone(&work);
        match tokio::task::spawn_blocking(move || once()).await {
            Ok(Err(error)) => tracing::error!("looking after the store: {error}"),
            Err(error) => tracing::error!("looking after the store: {error}"),
            Ok(Ok(())) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.changed() => {}
        }
    }
}

/// What the system tells the process, from the moment on that the value is there.
struct Termination {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Termination {
    /// Listens from now on; where the system does not let it, the process ends at once when told.
    fn listen() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok(),
        }
    }

    /// Until the system wants the process to end.
    async fn told(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal {
            signal.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Until somebody wants the process to end.
async fn wait_for_end(mut termination: Termination, stop: impl Fn() -> bool) {
    while !stop() {
        tokio::select! {
            () = termination.told() => return,
            () = tokio::time::sleep(BETWEEN_QUESTIONS) => {}
        }
    }
}
