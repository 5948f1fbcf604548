//! The interface over HTTP, as a client that knows nothing but its description sees it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::kit::{Database, Sample, bytes, on_both_databases};
use crate::running::{Running, Worker, parsed, problem, settings};
use base64ct::{Base64, Encoding};
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, JobState, JobView, NewJob, Scope};
use beaa_server::http::{OPENAPI, routes};
use beaa_server::settings::Settings;
use beaa_server::store::NewToken;
use serde_json::Value;

on_both_databases![
    the_description_says_what_bodies_have,
    every_path_wants_a_token_and_says_what_helps,
    other_tenants_get_404_as_for_what_is_not_there,
    a_batch_goes_all_the_way_by_the_interface_alone,
    truncated_too_large_and_foreign_requests_are_refused,
    sixty_four_clients_at_once_all_get_their_answers,
    a_server_that_ends_lets_followers_go,
    pages_for_people_need_nothing_from_elsewhere,
    a_full_disk_is_told_before_anything_is_sent,
    two_servers_on_one_store_are_as_good_as_one,
];

/// A path of the description with names in it.
fn concrete(path: &str) -> String {
    let id = "0fa00102030405060708090a0b0c0dff";
    let key = Digest::of(b"none").to_string();
    path.replace("{job}", id).replace("{upload}", id).replace("{program}", "0").replace("{key}", &key)
}

#[test]
fn the_description_has_all_paths_and_no_others() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(described.insert((method.to_uppercase(), path.clone())));
            assert!(operation["summary"].is_string() && operation["responses"]["default"].is_object(), "{path}");
            let named = path.matches('{').count();
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            assert_eq!(parameters.iter().filter(|p| p["in"] == "path").count(), named, "{method} {path}");
        }
    }
    let served = routes().into_iter().map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(described, served.collect::<BTreeSet<_>>());
    // Every schema that is referred to is there.
    for name in OPENAPI.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}

fn the_description_says_what_bodies_have(database: Database) {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let sample = Sample::on(database);
    let server = Running::new(&sample, settings());
    sample.job();
    let check = |path: &str, schema: &str, part: &str| {
        let body: Value = parsed(server.get(&sample.token, path, &[]));
        let found = if part.is_empty() { body } else { body[part][0].clone() };
        let described = &document["components"]["schemas"][schema];
        let names: BTreeSet<&String> = found.as_object().unwrap().keys().collect();
        let expected: BTreeSet<&String> = described["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, expected, "{path}: {found}");
        let required: BTreeSet<&str> =
            described["required"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        assert_eq!(required, expected.iter().map(|n| n.as_str()).collect(), "{schema}");
    };
    check("/v1/account", "Account", "");
    check("/v1/programs", "ProgramView", "programs");
    check(&format!("/v1/programs/{}", sample.program), "ProgramView", "");
    check("/v1/keys", "KeyView", "keys");
    check("/v1/jobs", "JobView", "jobs");
    check("/v1/jobs", "JobList", "");
}

fn every_path_wants_a_token_and_says_what_helps(database: Database) {
    let sample = Sample::on(database);
    let server = Running::new(&sample, settings());
    let read = NewToken { tenant: "clinic", label: "read", scope: Scope::Read, lifetime_ms: None };
    let read = sample.store.add_token(&read).unwrap();
    let open = ["/", "/page.css", "/page.js", "/healthz", "/readyz", "/v1/openapi.json"];
    for (method, path) in routes() {
        let target = concrete(path);
        let (status, body) = server.request(method, &target, None);
        if open.contains(&path) || method == "OPTIONS" {
            assert!((200..300).contains(&status), "{method} {path}: {status}");
            continue;
        }
        assert_eq!(status, 401, "{method} {path}");
        if method != "HEAD" {
            assert_eq!(problem(&body).kind, "urn:beaa:problem:unauthorised");
        }
        let changes = ["POST", "PATCH", "DELETE"].contains(&method) || path.contains("upload") || path == "/metrics";
        let (status, _) = server.request(method, &target, Some(&read));
        assert_eq!(status == 403, changes, "{method} {path} with a token for reading: {status}");
    }
    let (status, body) = server.request("GET", "/v1/nothing", None);
    assert_eq!((status, problem(&body).short_kind()), (404, "not-found"));
    let (status, body) = server.request("PUT", "/v1/jobs", None);
    assert_eq!((status, problem(&body).short_kind()), (405, "malformed"));
}

fn other_tenants_get_404_as_for_what_is_not_there(database: Database) {
    let sample = Sample::on(database);
    let server = Running::new(&sample, settings());
    let job = sample.job();
    let upload = sample.upload(&sample.caller, "images.ct", Purpose::Images, usize::MAX);
    for (method, path) in routes().into_iter().filter(|(_, path)| path.contains('{') && !path.contains("{program}")) {
        let names = [("{job}", job.id.to_string()), ("{upload}", upload.to_string())];
        let path = names.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id));
        let path = path.replace("{key}", &job.key.unwrap().to_string());
        let headers = "content-type: application/offset+octet-stream\r\nupload-offset: 0\r\n";
        let checksum = Base64::encode_string(Digest::of(b"").bytes());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\ntus-resumable: 1.0.0\r\n\
             {headers}upload-checksum: sha256 {checksum}\r\nauthorization: Bearer {}\r\n\r\n",
            sample.other_token
        );
        assert_eq!(server.raw(&request).0, 404, "{method} {path}");
    }
    assert_eq!(sample.store.job(&sample.caller, &job.id).unwrap().state, JobState::Queued);
    assert_eq!(sample.store.keys(&sample.caller).unwrap().len(), 1);
}

