//! What a worker keeps from one job for the next, which is often of the same program: the program,
//! and where memory has room also its weights, arranged or encoded, and the key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use beaa_ir::ckks::{self, Program};
use beaa_protocol::Digest;
use beaa_runtime::ckks::{ArrangedWeights, PreparedProgram, ServerKey};

use crate::Result;
use crate::store::{HOLD_MS, Store};

/// The program that ran last.
pub(super) struct LoadedProgram {
    pub(super) program: Arc<Program>,
    fingerprint: String,
    kept: Option<Kept>,
}

/// What a job leaves for the next of its program.
struct Kept {
    prepared: PreparedProgram<Arc<Program>>,
    key: Option<LoadedKey>,
    since: Instant,
}

/// A key, and the file that it was read from.
pub(super) struct LoadedKey {
    file: Digest,
    pub(super) key: ServerKey,
}

impl LoadedProgram {
    /// The program of that fingerprint: the one that is `loaded`, or read from the store.
    pub(super) fn of(store: &Store, fingerprint: &str, loaded: Option<Self>) -> Result<Self> {
        if let Some(loaded) = loaded.filter(|loaded| loaded.is(fingerprint)) {
            return Ok(loaded);
        }
        let stored = store.program_of_job(fingerprint)?;
        let program = Arc::new(ckks::load_program(&store.blob(&stored.file))?);
        Ok(Self { program, fingerprint: fingerprint.to_owned(), kept: None })
    }

    pub(super) fn is(&self, fingerprint: &str) -> bool {
        self.fingerprint == fingerprint
    }

    /// Whether there is more in memory than the program itself.
    pub(super) fn keeps(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether a job left something, and no other came for so long that it is dropped.
    pub(super) fn has_rested(&self) -> bool {
        let longest = Duration::from_millis(HOLD_MS.unsigned_abs());
        self.kept.as_ref().is_some_and(|kept| kept.since.elapsed() >= longest)
    }

    /// Takes what the last job left: the program, ready to run with `weights`, and the key if its
    /// file is the one that the job names. What is not there is made anew.
    pub(super) fn take(
        &mut self,
        store: &Store,
        key: Option<&Digest>,
        weights: ArrangedWeights,
    ) -> Result<(PreparedProgram<Arc<Program>>, Option<LoadedKey>)> {
        let (prepared, loaded) = self.kept.take().map_or((None, None), |kept| (Some(kept.prepared), kept.key));
        let loaded = loaded.filter(|loaded| Some(&loaded.file) == key);
        let key = match (loaded, key) {
            (Some(loaded), _) => Some(loaded),
            (None, Some(file)) => Some(LoadedKey { file: *file, key: ServerKey::load(&store.blob(file))? }),
            (None, None) => None,
        };
        let prepared = match prepared.filter(|_| weights == ArrangedWeights::Kept) {
            Some(prepared) => prepared,
            None => PreparedProgram::new(Arc::clone(&self.program), weights)?,
        };
        Ok((prepared, key))
    }

    /// Leaves what a job used for the next.
    pub(super) fn keep(&mut self, prepared: PreparedProgram<Arc<Program>>, key: Option<LoadedKey>) {
        self.kept = Some(Kept { prepared, key, since: Instant::now() });
    }

    /// Drops everything but the program.
    pub(super) fn drop_kept(&mut self) {
        self.kept = None;
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/v2").join(name)
    }

    #[test]
    fn what_a_job_left_is_used_again_and_no_other_key_instead_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let program = Arc::new(ckks::load_program(&file("program.beaa")).unwrap());
        let mut loaded = LoadedProgram { program, fingerprint: "x".to_owned(), kept: None };
        let (prepared, none) = loaded.take(&store, None, ArrangedWeights::Kept).unwrap();
        assert!(none.is_none() && !loaded.keeps());
        let (seconds, digest) = (prepared.seconds(), Digest::of(b"one"));
        let key = LoadedKey { file: digest, key: ServerKey::load(&file("evaluation.key")).unwrap() };
        loaded.keep(prepared, Some(key));
        assert!(loaded.keeps() && !loaded.has_rested());
        let (prepared, key) = loaded.take(&store, Some(&digest), ArrangedWeights::Kept).unwrap();
        assert_eq!(prepared.seconds(), seconds, "prepared once");
        assert!(key.is_some() && !loaded.keeps());
        // Another tenant's key is read, and there is none: the one at hand does not stand for it.
        loaded.keep(prepared, key);
        assert!(loaded.take(&store, Some(&Digest::of(b"other")), ArrangedWeights::Kept).is_err());
        let (prepared, key) = loaded.take(&store, None, ArrangedWeights::PerPart).unwrap();
        assert!(prepared.seconds() != seconds && key.is_none());
    }
}
