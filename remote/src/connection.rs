//! Requests to one server, with its token, and what it says of them.

use std::io::Read;
use std::time::Duration;

use beaa_protocol::{
    Account, Digest, Id, JobList, JobView, KeyList, KeyView, NewJob, Problem, ProgramList, ProgramView,
};
use serde::de::DeserializeOwned;
use ureq::http::{HeaderMap, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};

use crate::{Error, Follower, Login, Result};

/// Most bytes of a body of JSON.
pub(crate) const MOST_JSON: u64 = 8 << 20;
/// Most bytes of a signature.
const MOST_SIGNATURE: u64 = 256 << 20;
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// Pauses between tries: what passes, passes in the sum of them.
const PAUSES: [Duration; 8] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(30),
];

/// A server that is spoken to with a token.
pub struct Connection {
    agent: Agent,
    server: String,
    authorisation: String,
}

impl Connection {
    /// Speaks to a server from now on.
    ///
    /// # Errors
    /// When the certificates of the login are none.
    pub fn new(login: &Login) -> Result<Self> {
        let mut tls = TlsConfig::builder();
        if let Some(text) = &login.authorities {
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates(text)?));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .user_agent("beaa")
            .proxy(if login.may_take_proxy() { Proxy::try_from_env() } else { None })
            .tls_config(tls.build())
            .build();
        Ok(Self { agent: agent.into(), server: login.server.clone(), authorisation: format!("Bearer {}", login.token) })
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Whose token it is, and what is used.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn account(&self) -> Result<Account> {
        self.json("logging in", "/v1/account")
    }

