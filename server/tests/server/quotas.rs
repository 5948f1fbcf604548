//! What a tenant may have at a time, and what begun uploads may promise of the disk.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::kit::{Database, LIMITS, Sample, bytes, kind, on_both_databases};
use crate::running::{Running, problem, settings};
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, NewJob};
use beaa_server::RefusalKind;
use beaa_server::settings::Settings;
use beaa_server::store::{NewUpload, TenantLimits};

on_both_databases![
    uploads_jobs_and_keys_of_a_tenant_are_limited,
    begun_uploads_share_the_disk_that_there_is,
    a_tenant_has_so_many_connections_and_others_have_theirs,
    a_tenant_follows_so_many_jobs_at_a_time,
    a_key_that_is_deleted_must_be_sent_again_by_whoever_resumes_it,
];

fn of_bytes(length: u64, purpose: Purpose) -> NewUpload {
    NewUpload { purpose, length, sha256: Digest::of(b"x") }
}

fn uploads_jobs_and_keys_of_a_tenant_are_limited(database: Database) {
    let sample = Sample::on(database);
    let (store, caller) = (&sample.store, &sample.caller);
    let set = |limits| store.set_tenant("clinic", limits).unwrap();
    set(TenantLimits { uploads: 2, ..LIMITS });
    let id = store.begin_upload(caller, &of_bytes(1, Purpose::Images), 0).unwrap();
    store.begin_upload(caller, &of_bytes(1, Purpose::Images), 0).unwrap();
    assert_eq!(kind(store.begin_upload(caller, &of_bytes(1, Purpose::Images), 0)), RefusalKind::OverLimit);
    store.begin_upload(&sample.other, &of_bytes(1, Purpose::Images), 0).unwrap();
    store.delete_upload(caller, &id).unwrap();
    store.begin_upload(caller, &of_bytes(1, Purpose::Images), 0).unwrap();

    set(TenantLimits { jobs: 1, keys: 1, ..LIMITS });
    let job = sample.job();
    assert_eq!(kind(store.begin_upload(caller, &of_bytes(1, Purpose::Key), 0)), RefusalKind::OverLimit);
    let upload = sample.upload(caller, "images.ct", Purpose::Images, usize::MAX);
    let second = NewJob { program: sample.program.clone(), upload, key: job.key };
    // Also one that has ended counts, until it is deleted.
    store.cancel_job(caller, &job.id).unwrap();
    assert_eq!(kind(store.create_job(caller, &second)), RefusalKind::OverLimit);
    let usage = store.account(caller).unwrap().usage;
    assert_eq!((usage.jobs, usage.jobs_limit, usage.active_jobs, usage.keys, usage.keys_limit), (1, 1, 0, 1, 1));
    store.delete_job(caller, &job.id).unwrap();
    store.create_job(caller, &second).unwrap();
}

fn begun_uploads_share_the_disk_that_there_is(database: Database) {
    let sample = Sample::on(database);
    for tenant in ["clinic", "rival"] {
        sample.store.set_tenant(tenant, TenantLimits { stored_bytes: u64::MAX >> 1, ..LIMITS }).unwrap();
    }
    // Not so exact that others who write on this disk make a difference.
    let most = of_bytes(sample.store.free_bytes().unwrap() / 5 * 3, Purpose::Images);
    let first = sample.store.begin_upload(&sample.caller, &most, 0).unwrap();
    assert_eq!(kind(sample.store.begin_upload(&sample.other, &most, 0)), RefusalKind::DiskFull, "promised twice");
    // Another server on the same store knows of it, too.
    let elsewhere = sample.another_store();
    assert_eq!(kind(elsewhere.begin_upload(&sample.other, &most, 0)), RefusalKind::DiskFull);
    sample.store.delete_upload(&sample.caller, &first).unwrap();
    let second = sample.store.begin_upload(&sample.other, &most, 0).unwrap();
    sample.store.delete_upload(&sample.other, &second).unwrap();
    assert_eq!(
        kind(sample.store.begin_upload(&sample.other, &most, most.length)),
        RefusalKind::DiskFull,
        "the reserve"
    );
}

/// Sends a request over a connection that stays, and gives the first line of the answer.
fn over(stream: &mut TcpStream, path: &str, token: &str) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    first.trim_end().to_owned()
}

fn a_tenant_has_so_many_connections_and_others_have_theirs(database: Database) {
    let sample = Sample::on(database);
    let server = Running::new(&sample, Settings { tenant_connections: 2, ..settings() });
    let connect = || TcpStream::connect(server.address).unwrap();
    let mut all = [connect(), connect(), connect()];
    assert_eq!(over(&mut all[0], "/v1/account", &sample.token), "HTTP/1.1 200 OK");
    assert_eq!(over(&mut all[1], "/v1/account", &sample.token), "HTTP/1.1 200 OK");
    assert_eq!(over(&mut all[0], "/v1/account", &sample.token), "HTTP/1.1 200 OK", "the same connection once more");
    assert_eq!(over(&mut all[2], "/v1/account", &sample.token), "HTTP/1.1 429 Too Many Requests");
    let mut rest = Vec::new();
    // It is closed, and not kept to be tried again.
    let _ = all[2].read_to_end(&mut rest);
    assert_eq!(server.request("GET", "/v1/account", Some(&sample.other_token)).0, 200);
    let [first, ..] = all;
    drop(first);
    let started = Instant::now();
    while server.request("GET", "/v1/account", Some(&sample.token)).0 != 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "a connection that ended counts still");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn a_tenant_follows_so_many_jobs_at_a_time(database: Database) {
    let sample = Sample::on(database);
    let server = Running::new(&sample, Settings { tenant_streams: 1, ..settings() });
    let job = sample.job();
    let path = format!("/v1/jobs/{}/events", job.id);
    let mut stream = TcpStream::connect(server.address).unwrap();
    assert_eq!(over(&mut stream, &path, &sample.token), "HTTP/1.1 200 OK");
    let (status, body) = server.request("GET", &path, Some(&sample.token));
    assert_eq!((status, problem(&body).short_kind()), (429, "too-many"));
    drop(stream);
    sample.store.cancel_job(&sample.caller, &job.id).unwrap();
    let started = Instant::now();
    while server.request("GET", &path, Some(&sample.token)).0 != 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "a stream that ended counts still");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn a_key_that_is_deleted_must_be_sent_again_by_whoever_resumes_it(database: Database) {
    let sample = Sample::on(database);
    let (store, caller) = (&sample.store, &sample.caller);
    let id = sample.upload(caller, "evaluation.key", Purpose::Key, usize::MAX);
    assert!(store.upload(caller, &id).unwrap().complete);
    store.delete_key(caller, &Digest::of(&bytes("evaluation.key"))).unwrap();
    assert_eq!(kind(store.upload(caller, &id)), RefusalKind::NotFound);
}
