//! The client's side against a server in this process: what goes on after what.

use std::cell::RefCell;
use std::fs::File;

use crate::kit::{Sample, bytes, file};
use crate::running::{Running, settings};
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, Id, JobState, JobView};
use beaa_remote::{Connection, FileToSend, Follower, JobFolder, JobRecord, Login};

/// Lets a lock go when the client is told to try again.
#[derive(Default)]
struct Releasing(RefCell<Option<File>>, RefCell<Vec<String>>);

impl Follower for Releasing {
    fn moved(&self, _what: &str, _bytes: u64, _all: u64) {}
    fn job(&self, _job: &JobView) {}
    fn again(&self, why: &str) {
        self.1.borrow_mut().push(why.to_owned());
        drop(self.0.borrow_mut().take());
    }
}

fn connection(server: &Running, sample: &Sample) -> Connection {
    Connection::new(&Login::new(&server.url(""), &sample.token, None, false).unwrap()).unwrap()
}

/// A folder with encrypted images, and notes of an upload of the key.
fn noted(sample: &Sample, server: &Running, name: &str, key_upload: Option<Id>) -> JobFolder {
    let path = sample.folder.path().join(name);
    std::fs::create_dir(&path).unwrap();
    let folder = JobFolder::new(&path);
    std::fs::copy(file("images.ct"), folder.images()).unwrap();
    let record = JobRecord {
        server: server.url(""),
        program: sample.program.clone(),
        key: Some(file("evaluation.key")),
        key_upload,
        upload: None,
        job: None,
    };
    folder.note(&record).unwrap();
    folder
}

#[test]
fn a_key_that_was_deleted_on_the_server_is_sent_again() {
    let sample = Sample::new();
    let server = Running::new(&sample, settings());
    let connection = connection(&server, &sample);
    let key = Digest::of(&bytes("evaluation.key"));
    let upload = sample.upload(&sample.caller, "evaluation.key", Purpose::Key, usize::MAX);
    // As an older server leaves it: the key is deleted, and its upload is complete still.
    let database = rusqlite::Connection::open(sample.store.folder().join("beaa.sqlite")).unwrap();
    assert_eq!(database.execute("DELETE FROM keys", []).unwrap(), 1);
    let follower = Releasing::default();
    let folder = noted(&sample, &server, "older", Some(upload));
    assert_eq!(folder.queue(&connection, &follower).unwrap().state, JobState::Queued);
    // As this one does.
    let job = folder.queue(&connection, &follower).unwrap();
    sample.store.cancel_job(&sample.caller, &job.id).unwrap();
    sample.store.delete_key(&sample.caller, &key).unwrap();
    let resumed = noted(&sample, &server, "newer", folder.record().unwrap().unwrap().key_upload);
    assert_eq!(resumed.queue(&connection, &follower).unwrap().key, Some(key));
}

#[test]
fn a_client_waits_while_its_file_is_checked() {
    let sample = Sample::new();
    let server = Running::new(&sample, settings());
    let connection = connection(&server, &sample);
    let all = bytes("images.ct");
    let path = file("images.ct");
    let to_send = FileToSend { path: &path, purpose: Purpose::Images, sha256: Digest::of(&all) };
    let id = connection.begin_upload(&to_send).unwrap();
    // All bytes are there, and another server checks them.
    let on_server = sample.store.folder().join("uploads").join(id.to_string());
    std::fs::write(&on_server, &all).unwrap();
    let database = rusqlite::Connection::open(sample.store.folder().join("beaa.sqlite")).unwrap();
    database.execute("UPDATE uploads SET received = length", []).unwrap();
    let lock = File::open(&on_server).unwrap();
    lock.try_lock().unwrap();
    let follower = Releasing(RefCell::new(Some(lock)), RefCell::default());
    connection.send(&to_send, &id, &follower).unwrap();
    let said = follower.1.into_inner();
    assert!(said.len() == 1 && said[0].contains("423"), "{said:?}");
    assert!(sample.store.upload(&sample.caller, &id).unwrap().complete);
}
