//! Clients that send nothing, or take nothing: what they keep from others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::kit::{LIMITS, Sample};
use crate::running::{Running, problem, settings};
use base64ct::{Base64, Encoding};
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, Id, ProgressView};
use beaa_server::settings::Settings;
use beaa_server::store::{NewUpload, WorkerId};

/// More than the threads that a server has for waiting.
const MANY: usize = 80;

fn begun(sample: &Sample, length: u64) -> Id {
    let new = NewUpload { purpose: Purpose::Images, length, sha256: Digest::of(b"x") };
    sample.store.begin_upload(&sample.caller, &new, 0).unwrap()
}

fn patch(sample: &Sample, id: &Id, length: u64) -> String {
    format!(
        "PATCH /v1/uploads/{id} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\ntus-resumable: 1.0.0\r\n\
         content-type: application/offset+octet-stream\r\nupload-offset: 0\r\nupload-checksum: sha256 {}\r\n\
         authorization: Bearer {}\r\n\r\n",
        Base64::encode_string(Digest::of(b"x").bytes()),
        sample.token
    )
}

#[test]
fn clients_that_send_nothing_keep_nobody_waiting() {
    let sample = Sample::new();
    // Longer than a request by hand waits for its answer.
    let server = Running::new(&sample, Settings { idle_seconds: 120, requests_per_second: 10_000, ..settings() });
    let length = 1 << 20;
    let mut slow: Vec<(Id, TcpStream)> = Vec::new();
    for _ in 0..MANY {
        let id = begun(&sample, length);
        let mut stream = TcpStream::connect(server.address).unwrap();
        // Enough that it is written, and then silence.
        stream.write_all((patch(&sample, &id, length) + &"a".repeat(200_000)).as_bytes()).unwrap();
        slow.push((id, stream));
    }
    // All of them are at work: others cannot add to their uploads.
    let path = |id: &Id| sample.store.folder().join("uploads").join(id.to_string());
    let started = Instant::now();
    while !slow.iter().all(|(id, _)| path(id).metadata().is_ok_and(|m| m.len() > 0)) {
        assert!(started.elapsed() < Duration::from_secs(60), "some wait for others");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (status, body) = server.request("GET", "/v1/account", Some(&sample.token));
    assert_eq!(status, 200, "{body}");
    // What they sent does not count when they are gone.
    let ids: Vec<Id> = slow.iter().map(|(id, _)| *id).collect();
    drop(slow);
    while ids.iter().any(|id| path(id).metadata().is_ok_and(|m| m.len() > 0)) {
        assert!(started.elapsed() < Duration::from_secs(120), "bytes of clients that are gone");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(ids.iter().all(|id| sample.store.upload(&sample.caller, id).unwrap().received == 0));
}

/// A job whose answers are so many bytes, far more than sockets hold.
fn answered(sample: &Sample, bytes: usize) -> Id {
    sample.store.set_tenant("clinic", LIMITS).unwrap();
    let job = sample.job();
    let worker = WorkerId { name: "w".to_owned(), host: "here".to_owned() };
    let candidate = sample.store.candidate(0, u64::MAX >> 1).unwrap().unwrap();
    let lease = sample.store.lease(&candidate, &worker, [1000, u64::MAX >> 1], [0, 30_000]).unwrap().unwrap();
    let file = sample.store.answers_in_work(&lease);
    std::fs::write(&file, vec![7; bytes]).unwrap();
    assert!(sample.store.answer(&lease, &file, &ProgressView::default(), None, 1).unwrap());
    job.id
}

#[test]
fn who_takes_no_answers_is_given_up() {
    let sample = Sample::new();
    let bytes = 64 << 20;
    let job = answered(&sample, bytes);
    let server = Running::new(&sample, Settings { idle_seconds: 1, tenant_connections: 1, ..settings() });
    let get =
        format!("GET /v1/jobs/{job}/answers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", sample.token);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(get.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // The connection is the tenant's only one until the server has given it up.
    let started = Instant::now();
    let mut refused = 0;
    loop {
        match server.request("GET", "/v1/account", Some(&sample.token)) {
            (200, _) => break,
            (status, body) => assert_eq!((status, problem(&body).short_kind()), (429, "too-many-connections")),
        }
        refused += 1;
        assert!(started.elapsed() < Duration::from_secs(60), "the slow reader keeps its connection");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(refused > 0, "the connection counted");
    // What the sockets held is all that comes.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < bytes, "{} bytes", rest.len());
    // Who takes them gets them all.
    let path = format!("/v1/jobs/{job}/answers");
    let whole =
        server.get(&sample.token, &path, &[]).into_body().into_with_config().limit(1 << 30).read_to_vec().unwrap();
    assert_eq!(whole.len(), bytes);
}
