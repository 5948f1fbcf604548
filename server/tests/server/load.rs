//! A server under load for a while: nothing is lost or left behind, and how long requests take. Run
//! by hand, on a machine with nothing else to do: BEAA_LOAD_SECONDS=600 (and
//! BEAA_LOAD_DATABASE=postgres, by default SQLite) in the environment, and
//! `cargo test --release --workspace --test server -- --ignored --nocapture sustained`.

use std::io::{BufRead, BufReader};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::kit::{Database, Sample, bytes};
use crate::running::{Running, Worker, parsed, settings};
use base64ct::{Base64, Encoding};
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, JobView, NewJob};
use beaa_server::settings::Settings;

const CLIENTS: usize = 16;
const CHUNK: usize = 40_000;

/// Seconds of requests, by what they were for.
#[derive(Default)]
struct Times(Mutex<Vec<(&'static str, f64)>>);

impl Times {
    fn of<T>(&self, what: &'static str, request: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = request();
        self.0.lock().unwrap().push((what, started.elapsed().as_secs_f64()));
        result
    }

    fn print(&self) {
        let all = self.0.lock().unwrap();
        for what in ["begin", "chunk", "queue", "account", "answers", "delete"] {
            let mut times: Vec<f64> = all.iter().filter(|(name, _)| *name == what).map(|(_, t)| *t).collect();
            times.sort_by(f64::total_cmp);
            let at = |share: f64| 1000.0 * times[((times.len() - 1) as f64 * share).round() as usize];
            println!(
                "{what:8} {:6} requests: median {:.1} ms, 99 % within {:.1} ms, slowest {:.1} ms",
                times.len(),
                at(0.5),
                at(0.99),
                at(1.0)
            );
        }
    }
}

/// Sends images in chunks, queues a job, follows it, fetches its answers, and deletes it.
fn round(server: &Running, sample: &Sample, key: Digest, times: &Times) -> Digest {
    let (all, auth) = (bytes("images.ct"), format!("Bearer {}", sample.token));
    let encoded = |text: &str| Base64::encode_string(text.as_bytes());
    let metadata = format!("purpose {},sha256 {}", encoded("images"), encoded(&Digest::of(&all).to_string()));
    let begun = times.of("begin", || {
        let request = server.agent.post(server.url("/v1/uploads")).header("authorization", &auth);
        let request = request.header("tus-resumable", "1.0.0").header("upload-length", all.len().to_string());
        request.header("upload-metadata", metadata).send_empty().unwrap()
    });
    assert_eq!(begun.status(), 201);
    let location = begun.headers()["location"].to_str().unwrap().to_owned();
    for (k, part) in all.chunks(CHUNK).enumerate() {
        let checksum = format!("sha256 {}", Base64::encode_string(Digest::of(part).bytes()));
        let sent = times.of("chunk", || {
            let request = server.agent.patch(server.url(&location)).header("authorization", &auth);
            let request = request.header("tus-resumable", "1.0.0").header("upload-checksum", checksum);
            let request = request.header("upload-offset", (k * CHUNK).to_string());
            request.header("content-type", "application/offset+octet-stream").send(part).unwrap()
        });
        assert_eq!(sent.status(), 204);
    }
    let upload = location.rsplit('/').next().unwrap().parse().unwrap();
    let new = serde_json::to_string(&NewJob { program: sample.program.clone(), upload, key: Some(key) }).unwrap();
    let post = || server.agent.post(server.url("/v1/jobs")).header("authorization", &auth).send(&new).unwrap();
    let job: JobView = parsed(times.of("queue", post));
    let path = format!("/v1/jobs/{}", job.id);
    let events = server.get(&sample.token, &format!("{path}/events"), &[]);
    BufReader::new(events.into_body().into_reader()).lines().for_each(|line| drop(line.unwrap()));
    times.of("account", || assert_eq!(server.get(&sample.token, "/v1/account", &[]).status(), 200));
    let answers = times
        .of("answers", || server.get(&sample.token, &format!("{path}/answers"), &[]).body_mut().read_to_vec().unwrap());
    let delete = || server.agent.delete(server.url(&path)).header("authorization", &auth).call().unwrap();
    assert_eq!(times.of("delete", delete).status(), 204);
    Digest::of(&answers)
}

/// Kilobytes of memory of this process, in which server, worker and clients are.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
#[ignore = "takes as long as BEAA_LOAD_SECONDS says, 60 seconds without it"]
fn sustained_load_loses_nothing_and_leaves_nothing() {
    let seconds = std::env::var("BEAA_LOAD_SECONDS").map_or(60, |text| text.parse().unwrap());
    let database = match std::env::var("BEAA_LOAD_DATABASE").as_deref() {
        Err(_) => Database::Sqlite,
        Ok("postgres") => Database::Postgres,
        Ok(other) => panic!("BEAA_LOAD_DATABASE: found {other}, expected postgres or nothing"),
    };
    let sample = Sample::on(database);
    let published = sample.blobs();
    let server = Running::new(&sample, Settings { requests_per_second: 100_000, ..settings() });
    let worker = Worker::new(&sample);
    sample.upload(&sample.caller, "evaluation.key", Purpose::Key, usize::MAX);
    let (key, times) = (Digest::of(&bytes("evaluation.key")), Times::default());
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let expected = round(&server, &sample, key, &Times::default());
    let (rounds, half) = std::thread::scope(|scope| {
        let half = scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(seconds / 2));
            resident_kb()
        });
        let client = || {
            let mut rounds = 0;
            while Instant::now() < until {
                assert_eq!(round(&server, &sample, key, &times), expected, "other answers to the same images");
                rounds += 1;
            }
            rounds
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let rounds: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        (rounds, half.join().unwrap())
    });
    let took = started.elapsed().as_secs_f64();
    println!("{CLIENTS} clients, {took:.0} s: {rounds} jobs, {:.1} jobs a second", rounds as f64 / took);
    times.print();
    println!("memory: {half} kB after half of the time, {} kB after the last job", resident_kb());
    assert!(rounds > 0);
    drop(worker);
    assert!(sample.store.jobs_by_state().unwrap().iter().all(|(_, count)| *count == 0), "jobs that were deleted");
    assert_eq!(sample.blobs(), published + 1, "files of jobs that were deleted");
    assert_eq!(std::fs::read_dir(sample.store.folder().join("uploads")).unwrap().count(), 0);
    let usage = sample.store.account(&sample.caller).unwrap().usage;
    assert_eq!((usage.jobs, usage.active_jobs, usage.keys), (0, 0, 1));
}
