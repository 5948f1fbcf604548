//! Entries and files of the store go together, whatever fails between them.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::kit::{Database, LIMITS, Sample, append, bytes, chunk, file, kind, on_both_databases, whole};
use crate::running::Worker;
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, JobState, Scope};
use beaa_server::RefusalKind;
use beaa_server::store::{NewToken, NewUpload, Store};

on_both_databases![
    a_deletion_that_is_not_committed_removes_no_file,
    entries_that_nothing_names_are_swept_with_their_files,
    publishing_again_brings_back_what_is_missing_or_damaged,
    a_full_disk_amid_a_chunk_costs_nothing_but_the_chunk,
    refusals_of_files_name_no_path_of_the_server,
    a_job_whose_key_is_missing_on_the_disk_fails_and_names_no_path,
];

fn blobs(sample: &Sample) -> i64 {
    sample.count("SELECT count(*) FROM blobs")
}

fn a_deletion_that_is_not_committed_removes_no_file(database: Database) {
    let sample = Sample::on(database);
    let (store, caller, job) = (&sample.store, &sample.caller, sample.job());
    store.cancel_job(caller, &job.id).unwrap();
    let upload = sample.upload(&sample.other, "images.ct", Purpose::Images, usize::MAX);
    store.delete_upload(&sample.other, &upload).unwrap();
    let (images, key) = (store.blob(&job.images_sha256), store.blob(&job.key.unwrap()));
    // What makes each transaction fail at its very end, where a crash would.
    let bytes = sample.word("BLOB", "BYTEA");
    sample.sql(&format!("CREATE TABLE stop (sha256 {bytes} REFERENCES blobs(sha256) DEFERRABLE INITIALLY DEFERRED)"));
    sample.sql("INSERT INTO stop SELECT sha256 FROM blobs");
    assert!(store.delete_job(caller, &job.id).is_err());
    assert!(images.exists(), "the job is there, and its images are gone");
    assert_eq!(store.job(caller, &job.id).unwrap().state, JobState::Cancelled);
    assert!(store.delete_key(caller, &job.key.unwrap()).is_err());
    assert!(key.exists() && store.keys(caller).unwrap().len() == 1);
    sample.sql("DROP TABLE stop");
    store.delete_job(caller, &job.id).unwrap();
    store.delete_key(caller, &job.key.unwrap()).unwrap();
    assert!(!images.exists() && !key.exists());
}

fn entries_that_nothing_names_are_swept_with_their_files(database: Database) {
    let sample = Sample::on(database);
    let job = sample.job();
    let noted = blobs(&sample);
    let stray = Digest::of(b"stray");
    let path = sample.store.blob(&stray);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, b"stray").unwrap();
    let old = SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
    sample.sql(&format!("INSERT INTO blobs (sha256, bytes) VALUES ({}, 5)", sample.literal(&stray)));
    assert_eq!(sample.store.sweep(i64::MAX / 2).unwrap(), 1);
    assert!(!path.exists());
    assert_eq!(blobs(&sample), noted, "the entry, and no other");
    assert!(sample.store.blob(&job.images_sha256).exists());
}

fn publishing_again_brings_back_what_is_missing_or_damaged(database: Database) {
    let sample = Sample::on(database);
    let stored = sample.store.program(&sample.program).unwrap();
    let good = bytes("program.beaa");
    for damage in [None, Some(&b"short"[..]), Some(&vec![0; good.len()][..])] {
        let paths = [&stored.file, &stored.signature].map(|sha256| sample.store.blob(sha256));
        for path in &paths {
            std::fs::remove_file(path).unwrap();
            if let Some(bytes) = damage {
                std::fs::write(path, bytes).unwrap();
            }
        }
        sample.store.publish(&file("program.beaa")).unwrap();
        assert!(std::fs::read(&paths[0]).unwrap() == good, "{damage:?}");
        assert_eq!(Digest::of(&std::fs::read(&paths[1]).unwrap()), stored.signature);
    }
    // An entry that names another file gets the right one, and the other is forgotten.
    let before = blobs(&sample);
    let lost = Digest::of(b"lost");
    sample.sql(&format!("INSERT INTO blobs (sha256, bytes) VALUES ({}, 4)", sample.literal(&lost)));
    sample.sql(&format!("UPDATE programs SET file = {}", sample.literal(&lost)));
    sample.store.publish(&file("program.beaa")).unwrap();
    assert_eq!(sample.store.program(&sample.program).unwrap().file, stored.file);
    assert_eq!(blobs(&sample), before);
}

