//! What a client keeps of one job, so that it can go on after anything: a folder with the encrypted
//! images, their receipt, the answers, and notes of how far it is. Each note is on the disk before
//! the next step.

use std::path::{Path, PathBuf};

use beaa_base::output::{Care, write};
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, Id, JobState, JobView, NewJob};
use serde::{Deserialize, Serialize};

use crate::{Connection, Error, FileToSend, Follower, Result, hash_of};

/// Most bytes of the notes.
const MOST: u64 = 1 << 20;

/// The folder of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFolder {
    path: PathBuf,
}

/// How far a job is, as its client knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRecord {
    /// Which server has it.
    pub server: String,
    /// Fingerprint of the program.
    pub program: String,
    /// The evaluation key, as an absolute path, where the program needs one.
    pub key: Option<PathBuf>,
    /// The upload of the evaluation key, while it is on its way.
    pub key_upload: Option<Id>,
    /// The upload of the images, once it has begun.
    pub upload: Option<Id>,
    /// The job, once it is queued.
    pub job: Option<Id>,
}

impl JobFolder {
    /// The folder at a path, which need not be there.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The signature of the program.
    pub fn signature(&self) -> PathBuf {
        self.path.join("program.signature")
    }

    /// The encrypted images.
    pub fn images(&self) -> PathBuf {
        self.path.join("images.ct")
    }

    /// Their receipt.
    pub fn receipt(&self) -> PathBuf {
        self.path.join("images.ct.receipt")
    }

    /// The encrypted answers.
    pub fn answers(&self) -> PathBuf {
        self.path.join("answers.ct")
    }

    fn notes(&self) -> PathBuf {
        self.path.join("job.json")
    }

    /// How far the job is; none where nothing was encrypted yet.
    ///
    /// # Errors
    /// When the notes are damaged or cannot be read.
    pub fn record(&self) -> Result<Option<JobRecord>> {
        let (operation, path) = ("reading the notes of a job", self.notes());
        if !path.exists() {
            return Ok(None);
        }
        let bytes = beaa_base::input::read(operation, &path, MOST)?;
        let record = serde_json::from_slice(&bytes).map_err(|error| Error::Notes {
            operation,
            path: path.clone(),
            found: error.to_string(),
            expected: "what `beaa remote submit` writes",
            remedy: "submit the images again with another folder",
        })?;
        Ok(Some(record))
    }

    /// Notes how far the job is.
    ///
    /// # Errors
    /// When the notes cannot be written.
    pub fn note(&self, record: &JobRecord) -> Result<()> {
        let path = self.notes();
        let text = serde_json::to_vec_pretty(record).map_err(|error| Error::Notes {
            operation: "writing the notes of a job",
            path: path.clone(),
            found: error.to_string(),
            expected: "notes as JSON",
            remedy: "submit the images again",
        })?;
        Ok(write(&path, &text, Care::Kept)?)
    }

    /// Sends what the server lacks, and queues the job, from wherever it is.
    ///
    /// # Errors
    /// When files are missing, the server refuses, or cannot be reached for a minute.
    pub fn queue(&self, connection: &Connection, follower: &dyn Follower) -> Result<JobView> {
        let mut record = self.expected(connection)?;
        if let Some(job) = record.job {
            return connection.patiently(follower, || connection.job(&job));
        }
        let key = match record.key.clone() {
            Some(path) => Some(self.send_key(connection, &mut record, &path, follower)?),
            None => None,
        };
        let images = self.images();
        let file = FileToSend { path: &images, purpose: Purpose::Images, sha256: hash_of(&images)? };
        let upload = self.send(connection, &mut record, &file, follower)?;
        let new = NewJob { program: record.program.clone(), upload, key };
        let job = connection.patiently(follower, || connection.create_job(&new))?;
        record.job = Some(job.id);
        self.note(&record)?;
        Ok(job)
    }

