//! Fetching answers, from where an interruption left them. What has come lies beside the file under
//! another name, and gets the file's name when it has the hash that the job says.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use beaa_protocol::{Digest, JobView};

use crate::connection::malformed;
use crate::{Connection, Error, Follower, Result, hash_of};

const FETCHING: &str = "fetching answers";
/// Bytes that are moved at a time.
const PIECE: usize = 256 << 10;

impl Connection {
    /// Fetches the answers of a job, `most` bytes at the most, into `path`, unless they are there.
    ///
    /// # Errors
    /// When the job is not answered, the answers are larger, what comes is not what was promised,
    /// the file cannot be written, or the server cannot be reached for a minute.
    pub fn download(&self, job: &JobView, path: &Path, most: u64, follower: &dyn Follower) -> Result<()> {
        let (Some(sha256), Some(bytes)) = (job.answers_sha256, job.answers_bytes) else {
            return Err(malformed(FETCHING, format!("a job that is {}", job.state.name())));
        };
        if bytes > most {
            return Err(Error::TooLarge { operation: FETCHING, found: bytes, most });
        }
        if path.exists() && hash_of(path)? == sha256 {
            return Ok(());
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let part = Path::new(&name);
        let mut file = OpenOptions::new().create(true).append(true).open(part).map_err(Error::io(FETCHING, part))?;
        self.patiently(follower, || self.fetch_rest(job, (sha256, bytes), &mut file, part, follower))?;
        file.sync_all().map_err(Error::io(FETCHING, part))?;
        let found = hash_of(part)?;
        if found != sha256 {
            std::fs::remove_file(part).map_err(Error::io(FETCHING, part))?;
            let (found, expected) = (found.to_string(), sha256.to_string());
            return Err(Error::WrongHash { operation: FETCHING, found, expected });
        }
        std::fs::rename(part, path).map_err(Error::io(FETCHING, path))
    }

    fn fetch_rest(
        &self,
        job: &JobView,
        (sha256, all): (Digest, u64),
        file: &mut File,
        part: &Path,
        follower: &dyn Follower,
    ) -> Result<()> {
        let mut here = file.metadata().map_err(Error::io(FETCHING, part))?.len();
        if here > all {
            file.set_len(0).map_err(Error::io(FETCHING, part))?;
            here = 0;
        }
        if here == all {
            return Ok(());
        }
        let path = format!("/v1/jobs/{}/answers", job.id);
        let headers = [("range", format!("bytes={here}-")), ("if-range", format!("\"{sha256}\""))];
        let response = self.get(FETCHING, &path, &headers)?;
        if response.status().as_u16() != 206 {
            // The whole comes.
            file.set_len(0).map_err(Error::io(FETCHING, part))?;
            here = 0;
        }
        let mut body = response.into_body().into_reader().take(all - here);
        let mut piece = vec![0; PIECE];
        while here < all {
            match body.read(&mut piece).map_err(|error| self.unreachable(FETCHING, &error))? {
                0 => return Err(self.unreachable(FETCHING, &"the connection ended too early")),
                read => {
                    file.write_all(&piece[..read]).map_err(Error::io(FETCHING, part))?;
                    here += read as u64;
                    follower.moved("answers", here, all);
                }
            }
        }
        Ok(())
    }
}