fn a_batch_goes_all_the_way_by_the_interface_alone(database: Database) {
    let sample = Sample::on(database);
    let server = Running::new(&sample, settings());
    let _worker = Worker::new(&sample);
    let auth = format!("Bearer {}", sample.token);
    let upload = |name: &str, purpose: &str| {
        let all = bytes(name);
        let encoded = |text: &str| Base64::encode_string(text.as_bytes());
        let metadata = format!("purpose {},sha256 {}", encoded(purpose), encoded(&Digest::of(&all).to_string()));
        let request = server.agent.post(server.url("/v1/uploads")).header("authorization", &auth);
        let request = request.header("tus-resumable", "1.0.0").header("upload-length", all.len().to_string());
        let begun = request.header("upload-metadata", metadata).send_empty().unwrap();
        assert_eq!(begun.status(), 201);
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        for (k, part) in all.chunks(50_000).enumerate() {
            let checksum = format!("sha256 {}", Base64::encode_string(Digest::of(part).bytes()));
            let request = server.agent.patch(server.url(&location)).header("authorization", &auth);
            let request = request.header("tus-resumable", "1.0.0").header("upload-checksum", checksum);
            let request = request.header("upload-offset", (k * 50_000).to_string());
            let sent = request.header("content-type", "application/offset+octet-stream").send(part).unwrap();
            assert_eq!(sent.status(), 204);
            assert_eq!(sent.headers()["upload-offset"].to_str().unwrap(), (k * 50_000 + part.len()).to_string());
        }
        location.rsplit('/').next().unwrap().parse().unwrap()
    };
    upload("evaluation.key", "key");
    let images = upload("images.ct", "images");
    let key = Some(Digest::of(&bytes("evaluation.key")));
    let new = NewJob { program: sample.program.clone(), upload: images, key };
    let post = || {
        let request = server.agent.post(server.url("/v1/jobs")).header("authorization", &auth);
        request.send(serde_json::to_string(&new).unwrap()).unwrap()
    };
    let created = post();
    assert_eq!(created.status(), 201);
    let job: JobView = parsed(created);
    let again = post();
    assert_eq!(again.status(), 200);
    assert_eq!(parsed::<JobView>(again).id, job.id);

    let events = server.get(&sample.token, &format!("/v1/jobs/{}/events", job.id), &[]);
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let lines = BufReader::new(events.into_body().into_reader()).lines().map(|line| line.unwrap());
    let jobs: Vec<JobView> =
        lines.filter_map(|line| Some(serde_json::from_str(line.strip_prefix("data:")?.trim()).unwrap())).collect();
    let last = jobs.last().unwrap();
    assert_eq!(last.state, JobState::Answered);
    assert!(jobs.windows(2).all(|pair| pair[0].version < pair[1].version));
    assert!(!last.progress.layers.is_empty());

    let path = format!("/v1/jobs/{}/answers", job.id);
    let whole = server.get(&sample.token, &path, &[]).body_mut().read_to_vec().unwrap();
    assert_eq!(Some(Digest::of(&whole)), last.answers_sha256);
    let tag = format!("\"{}\"", last.answers_sha256.unwrap());
    let mut part = server.get(&sample.token, &path, &[("range", "bytes=1000-1999"), ("if-range", &tag)]);
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"].to_str().unwrap(), format!("bytes 1000-1999/{}", whole.len()));
    assert_eq!(part.body_mut().read_to_vec().unwrap(), whole[1000..2000]);
    let mut other = server.get(&sample.token, &path, &[("range", "bytes=1000-1999"), ("if-range", "\"0\"")]);
    assert_eq!((other.status().as_u16(), other.body_mut().read_to_vec().unwrap() == whole), (200, true));
    assert_eq!(server.get(&sample.token, &path, &[("range", "bytes=99999999-")]).status(), 416);

    let delete = server.agent.delete(server.url(&format!("/v1/jobs/{}", job.id))).header("authorization", &auth);
    assert_eq!(delete.call().unwrap().status(), 204);
    assert_eq!(server.get(&sample.token, &path, &[]).status(), 404);
    let metrics = NewToken { tenant: "clinic", label: "metrics", scope: Scope::Metrics, lifetime_ms: None };
    let metrics = sample.store.add_token(&metrics).unwrap();
    let text = server.get(&metrics, "/metrics", &[]).body_mut().read_to_string().unwrap();
    assert!(
        text.contains("beaa_requests_total{method=\"PATCH\",path=\"/v1/uploads/{upload}\",status=\"204\"}"),
        "{text}"
    );
    assert!(!text.contains("clinic") && !text.contains(&job.id.to_string()));
}