    /// Follows the queued job to its end, and fetches its answers, `most` bytes at the most.
    ///
    /// # Errors
    /// When it fails or was cancelled, its answers are larger, the server refuses, or cannot be
    /// reached for a minute.
    pub fn fetch(&self, connection: &Connection, most: u64, follower: &dyn Follower) -> Result<JobView> {
        let operation = "fetching answers";
        let queued = self.queue(connection, follower)?;
        let job = connection.follow(&queued.id, follower)?;
        match (job.state, &job.problem) {
            (JobState::Answered, _) => connection.download(&job, &self.answers(), most, follower).map(|()| job),
            (_, Some(problem)) => Err(Error::Refused { operation, problem: Box::new(problem.clone()) }),
            (state, None) => Err(Error::Notes {
                operation,
                path: self.path.clone(),
                found: format!("a job that is {}", state.name()),
                expected: "one that is answered",
                remedy: "submit the images again with another folder",
            }),
        }
    }

    /// The notes, of a job on this server.
    fn expected(&self, connection: &Connection) -> Result<JobRecord> {
        let (operation, path) = ("going on with a job", self.notes());
        let wrong = |found: String, expected| Error::Notes {
            operation,
            path: path.clone(),
            found,
            expected,
            remedy: "log in to that server, or submit the images with another folder",
        };
        let record = self.record()?.ok_or_else(|| wrong("nothing".to_owned(), "notes of a job"))?;
        if record.server == connection.server() {
            return Ok(record);
        }
        Err(wrong(format!("a job on {}", record.server), "one on the server that you are logged in to"))
    }

    fn send_key(
        &self,
        connection: &Connection,
        record: &mut JobRecord,
        path: &Path,
        follower: &dyn Follower,
    ) -> Result<Digest> {
        let sha256 = hash_of(path)?;
        let is_there = || connection.patiently(follower, || connection.has_key(&sha256));
        let file = FileToSend { path, purpose: Purpose::Key, sha256 };
        if is_there()? {
            return Ok(sha256);
        }
        self.send(connection, record, &file, follower)?;
        if !is_there()? {
            // The noted upload was whole, and its key was deleted afterwards.
            record.key_upload = None;
            self.send(connection, record, &file, follower)?;
        }
        Ok(sha256)
    }

    /// Sends a file by the upload that is noted, or a new one where the server has it no more.
    fn send(
        &self,
        connection: &Connection,
        record: &mut JobRecord,
        file: &FileToSend<'_>,
        follower: &dyn Follower,
    ) -> Result<Id> {
        let noted = match file.purpose {
            Purpose::Key => record.key_upload,
            Purpose::Images => record.upload,
        };
        if let Some(upload) = noted {
            match connection.send(file, &upload, follower) {
                Ok(()) => return Ok(upload),
                // A job was made of it already, or it was too old.
                Err(error) if error.problem().is_some_and(|p| p.status == 404) => {
                    if file.purpose == Purpose::Images && self.made_job(connection, record, upload, follower)? {
                        return Ok(upload);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let upload = connection.patiently(follower, || connection.begin_upload(file))?;
        match file.purpose {
            Purpose::Key => record.key_upload = Some(upload),
            Purpose::Images => record.upload = Some(upload),
        }
        self.note(record)?;
        connection.send(file, &upload, follower)?;
        Ok(upload)
    }

    /// Whether the server has made a job of an upload before its answer came: then asking for it
    /// again gives the same job.
    fn made_job(
        &self,
        connection: &Connection,
        record: &JobRecord,
        upload: Id,
        follower: &dyn Follower,
    ) -> Result<bool> {
        let key = record.key.as_deref().map(hash_of).transpose()?;
        let new = NewJob { program: record.program.clone(), upload, key };
        match connection.patiently(follower, || connection.create_job(&new)) {
            Ok(_) => Ok(true),
            Err(error) if error.problem().is_some_and(|p| p.status == 404) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
