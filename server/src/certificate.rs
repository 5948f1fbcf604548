//! The server's certificate: read when it starts, and again when one of its files has changed, so
//! that a renewed one serves the next connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Error, Result};

/// How often the files are looked at.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// A certificate chain and its private key, both in PEM.
#[derive(Debug, Clone)]
pub(crate) struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
}

/// When a file was written, and its size: what a renewal changes.
type Stamp = Option<(SystemTime, u64)>;

/// Reads a certificate chain and its private key, in PEM.
///
/// # Errors
/// When one of the files cannot be read or holds none, or they do not belong together.
pub fn tls(certificate: &Path, private_key: &Path) -> Result<TlsAcceptor> {
    let wrong = |path: &Path, problem: String| {
        Error::Setting(format!(
            "reading {}: {problem}; give the certificate chain and its private key, both in PEM",
            path.display()
        ))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "found no certificate, expected one".to_owned()));
    }
    let file = beaa_base::input::open("reading a private key", private_key)?;
    beaa_base::input::check_private("reading a private key", "a private key", private_key, &file)?;
    let key = PrivateKeyDer::from_pem_file(private_key).map_err(|error| wrong(private_key, error.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| wrong(certificate, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Reads the certificate now, and hands on what its files hold after each change of theirs, until
/// nobody listens any more. Called within a runtime.
///
/// # Errors
/// As [`tls`].
pub(crate) fn renewed(files: CertificateFiles) -> Result<watch::Receiver<TlsAcceptor>> {
    let read = stamps(&files);
    let (sender, receiver) = watch::channel(tls(&files.certificate, &files.private_key)?);
    tokio::spawn(follow(files, read, sender));
    Ok(receiver)
}

async fn follow(files: CertificateFiles, mut read: [Stamp; 2], sender: watch::Sender<TlsAcceptor>) {
    let mut complaint = String::new();
    while !sender.is_closed() {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let found = stamps(&files);
        if found == read {
            continue;
        }
        match tls(&files.certificate, &files.private_key) {
            Ok(acceptor) => {
                read = found;
                complaint.clear();
                let _ = sender.send(acceptor);
                tracing::info!("the certificate was read again");
            }
            // The other file may come in a moment; the certificate of before serves until then.
            Err(error) => {
                let text = error.to_string();
                if text != complaint {
                    tracing::error!("the certificate of before serves on: {text}");
                    complaint = text;
                }
            }
        }
    }
}

fn stamps(files: &CertificateFiles) -> [Stamp; 2] {
    [&files.certificate, &files.private_key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}
