//! What a worker keeps from one job for the next, which is often of the same program: the program,
//! and where memory has room also its weights, arranged or encoded, and the key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use beaa_ir::ckks::{self, Program};
use beaa_protocol::Digest;
use beaa_runtime::ckks::{ArrangedWeights, PreparedProgram, ServerKey};

use crate::store::{HOLD_MS, Store};
use crate::{Result, clock};

/// A program made ready, which several may hold.
pub(super) type Prepared = PreparedProgram<Arc<Program>>;

/// The program that ran last.
pub(super) struct LoadedProgram {
    pub(super) program: Arc<Program>,
    fingerprint: String,
    kept: Option<Kept>,
}

/// What a job leaves for the next of its program.
struct Kept {
    prepared: Prepared,
    key: Option<LoadedKey>,
    /// When, by a clock that nobody sets, and by the time of day, which goes on while the machine
    /// sleeps.
    since: (Instant, i64),
}

/// A key, and the hash of the file that it was read from.
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

    /// Whether a job left something, and no other came for as long as it may stay.
    pub(super) fn has_rested(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| {
            let (since, by_day) = kept.since;
            let there = (by_day..by_day.saturating_add(HOLD_MS)).contains(&clock::now_ms());
            since.elapsed() >= Duration::from_millis(HOLD_MS.unsigned_abs()) || !there
        })
    }

    /// Takes what the last job left: the program made ready, if it was; and the key of that file,
    /// if the job has one, read where the last job had another.
    pub(super) fn take(
        &mut self,
        store: &Store,
        key: Option<&Digest>,
    ) -> Result<(Option<Prepared>, Option<LoadedKey>)> {
        let (prepared, loaded) = self.kept.take().map_or((None, None), |kept| (Some(kept.prepared), kept.key));
        let loaded = loaded.filter(|loaded| Some(&loaded.file) == key);
        let key = match (loaded, key) {
            (Some(loaded), _) => Some(loaded),
            (None, Some(file)) => Some(LoadedKey { file: *file, key: ServerKey::load(&store.blob(file))? }),
            (None, None) => None,
        };
        Ok((prepared, key))
    }

    /// The program ready to run with `weights`: as the last job left it, where it is that.
    pub(super) fn prepared(&self, left: Option<Prepared>, weights: ArrangedWeights) -> Result<Prepared> {
        match left.filter(|_| weights == ArrangedWeights::Kept) {
            Some(prepared) => Ok(prepared),
            None => Ok(PreparedProgram::new(Arc::clone(&self.program), weights)?),
        }
    }

    /// Leaves what a job used for the next.
    pub(super) fn keep(&mut self, prepared: Prepared, key: Option<LoadedKey>) {
        self.kept = Some(Kept { prepared, key, since: (Instant::now(), clock::now_ms()) });
    }

    /// Drops everything but the program.
    pub(super) fn drop_kept(&mut self) {
        self.kept = None;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/v2").join(name)
    }

    /// A small program that has not run yet.
    pub(in super::super) fn loaded() -> LoadedProgram {
        let program = Arc::new(ckks::load_program(&file("program.beaa")).unwrap());
        LoadedProgram { program, fingerprint: "x".to_owned(), kept: None }
    }

    #[test]
    fn what_a_job_left_is_used_again_and_no_other_key_instead_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let (store, mut loaded) = (Store::open(folder.path()).unwrap(), loaded());
        let digest = Digest::of(b"one");
        let key = || LoadedKey { file: digest, key: ServerKey::load(&file("evaluation.key")).unwrap() };
        let kept = ArrangedWeights::Kept;
        let (left, none) = loaded.take(&store, None).unwrap();
        assert!(left.is_none() && none.is_none() && !loaded.keeps());
        let prepared = loaded.prepared(left, kept).unwrap();
        // Of the very program that was made ready: no two take as long, to the last bit.
        let seconds = prepared.seconds();
        loaded.keep(prepared, Some(key()));
        assert!(loaded.keeps() && !loaded.has_rested());
        let (left, found) = loaded.take(&store, Some(&digest)).unwrap();
        let prepared = loaded.prepared(left, kept).unwrap();
        assert!(prepared.seconds() == seconds && found.is_some() && !loaded.keeps());
        // Another tenant's key is read, and there is none: the one at hand does not stand for it.
        loaded.keep(prepared, found);
        assert!(loaded.take(&store, Some(&Digest::of(b"other"))).is_err());
        loaded.keep(loaded.prepared(None, kept).unwrap(), Some(key()));
        let (left, none) = loaded.take(&store, None).unwrap();
        assert!(none.is_none(), "a job without a key gets none");
        let seconds = left.as_ref().unwrap().seconds();
        loaded.keep(left.unwrap(), Some(key()));
        let (left, found) = loaded.take(&store, Some(&digest)).unwrap();
        let prepared = loaded.prepared(left, ArrangedWeights::PerPart).unwrap();
        assert!(prepared.seconds() != seconds && found.is_some(), "weights that a plan has no room for go");
    }

    #[test]
    fn what_is_kept_goes_after_a_while_and_when_the_clock_is_set() {
        let mut loaded = loaded();
        assert!(!loaded.has_rested(), "there is nothing");
        loaded.keep(loaded.prepared(None, ArrangedWeights::Kept).unwrap(), None);
        let now = clock::now_ms();
        for (by_day, rested) in [(now - HOLD_MS / 2, false), (now - HOLD_MS - 1, true), (now + HOLD_MS, true)] {
            loaded.kept.as_mut().unwrap().since.1 = by_day;
            assert_eq!(loaded.has_rested(), rested, "{}", by_day - now);
        }
        let long = Duration::from_millis(HOLD_MS.unsigned_abs());
        if let Some(before) = Instant::now().checked_sub(long) {
            loaded.kept.as_mut().unwrap().since = (before, clock::now_ms());
            assert!(loaded.has_rested());
        }
        loaded.drop_kept();
        assert!(!loaded.keeps() && !loaded.has_rested());
    }
}