fn truncated_too_large_and_foreign_requests_are_refused(database: Database) {
    let sample = Sample::on(database);
    let server = Running::new(&sample, Settings { chunk_bytes: 2048, idle_seconds: 1, ..settings() });
    let all = bytes("images.ct");
    let new =
        beaa_server::store::NewUpload { purpose: Purpose::Images, length: all.len() as u64, sha256: Digest::of(&all) };
    let id = sample.store.begin_upload(&sample.caller, &new, 0).unwrap();
    let head = |length: usize, checksum: &[u8]| {
        format!(
            "PATCH /v1/uploads/{id} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\
             tus-resumable: 1.0.0\r\ncontent-type: application/offset+octet-stream\r\nupload-offset: 0\r\n\
             upload-checksum: sha256 {}\r\nauthorization: Bearer {}\r\n\r\n",
            Base64::encode_string(Digest::of(checksum).bytes()),
            sample.token
        )
    };
    // Half of what was announced, and then silence.
    let (status, body) = server.raw(&(head(100, b"x") + &"a".repeat(50)));
    assert_eq!((status, problem(&body).short_kind()), (408, "too-slow"));
    let (status, body) = server.raw(&(head(2049, b"x") + &"a".repeat(2049)));
    assert_eq!((status, problem(&body).short_kind()), (413, "too-large"));
    let (status, body) = server.raw(&(head(4, b"other") + "some"));
    assert_eq!((status, problem(&body).short_kind()), (460, "wrong-checksum"));
    assert_eq!(sample.store.upload(&sample.caller, &id).unwrap().received, 0);
    let (status, body) = server.raw(&(head(4, b"some").replace("1.0.0", "0.9.0") + "some"));
    assert_eq!((status, problem(&body).short_kind()), (412, "wrong-version"));
    // A head without end is given up.
    let started = Instant::now();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nx: ").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(started.elapsed() < Duration::from_secs(25), "a slow client keeps its connection");
    let auth = format!("Bearer {}", sample.token);
    let post = |body: &str| {
        let request = server.agent.post(server.url("/v1/jobs")).header("authorization", &auth);
        request.send(body).unwrap().status().as_u16()
    };
    for body in ["", "{}", "[1", r#"{"program": "a", "program": "b"}"#, &"x".repeat(70_000)] {
        assert_eq!(post(body), 400, "{}", &body[..body.len().min(40)]);
    }
}