    /// The programs that are published.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn programs(&self) -> Result<Vec<ProgramView>> {
        Ok(self.json::<ProgramList>("listing programs", "/v1/programs")?.programs)
    }

    /// The bytes of a program's signature, which are those of its hash.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached, or the bytes are others.
    pub fn signature(&self, program: &ProgramView) -> Result<Vec<u8>> {
        let operation = "fetching a signature";
        let path = format!("/v1/programs/{}/signature", program.program);
        let mut response = self.get(operation, &path, &[])?;
        let bytes = response.body_mut().with_config().limit(MOST_SIGNATURE).read_to_vec();
        let bytes = bytes.map_err(|error| self.unreachable(operation, &error))?;
        let found = Digest::of(&bytes);
        if found == program.signature {
            return Ok(bytes);
        }
        Err(Error::WrongHash { operation, found: found.to_string(), expected: program.signature.to_string() })
    }

    /// The evaluation keys that the server has.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn keys(&self) -> Result<Vec<KeyView>> {
        Ok(self.json::<KeyList>("listing keys", "/v1/keys")?.keys)
    }

    /// Whether the server has an evaluation key.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses for another reason.
    pub fn has_key(&self, sha256: &Digest) -> Result<bool> {
        match self.json::<KeyView>("looking for a key", &format!("/v1/keys/{sha256}")) {
            Ok(_) => Ok(true),
            Err(error) if error.problem().is_some_and(|p| p.status == 404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Queues a job; the same upload gives the same job.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn create_job(&self, new: &NewJob) -> Result<JobView> {
        let operation = "queueing a job";
        let body = serde_json::to_vec(new).map_err(|error| malformed(operation, error.to_string()))?;
        let request = self.agent.post(self.url("/v1/jobs")).header("authorization", &self.authorisation);
        let sent = request.header("content-type", "application/json").send(&body);
        let mut response = self.good(operation, sent)?;
        self.parsed(operation, &mut response)
    }

    /// A job.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn job(&self, id: &Id) -> Result<JobView> {
        self.json("looking at a job", &format!("/v1/jobs/{id}"))
    }

    /// The newest jobs, at most a hundred.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn jobs(&self) -> Result<JobList> {
        self.json("listing jobs", "/v1/jobs")
    }

    /// Cancels a job.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn cancel(&self, id: &Id) -> Result<JobView> {
        let operation = "cancelling a job";
        let request = self.agent.post(self.url(&format!("/v1/jobs/{id}/cancel")));
        let mut response = self.good(operation, request.header("authorization", &self.authorisation).send_empty())?;
        self.parsed(operation, &mut response)
    }

    /// Deletes a job that has ended, its images and its answers.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn delete_job(&self, id: &Id) -> Result<()> {
        let request = self.agent.delete(self.url(&format!("/v1/jobs/{id}")));
        self.good("deleting a job", request.header("authorization", &self.authorisation).call()).map(|_| ())
    }

    /// Does something again until it succeeds, as long as what fails may pass.
    pub(crate) fn patiently<T>(&self, follower: &dyn Follower, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        for pause in PAUSES {
            match attempt() {
                Err(error) if error.passes() => {
                    follower.again(&error.to_string());
                    std::thread::sleep(pause);
                }
                result => return result,
            }
        }
        attempt()
    }

    pub(crate) fn agent(&self) -> &Agent {
        &self.agent
    }

    pub(crate) fn authorisation(&self) -> &str {
        &self.authorisation
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    /// The response to a request without a body, if it is a good one.
    pub(crate) fn get(
        &self,
        operation: &'static str,
        path: &str,
        headers: &[(&str, String)],
    ) -> Result<Response<Body>> {
        let request = self.agent.get(self.url(path)).header("authorization", &self.authorisation);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        self.good(operation, request.call())
    }

    fn json<T: DeserializeOwned>(&self, operation: &'static str, path: &str) -> Result<T> {
        let mut response = self.get(operation, path, &[])?;
        self.parsed(operation, &mut response)
    }

    pub(crate) fn parsed<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        response: &mut Response<Body>,
    ) -> Result<T> {
        let bytes = response.body_mut().with_config().limit(MOST_JSON).read_to_vec();
        let bytes = bytes.map_err(|error| self.unreachable(operation, &error))?;
        serde_json::from_slice(&bytes).map_err(|error| malformed(operation, error.to_string()))
    }

    /// The response, unless the server refuses or was not there.
    pub(crate) fn good(
        &self,
        operation: &'static str,
        sent: std::result::Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>> {
        let mut response = sent.map_err(|error| self.unreachable(operation, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let mut text = Vec::new();
        let read = response.body_mut().as_reader().take(MOST_JSON).read_to_end(&mut text);
        let problem = read.ok().and_then(|_| serde_json::from_slice::<Problem>(&text).ok());
        // Something in front of the server, or the answer to HEAD, which has no body.
        let problem = problem.unwrap_or_else(|| Problem {
            kind: Problem::full_kind("status"),
            title: "A status without words".to_owned(),
            status,
            detail: format!("found status {status}, expected success"),
            remedy: "see what stands in the server's log".to_owned(),
            request: None,
        });
        Err(Error::Refused { operation, problem: Box::new(Problem { status, ..problem }) })
    }

    pub(crate) fn unreachable(&self, operation: &'static str, error: &dyn std::fmt::Display) -> Error {
        Error::Unreachable { operation, server: self.server.clone(), reason: error.to_string() }
    }
}

/// A number in a header of a response.
pub(crate) fn number(operation: &'static str, headers: &HeaderMap, name: &str) -> Result<u64> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| malformed(operation, format!("no number in the header `{name}`")))
}

pub(crate) fn malformed(operation: &'static str, found: String) -> Error {
    Error::Malformed { operation, found, expected: "what the interface describes" }
}

fn certificates(text: &str) -> Result<Vec<Certificate<'static>>> {
    let operation = "reading the authorities' certificates";
    let mut found = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        match item.map_err(|error| malformed(operation, error.to_string()))? {
            PemItem::Certificate(certificate) => found.push(certificate),
            _ => return Err(malformed(operation, "something that is no certificate".to_owned())),
        }
    }
    if found.is_empty() { Err(malformed(operation, "no certificate".to_owned())) } else { Ok(found) }
}
