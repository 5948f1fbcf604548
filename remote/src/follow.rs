//! Following a job to its end by server-sent events.

use std::io::{BufRead, BufReader, Read};

use beaa_protocol::{Id, JobView};

use crate::connection::{MOST_JSON, malformed};
use crate::{Connection, Follower, Result};

const FOLLOWING: &str = "following a job";

impl Connection {
    /// Follows a job until nothing more happens to it, whatever happens to the connection.
    ///
    /// # Errors
    /// When there is no such job, or the server cannot be reached for a minute.
    pub fn follow(&self, id: &Id, follower: &dyn Follower) -> Result<JobView> {
        loop {
            let mut last = self.patiently(follower, || self.job(id))?;
            follower.job(&last);
            if last.state.is_final() {
                return Ok(last);
            }
            // An end of the events is no end of the job: the server may have been started anew.
            if let Err(error) = self.events(id, &mut last, follower) {
                if !error.passes() {
                    return Err(error);
                }
                follower.again(&error.to_string());
            }
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    }

    fn events(&self, id: &Id, last: &mut JobView, follower: &dyn Follower) -> Result<()> {
        let headers = [("accept", "text/event-stream".to_owned()), ("last-event-id", last.version.to_string())];
        let response = self.get(FOLLOWING, &format!("/v1/jobs/{id}/events"), &headers)?;
        let mut lines = BufReader::new(response.into_body().into_reader());
        let mut data = String::new();
        while let Some(line) = self.line(&mut lines)? {
            match line.strip_prefix("data:") {
                Some(more) if (data.len() + more.len()) as u64 > MOST_JSON => {
                    return Err(malformed(FOLLOWING, "an event without end".to_owned()));
                }
                Some(more) => data.push_str(more.trim_start()),
                // An empty line ends an event.
                None if line.is_empty() && !data.is_empty() => {
                    let job: JobView =
                        serde_json::from_str(&data).map_err(|error| malformed(FOLLOWING, error.to_string()))?;
                    if job.id != *id {
                        return Err(malformed(FOLLOWING, format!("an event of job {}", job.id)));
                    }
                    data.clear();
                    // What is known is no news, however often it comes.
                    if job.version > last.version {
                        follower.job(&job);
                        *last = job;
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    /// The next line without its end; none at the end.
    fn line(&self, lines: &mut impl BufRead) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let read = lines.take(MOST_JSON).read_until(b'\n', &mut bytes);
        match read.map_err(|error| self.unreachable(FOLLOWING, &error))? {
            0 => Ok(None),
            read if read as u64 == MOST_JSON => Err(malformed(FOLLOWING, "a line without end".to_owned())),
            _ => {
                let text = String::from_utf8(bytes).map_err(|error| malformed(FOLLOWING, error.to_string()))?;
                Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
            }
        }
    }
}