fn sixty_four_clients_at_once_all_get_their_answers(database: Database) {
    let sample = Sample::on(database);
    let settings = Settings { requests_per_second: 10_000, ..settings() };
    let server = Running::new(&sample, settings);
    let _worker = Worker::new(&sample);
    sample.upload(&sample.caller, "evaluation.key", Purpose::Key, usize::MAX);
    let key = Some(Digest::of(&bytes("evaluation.key")));
    let answers: Vec<Digest> = std::thread::scope(|scope| {
        let client = || {
            let upload = sample.upload(&sample.caller, "images.ct", Purpose::Images, 40_000);
            let new = NewJob { program: sample.program.clone(), upload, key };
            let request = server.agent.post(server.url("/v1/jobs"));
            let request = request.header("authorization", format!("Bearer {}", sample.token));
            let job: JobView = parsed(request.send(serde_json::to_string(&new).unwrap()).unwrap());
            let events = server.get(&sample.token, &format!("/v1/jobs/{}/events", job.id), &[]);
            // To the end of the events.
            BufReader::new(events.into_body().into_reader()).lines().for_each(|line| drop(line.unwrap()));
            let path = format!("/v1/jobs/{}/answers", job.id);
            Digest::of(&server.get(&sample.token, &path, &[]).body_mut().read_to_vec().unwrap())
        };
        let clients: Vec<_> = (0..64).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(answers.len(), 64);
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "the same images have the same answers");
    let counts = sample.store.jobs_by_state().unwrap();
    assert!(counts.contains(&(JobState::Answered, 64)), "{counts:?}");
}

fn a_server_that_ends_lets_followers_go(database: Database) {
    let sample = Sample::on(database);
    let server = Running::new(&sample, settings());
    let job = sample.job();
    let events = server.get(&sample.token, &format!("/v1/jobs/{}/events", job.id), &[]);
    server.stop.store(true, Ordering::Relaxed);
    let started = Instant::now();
    let lines = BufReader::new(events.into_body().into_reader()).lines().count();
    assert!(lines > 0 && started.elapsed() < Duration::from_secs(10));
}

fn pages_for_people_need_nothing_from_elsewhere(database: Database) {
    let sample = Sample::on(database);
    let server = Running::new(&sample, settings());
    for (path, kind) in [("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")] {
        let mut response = server.get("", path, &[]);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with(kind));
        assert!(header("content-security-policy").contains("default-src 'none'"));
        let text = response.body_mut().read_to_string().unwrap();
        for foreign in ["http:", "https:", "//cdn", "@import", "url(", "eval(", "innerHTML", " style=", "onclick"] {
            assert!(!text.contains(foreign), "{path}: {foreign}");
        }
    }
    let page = server.get("", "/", &[]).body_mut().read_to_string().unwrap();
    let style = server.get("", "/page.css", &[]).body_mut().read_to_string().unwrap();
    assert!(
        page.contains("lang=\"en\"") && page.contains("name=\"viewport\"") && page.contains("<label for=\"token\"")
    );
    assert!(style.contains("prefers-color-scheme: dark") && style.contains(":focus-visible"));
}

