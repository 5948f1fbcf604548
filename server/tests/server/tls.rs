//! Connections with TLS, and certificates that end and are renewed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::kit::Sample;
use crate::running::{Running, settings};
use beaa_server::settings::Settings;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

#[test]
fn connections_are_tls_where_there_is_a_certificate_and_an_ended_one_is_refused() {
    let sample = Sample::new();
    // A checkout has other modes than a private key must have.
    let key = sample.folder.path().join("server.key");
    std::fs::copy(data("server.key"), &key).unwrap();
    let private = |mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    private(0o600);
    let authority = std::fs::read(data("authority.pem")).unwrap();
    let roots = RootCerts::new_with_certs(&[Certificate::from_pem(&authority).unwrap()]);
    let tls = TlsConfig::builder().root_certs(roots).build();
    let trusting: Agent = Agent::config_builder().http_status_as_error(false).tls_config(tls).build().into();
    for (certificate, good) in [("server.pem", true), ("ended.pem", false)] {
        let settings = Settings { certificate: Some(data(certificate)), private_key: Some(key.clone()), ..settings() };
        let server = Running::new(&sample, settings);
        let url = format!("https://{}/healthz", server.address);
        let found = trusting.get(&url).call();
        assert_eq!(found.is_ok(), good, "{certificate}: {found:?}");
        if let Err(error) = found {
            assert!(error.to_string().contains("xpired"), "{error}");
        }
        assert!(server.agent.get(&url).call().is_err(), "a client that does not know the authority");
        assert!(server.agent.get(server.url("/healthz")).call().is_err(), "a client without TLS");
    }
    private(0o644);
    let error = beaa_server::certificate::tls(&data("server.pem"), &key).err().unwrap().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    private(0o600);
    assert!(beaa_server::certificate::tls(&key, &key).is_err());
}

#[test]
fn a_renewed_certificate_serves_without_a_new_start() {
    use std::os::unix::fs::PermissionsExt;
    let sample = Sample::new();
    let at = |name: &str| sample.folder.path().join(name);
    let (certificate, key) = (at("chain.pem"), at("server.key"));
    std::fs::copy(data("server.key"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::copy(data("ended.pem"), &certificate).unwrap();
    let settings = Settings { certificate: Some(certificate.clone()), private_key: Some(key), ..settings() };
    let server = Running::new(&sample, settings);
    let authority = std::fs::read(data("authority.pem")).unwrap();
    let roots = RootCerts::new_with_certs(&[Certificate::from_pem(&authority).unwrap()]);
    let tls = TlsConfig::builder().root_certs(roots).build();
    let trusting: Agent = Agent::config_builder().http_status_as_error(false).tls_config(tls).build().into();
    let url = format!("https://{}/healthz", server.address);
    let said = trusting.get(&url).call().unwrap_err().to_string();
    assert!(said.contains("xpired"), "{said}");
    // Half of a renewal, or a wrong one, is none: the certificate of before serves on.
    std::fs::write(&certificate, "no certificate").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let said = trusting.get(&url).call().unwrap_err().to_string();
    assert!(said.contains("xpired"), "{said}");
    std::fs::copy(data("server.pem"), &certificate).unwrap();
    let started = Instant::now();
    while trusting.get(&url).call().is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "the renewed certificate is not read");
        std::thread::sleep(Duration::from_millis(100));
    }
}