fn a_full_disk_amid_a_chunk_costs_nothing_but_the_chunk(database: Database) {
    let sample = Sample::on(database);
    let (store, caller) = (&sample.store, &sample.caller);
    let all = bytes("images.ct");
    let new = NewUpload { purpose: Purpose::Images, length: all.len() as u64, sha256: Digest::of(&all) };
    let id = store.begin_upload(caller, &new, 0).unwrap();
    // A device that takes no byte, as a full disk does.
    let path = store.folder().join("uploads").join(id.to_string());
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let full = append(store, caller, &id, &chunk(0, &all), whole(&all));
    assert_eq!(kind(full), RefusalKind::DiskFull);
    assert_eq!(store.upload(caller, &id).unwrap().received, 0);
    // Then there is space again.
    std::fs::remove_file(&path).unwrap();
    assert!(append(store, caller, &id, &chunk(0, &all), whole(&all)).unwrap().complete);
}

fn refusals_of_files_name_no_path_of_the_server(database: Database) {
    let sample = Sample::on(database);
    for name in ["secret.key", "images.ct", "program.beaa", "answers.ct", "model.safetensors"] {
        for purpose in [Purpose::Key, Purpose::Images] {
            if (name, purpose) == ("images.ct", Purpose::Images) {
                continue;
            }
            let all = bytes(name);
            let new = NewUpload { purpose, length: all.len() as u64, sha256: Digest::of(&all) };
            let id = sample.store.begin_upload(&sample.caller, &new, 0).unwrap();
            let refused = append(&sample.store, &sample.caller, &id, &chunk(0, &all), whole(&all));
            let said = refused.unwrap_err().to_string();
            let folder = sample.folder.path().to_str().unwrap();
            assert!(said.contains("expected") && !said.contains(folder), "{name}: {said}");
        }
    }
}

fn a_job_whose_key_is_missing_on_the_disk_fails_and_names_no_path(database: Database) {
    let sample = Sample::on(database);
    let job = sample.job();
    std::fs::remove_file(sample.store.blob(&job.key.unwrap())).unwrap();
    let worker = Worker::new(&sample);
    let started = Instant::now();
    let state = || sample.store.job(&sample.caller, &job.id).unwrap();
    while !state().state.is_final() {
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", state());
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(worker);
    let problem = state().problem.unwrap();
    assert!(problem.remedy.contains("the store lacks a file"), "{problem:?}");
    assert!(!problem.detail.contains(sample.folder.path().to_str().unwrap()), "{problem:?}");
}

/// A small file system of its own, until it is dropped.
struct SmallDisk(std::path::PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
#[ignore = "mounts a small file system, which only root may"]
fn a_store_on_a_full_disk_goes_on_when_there_is_space_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk(folder.path().to_path_buf());
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"]).arg(&disk.0).status();
    assert!(mount.unwrap().success(), "run this as root");
    let store = Store::open(&disk.0.join("store")).unwrap();
    store.set_tenant("clinic", LIMITS).unwrap();
    let new = NewToken { tenant: "clinic", label: "first", scope: Scope::Submit, lifetime_ms: None };
    let caller = store.caller(&store.add_token(&new).unwrap()).unwrap();
    let all = bytes("images.ct");
    let new = NewUpload { purpose: Purpose::Images, length: all.len() as u64, sha256: Digest::of(&all) };
    let id = store.begin_upload(&caller, &new, 0).unwrap();
    let half = all.len() / 2;
    append(&store, &caller, &id, &chunk(0, &all[..half]), whole(&all[..half])).unwrap();
    // Somebody else fills the disk but for less than the rest.
    let filler = disk.0.join("filler");
    let others = store.free_bytes().unwrap() - 32_768;
    std::fs::write(&filler, vec![1; usize::try_from(others).unwrap()]).unwrap();
    let rest = || append(&store, &caller, &id, &chunk(half as u64, &all[half..]), whole(&all[half..]));
    assert_eq!(kind(rest()), RefusalKind::DiskFull);
    assert_eq!(store.upload(&caller, &id).unwrap().received, half as u64);
    assert_eq!(kind(store.begin_upload(&caller, &new, 0)), RefusalKind::DiskFull);
    // To the last byte: the database cannot write, either.
    let mut file = std::fs::File::options().append(true).open(&filler).unwrap();
    while file.write_all(&[1; 512]).is_ok() {}
    assert!(rest().is_err());
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    assert!(rest().unwrap().complete);
    assert_eq!(std::fs::read(store.blob(&new.sha256)).unwrap(), all);
}