#[test]
fn other_machines_are_not_served_without_tls() {
    let open: SocketAddr = "0.0.0.0:80".parse().unwrap();
    let error = beaa_server::listen::check_plain(open, &settings()).unwrap_err().to_string();
    assert!(error.contains("--certificate"), "{error}");
    let wanted = Settings { plain_http: true, ..settings() };
    beaa_server::listen::check_plain(open, &wanted).unwrap();
    beaa_server::listen::check_plain("127.0.0.1:80".parse().unwrap(), &settings()).unwrap();
}

fn a_full_disk_is_told_before_anything_is_sent(database: Database) {
    let sample = Sample::on(database);
    let server = Running::new(&sample, Settings { disk_reserve_bytes: u64::MAX / 2, ..settings() });
    let (status, body) = server.request("GET", "/readyz", None);
    assert_eq!((status, problem(&body).short_kind()), (503, "not-ready"));
    let encoded = |text: &str| Base64::encode_string(text.as_bytes());
    let (status, body) = server.raw(&format!(
        "POST /v1/uploads HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\ntus-resumable: 1.0.0\r\n\
         upload-length: 1000\r\nupload-metadata: purpose {},sha256 {}\r\nauthorization: Bearer {}\r\n\r\n",
        encoded("images"),
        encoded(&Digest::of(b"x").to_string()),
        sample.token
    ));
    assert_eq!((status, problem(&body).short_kind()), (507, "disk-full"));
}

fn two_servers_on_one_store_are_as_good_as_one(database: Database) {
    let sample = Sample::on(database);
    let mut other = Sample::on(database);
    other.store = Arc::new(sample.another_store());
    let servers = [Running::new(&sample, settings()), Running::new(&other, settings())];
    let all = bytes("images.ct");
    let new =
        beaa_server::store::NewUpload { purpose: Purpose::Images, length: all.len() as u64, sha256: Digest::of(&all) };
    let id = sample.store.begin_upload(&sample.caller, &new, 0).unwrap();
    // Chunk by chunk, now to the one and now to the other.
    for (k, part) in all.chunks(20_000).enumerate() {
        let server = &servers[k % 2];
        let request = server.agent.patch(server.url(&format!("/v1/uploads/{id}")));
        let request = request.header("authorization", format!("Bearer {}", sample.token));
        let request = request.header("tus-resumable", "1.0.0").header("upload-offset", (k * 20_000).to_string());
        let checksum = format!("sha256 {}", Base64::encode_string(Digest::of(part).bytes()));
        let request = request.header("upload-checksum", checksum);
        let sent = request.header("content-type", "application/offset+octet-stream").send(part).unwrap();
        assert_eq!(sent.status(), 204);
    }
    sample.upload(&sample.caller, "evaluation.key", Purpose::Key, usize::MAX);
    let key = Some(Digest::of(&bytes("evaluation.key")));
    let new = serde_json::to_string(&NewJob { program: sample.program.clone(), upload: id, key }).unwrap();
    let jobs: Vec<JobView> = std::thread::scope(|scope| {
        let new = &new;
        let token = &sample.token;
        let post = move |server: &Running| {
            let request = server.agent.post(server.url("/v1/jobs"));
            parsed(request.header("authorization", format!("Bearer {token}")).send(new.as_str()).unwrap())
        };
        let threads: Vec<_> = servers.iter().map(|server| scope.spawn(move || post(server))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(jobs[0].id, jobs[1].id, "both servers were asked for the job at once");
    // Two workers, of which one runs it.
    let _workers = [Worker::new(&sample), Worker::new(&other)];
    let started = Instant::now();
    let state = || sample.store.job(&sample.caller, &jobs[0].id).unwrap();
    while !state().state.is_final() {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((state().state, state().attempts), (JobState::Answered, 1));
}
