//! What a server that means ill can say to its clients, and how far it comes.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use beaa_protocol::{Digest, Id, JobState, JobView, ProgressView};
use beaa_remote::{Connection, Error, Follower, Login};

/// Hears of everything, and counts it.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Follower for Counting {
    fn moved(&self, _what: &str, _bytes: u64, _all: u64) {}
    fn job(&self, _job: &JobView) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn again(&self, _why: &str) {}
}

fn id(last: u8) -> Id {
    let mut bytes = [0; 16];
    bytes[15] = last;
    Id::from_bytes(bytes)
}

fn job(id: Id, state: JobState, version: i64, answers: Option<u64>) -> JobView {
    JobView {
        id,
        state,
        version,
        program: "0".to_owned(),
        key: None,
        images_sha256: Digest::of(b""),
        images: 1,
        images_bytes: 1,
        attempts: 1,
        progress: ProgressView::default(),
        planned_bytes: None,
        answers_sha256: answers.map(|_| Digest::of(b"answers")),
        answers_bytes: answers,
        problem: None,
        created_ms: 0,
        started_ms: None,
        finished_ms: None,
    }
}

fn text(job: &JobView) -> String {
    serde_json::to_string(job).unwrap()
}

/// A server that answers each request by `answer`, one to a connection, and a client of it.
fn client(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Connection {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let Some(first) = lines.next() else { continue };
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            answer(first.split(' ').nth(1).unwrap(), &mut stream);
        }
    });
    Connection::new(&Login::new(&format!("http://{address}"), "beaa_x", None, false).unwrap()).unwrap()
}

fn json(stream: &mut TcpStream, body: &str) {
    let length = body.len();
    // The client may be gone already.
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
}

/// Sends a stream of events: each piece as often as it says.
fn events(stream: &mut TcpStream, pieces: &[(&str, usize)]) {
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n");
    for (piece, times) in pieces {
        for _ in 0..*times {
            if stream.write_all(piece.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// Follows a job whose events are `pieces`; after them, the server says that it is answered.
fn follow(pieces: Vec<(String, usize)>) -> (Result<JobView, Error>, usize) {
    let looks = AtomicUsize::new(0);
    let connection = client(move |path, stream| {
        if path.ends_with("/events") {
            let pieces: Vec<(&str, usize)> = pieces.iter().map(|(piece, times)| (piece.as_str(), *times)).collect();
            return events(stream, &pieces);
        }
        let state = if looks.fetch_add(1, Ordering::Relaxed) == 0 { JobState::Running } else { JobState::Answered };
        json(stream, &text(&job(id(1), state, 1, None)));
    });
    let follower = Counting::default();
    let followed = connection.follow(&id(1), &follower);
    (followed, follower.0.into_inner())
}

#[test]
fn an_event_without_end_is_not_collected() {
    let line = format!("data: {}\n", "x".repeat(1 << 20));
    let (followed, _) = follow(vec![(line, 64)]);
    let said = followed.unwrap_err().to_string();
    assert!(said.contains("an event without end"), "{said}");
}

#[test]
fn an_event_of_another_job_is_refused() {
    let other = format!("data: {}\n\n", text(&job(id(2), JobState::Running, 5, None)));
    let (followed, _) = follow(vec![(other, 1)]);
    let said = followed.unwrap_err().to_string();
    assert!(said.contains("an event of job 00000000000000000000000000000002"), "{said}");
}

#[test]
fn what_is_known_is_told_once_however_often_it_comes() {
    let news = |version| format!("data: {}\n\n", text(&job(id(1), JobState::Running, version, None)));
    let (followed, told) = follow(vec![(news(2), 1000), (news(1), 1000), (news(3), 1)]);
    assert_eq!(followed.unwrap().state, JobState::Answered);
    // The first look, versions 2 and 3, and the last look.
    assert_eq!(told, 4);
}

#[test]
fn answers_larger_than_there_can_be_are_not_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.ct");
    let connection = client(|_, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1152921504606846976\r\n\r\n");
        while stream.write_all(&[0; 4096]).is_ok() {}
    });
    let answered = job(id(1), JobState::Answered, 9, Some(1 << 60));
    let refused = connection.download(&answered, &path, 1000, &Counting::default());
    assert!(matches!(refused, Err(Error::TooLarge { most: 1000, .. })), "{refused:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
