//! Bodies of requests and responses.

use serde::{Deserialize, Serialize};

use crate::{Digest, Id, Problem};

/// The states of a job. A job begins in [`Queued`](Self::Queued).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for a worker.
    Queued,
    /// A worker has a lease on it.
    Running,
    /// Its answers can be downloaded.
    Answered,
    /// It cannot be run; its problem says why.
    Failed,
    /// The client wants it no more.
    Cancelled,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Answered, Self::Failed, Self::Cancelled];

    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing more happens to the job.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Answered | Self::Failed | Self::Cancelled)
    }
}

/// What a bearer token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything that a tenant does.
    Submit,
    /// Looking and downloading.
    Read,
    /// The server's figures, of no tenant in particular.
    Metrics,
}

impl Scope {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Metrics => "metrics",
        }
    }

    /// The scope of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Submit, Self::Read, Self::Metrics].into_iter().find(|scope| scope.name() == name)
    }
}

/// Who a token belongs to, what it allows, and what is used of the limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// The tenant's name.
    pub tenant: String,
    /// What the token allows.
    pub scope: Scope,
    /// What the tenant uses and may use.
    pub usage: Usage,
}

/// What a tenant uses, and the most that it may use.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of keys, uploads and answers.
    pub stored_bytes: u64,
    /// The most of them.
    pub stored_bytes_limit: u64,
    /// Jobs that are queued or running.
    pub active_jobs: u64,
    /// The most of them.
    pub active_jobs_limit: u64,
    /// Jobs in any state, until they are deleted.
    pub jobs: u64,
    /// The most of them.
    pub jobs_limit: u64,
    /// Uploads that no job has.
    pub uploads: u64,
    /// The most of them.
    pub uploads_limit: u64,
    /// Evaluation keys.
    pub keys: u64,
    /// The most of them.
    pub keys_limit: u64,
}

/// A program that the operator published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgramView {
    /// Its fingerprint, which ciphertexts name.
    pub program: String,
    /// The name of the model.
    pub name: String,
    /// SHA-256 of its signature file.
    pub signature: Digest,
    /// Shape of an image: channels, rows, columns.
    pub shape: Vec<usize>,
    /// Names of the classes; empty if they have none.
    pub classes: Vec<String>,
    /// Images of one batch.
    pub slots: usize,
    /// Promised bits of security.
    pub security_bits: u32,
    /// Logarithm of the modulus with the special primes.
    pub log2_qp: f64,
    /// Whether a job needs an evaluation key.
    pub needs_key: bool,
    /// Largest error of an output that the program promises, as a deviation; older programs do not
    /// say.
    pub output_error: Option<f64>,
    /// When it was published, in milliseconds since 1970.
    pub published_ms: i64,
}

/// All programs that are published.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProgramList {
    /// By name.
    pub programs: Vec<ProgramView>,
}

/// An evaluation key of the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// SHA-256 of its file.
    pub sha256: Digest,
    /// The name of the pair, which ciphertexts name.
    pub key: String,
    /// Size of the file.
    pub bytes: u64,
    /// When it came, in milliseconds since 1970.
    pub created_ms: i64,
}

/// All keys of the tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyList {
    /// The newest first.
    pub keys: Vec<KeyView>,
}

/// What a client wants to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// Fingerprint of the program.
    pub program: String,
    /// The complete upload of the images. The same upload gives the same job.
    pub upload: Id,
    /// SHA-256 of the evaluation key; none for programs that switch no keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
}

/// What some layers took, bands and batches together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerView {
    /// The model's layers.
    pub layer: String,
    /// The operations.
    pub operation: String,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProgressView {
    /// Parts that are done, of the batch that runs.
    pub done: u64,
    /// Parts of a batch; 0 before it is known.
    pub parts: u64,
    /// The batch that runs, counted from 1; 0 before the first.
    pub batch: u64,
    /// Batches of the job; 0 before it is known.
    pub batches: u64,
    /// What layers have taken so far, in the order of the program.
    pub layers: Vec<LayerView>,
}

/// A job of the tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// Its name.
    pub id: Id,
    /// What becomes of it.
    pub state: JobState,
    /// Grows with everything that changes; the id of its event.
    pub version: i64,
    /// Fingerprint of the program.
    pub program: String,
    /// SHA-256 of the evaluation key, if there is one.
    pub key: Option<Digest>,
    /// SHA-256 of the images that were uploaded.
    pub images_sha256: Digest,
    /// How many images they are.
    pub images: u64,
    /// Bytes of them.
    pub images_bytes: u64,
    /// How often it was begun; more than once where a worker died.
    pub attempts: u64,
    /// How far it is.
    pub progress: ProgressView,
    /// Bytes of memory of the run at its worst moment, as planned; known once a worker looked.
    pub planned_bytes: Option<u64>,
    /// SHA-256 of the answers, once they are there.
    pub answers_sha256: Option<Digest>,
    /// Bytes of the answers.
    pub answers_bytes: Option<u64>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// When it came, in milliseconds since 1970.
    pub created_ms: i64,
    /// When a worker last began it.
    pub started_ms: Option<i64>,
    /// When nothing more happened to it.
    pub finished_ms: Option<i64>,
}

/// Some jobs of the tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobList {
    /// The newest first.
    pub jobs: Vec<JobView>,
    /// What to give as `before` to get the jobs that follow; none after the last.
    pub next: Option<Id>,
}
