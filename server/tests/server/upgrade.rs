//! A store that an older version left is opened, and what waited in it goes on.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::kit::{Sample, append, bytes, chunk, whole};
use crate::running::Worker;
use beaa_protocol::{Digest, Id, JobState, Scope};
use beaa_server::store::{NewToken, Store};

/// As far as the upload had come.
const RECEIVED: usize = 50_000;

/// Makes the folder of a store of schema 1, whose second job is being run by nobody any more; its
/// files are those of `sample`, which has the same program.
fn older_store(folder: &Path, sample: &Sample) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schema-1.sql");
    std::fs::create_dir_all(folder.join("uploads")).unwrap();
    let database = rusqlite::Connection::open(folder.join("beaa.sqlite")).unwrap();
    database.execute_batch(&std::fs::read_to_string(data).unwrap()).unwrap();
    let running = "UPDATE jobs SET state = 'running', attempts = 1, worker = 'w', host = 'h', lease_until_ms = 1
                   WHERE seq = 2";
    assert_eq!(database.execute(running, []).unwrap(), 1);
    let mut statement = database.prepare("SELECT lower(hex(sha256)) FROM blobs").unwrap();
    let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for name in names.map(|name| name.unwrap()) {
        let path = folder.join("blobs").join(&name[..2]).join(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let sha256: Digest = name.parse().unwrap();
        std::fs::copy(sample.store.blob(&sha256), path).unwrap();
    }
    let upload: String =
        database.query_row("SELECT lower(hex(id)) FROM uploads WHERE complete = 0", [], |row| row.get(0)).unwrap();
    std::fs::write(folder.join("uploads").join(upload), &bytes("images.ct")[..RECEIVED]).unwrap();
}

#[test]
fn jobs_that_waited_in_an_older_store_are_run_by_the_newer() {
    let mut sample = Sample::new();
    sample.job();
    let folder = sample.folder.path().join("older");
    older_store(&folder, &sample);
    let store = Arc::new(Store::open(&folder).unwrap());
    let new = NewToken { tenant: "clinic", label: "newer", scope: Scope::Submit, lifetime_ms: None };
    let caller = store.caller(&store.add_token(&new).unwrap()).unwrap();
    let jobs = || store.jobs(&caller, None, 10).unwrap().0;
    let states: Vec<JobState> = jobs().iter().map(|job| job.state).collect();
    assert_eq!(states, [JobState::Running, JobState::Queued], "the newest first");
    let usage = store.account(&caller).unwrap().usage;
    assert!(usage.jobs == 2 && usage.jobs_limit >= 1000 && usage.uploads_limit >= 100 && usage.keys == 1, "{usage:?}");

    sample.store = Arc::clone(&store);
    let worker = Worker::new(&sample);
    let started = Instant::now();
    while jobs().iter().any(|job| !job.state.is_final()) {
        assert!(started.elapsed() < Duration::from_secs(120), "{:?}", jobs());
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(worker);
    let done = jobs();
    assert!(done.iter().all(|job| job.state == JobState::Answered), "{done:?}");
    assert_eq!(done[0].answers_sha256, done[1].answers_sha256);
    assert_eq!([done[0].attempts, done[1].attempts], [2, 1]);

    // The upload goes on from where it was.
    let database = rusqlite::Connection::open(folder.join("beaa.sqlite")).unwrap();
    let id: String =
        database.query_row("SELECT lower(hex(id)) FROM uploads WHERE complete = 0", [], |row| row.get(0)).unwrap();
    let (id, all): (Id, _) = (id.parse().unwrap(), bytes("images.ct"));
    let rest = &all[RECEIVED..];
    assert!(append(&store, &caller, &id, &chunk(RECEIVED as u64, rest), whole(rest)).unwrap().complete);
}
