//! A server and workers in this process, and requests to them by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use beaa_protocol::Problem;
use beaa_server::settings::Settings;
use beaa_server::worker::{Work, work};
use beaa_server::{Service, serve};
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::kit::Sample;

/// A server in this process.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    pub(crate) agent: Agent,
}

/// On a port of its own, with a disk that may be nearly full.
pub(crate) fn settings() -> Settings {
    Settings { listen: "127.0.0.1:0".to_owned(), disk_reserve_bytes: 1 << 20, ..Settings::default() }
}

impl Running {
    pub(crate) fn new(sample: &Sample, settings: Settings) -> Self {
        let (stop, store) = (Arc::new(AtomicBool::new(false)), Arc::clone(&sample.store));
        let (tell, told) = channel();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let stop = move || stopped.load(Ordering::Relaxed);
            serve(Service { store, settings }, stop, move |address| tell.send(address).unwrap()).unwrap();
        });
        let address = told.recv_timeout(Duration::from_secs(20)).unwrap();
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        Self { address, stop, thread: Some(thread), agent }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, token: &str, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let request = self.agent.get(self.url(path)).header("authorization", format!("Bearer {token}"));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).call().unwrap()
    }

    /// Sends a request by hand, and gives status and body.
    pub(crate) fn raw(&self, text: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer}")).parse().unwrap();
        (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
    }

    pub(crate) fn request(&self, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
        let token = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\ntus-resumable: 1.0.0\r\n\
             {token}\r\n"
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A worker in this process, until it is dropped.
pub(crate) struct Worker(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Worker {
    pub(crate) fn new(sample: &Sample) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let job = Work { store: Arc::clone(&sample.store), lease_ms: 5000, stop: Arc::clone(&stop), card: None };
        Self(stop, Some(std::thread::spawn(move || work(&job).unwrap())))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().unwrap().join().unwrap();
    }
}

pub(crate) fn problem(body: &str) -> Problem {
    let problem: Problem = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert!(!problem.remedy.is_empty() && !problem.title.is_empty() && problem.request.is_some(), "{problem:?}");
    problem
}

pub(crate) fn parsed<T: serde::de::DeserializeOwned>(mut response: Response<Body>) -> T {
    let text = response.body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
