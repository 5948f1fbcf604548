//! The end of an upload: the whole is checked once, by one request of one server, and kept by its
//! hash. Only what is not as it should be is deleted.

use std::path::Path;

use beaa_memory::Need;
use beaa_protocol::Id;
use beaa_protocol::upload::Purpose;
use beaa_runtime::ckks::{EncryptedInput, ServerKey};

use super::database::{Transaction, values};
use super::{Caller, Store, UploadView, audit, blobs, signed, tenants};
use crate::told::{is_of_the_server, words};
use crate::{Error, RefusalKind, Result, clock};

/// What a file is, as it says itself.
struct Described {
    program: Option<String>,
    key_name: Option<String>,
    images: Option<u64>,
}

impl Store {
    /// Checks an upload whose last byte is there, and keeps it by its hash; one that lacks bytes,
    /// or was checked before, stays as it is. Who calls this sees to it that few checks go on at
    /// once.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without such an upload of the tenant; [`RefusalKind::Locked`]
    /// while another request adds to it or checks it; [`RefusalKind::Unfit`] where the whole is
    /// not what it should be, and the upload is gone then; [`RefusalKind::NotReady`] where the
    /// server lacks the memory, and [`RefusalKind::OverLimit`] where the tenant has as many keys as
    /// it may: it stays then.
    pub fn complete_upload(&self, caller: &Caller, id: &Id) -> Result<UploadView> {
        self.complete_with(caller, id, check)
    }

    fn complete_with(
        &self,
        caller: &Caller,
        id: &Id,
        check: impl FnOnce(&Path, &UploadView) -> Result<Described>,
    ) -> Result<UploadView> {
        // Locked to the end: nobody else writes it, checks it or takes it for complete.
        let (view, lock) = self.lock_upload(caller, id)?;
        if lock.is_none() || view.received < view.length {
            return Ok(view);
        }
        let path = self.upload_path(id);
        let described = match check(&path, &view) {
            Ok(described) => described,
            Err(error) => {
                if matches!(&error, Error::Refused(refusal) if refusal.kind == RefusalKind::Unfit) {
                    self.forget_upload(caller.tenant, id, &caller.label, "upload refused")?;
                }
                return Err(error);
            }
        };
        self.write(|transaction| {
            let (program, key_name) = (described.program.as_deref(), described.key_name.as_deref());
            let completed = transaction.execute(
                "completing an upload",
                "UPDATE uploads SET complete = 1, program = ?, key_name = ?, images = ? WHERE id = ? AND complete = 0",
                values![program, key_name, described.images.map(signed), id.bytes()],
            )?;
            if completed == 0 {
                // It was deleted while it was checked.
                return Err(crate::error::not_found("an upload"));
            }
            self.adopt(transaction, &path, &view.sha256, view.length)?;
            if view.purpose == Purpose::Key {
                add_key(transaction, caller, &view, key_name)?;
            }
            let what = format!("{id} ({})", view.sha256);
            audit::note(transaction, Some(caller.tenant), &caller.label, "upload complete", &what)
        })?;
        blobs::remove(&path)?;
        Ok(UploadView { complete: true, ..view })
    }
}

fn add_key(transaction: &Transaction<'_>, caller: &Caller, view: &UploadView, name: Option<&str>) -> Result<()> {
    let added = transaction.execute(
        "completing an upload",
        "INSERT INTO keys (tenant, sha256, name, bytes, created_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        values![caller.tenant, view.sha256.bytes(), name, signed(view.length), clock::now_ms()],
    )?;
    let is_new = added == 1;
    let usage = tenants::usage(transaction, caller.tenant)?;
    if is_new && usage.keys > usage.keys_limit {
        return Err(tenants::over_limit("keeping a key", "keys", usage.keys_limit, "delete one that you need no more"));
    }
    Ok(())
}

/// Whether the whole is what it was said to be, and what it is of.
fn check(path: &Path, view: &UploadView) -> Result<Described> {
    let (found, bytes) = blobs::hash_of(path)?;
    if bytes != view.length {
        return Err(unfit(format!("found {bytes} bytes, expected {}", view.length)));
    }
    if found != view.sha256 {
        return Err(unfit(format!("found hash {found}, expected {}", view.sha256)));
    }
    let refused = |error| refused(error, path);
    match view.purpose {
        Purpose::Images => {
            let images = EncryptedInput::load(path).map_err(refused)?;
            refuse_seed(images.is_from_seed())?;
            let (program, key) = (name(images.program())?, name(images.key())?);
            let images = Some(images.images() as u64);
            Ok(Described { program: Some(program), key_name: Some(key), images })
        }
        Purpose::Key => {
            // Unpacked, it takes a few times the bytes of its file.
            let need = Need::new("checking an evaluation key", view.length.saturating_mul(4), "send it again later");
            need.check().map_err(beaa_runtime::Error::Memory).map_err(refused)?;
            let key = ServerKey::load(path).map_err(refused)?;
            refuse_seed(key.is_from_seed())?;
            Ok(Described { program: None, key_name: Some(name(key.id())?), images: None })
        }
    }
}

/// Why a file was not read: for want of memory, by a failure of the server, or since it is unfit.
fn refused(error: beaa_runtime::Error, path: &Path) -> Error {
    if let beaa_runtime::Error::Memory(_) = error {
        tracing::warn!("checking an upload: {error}");
        return Error::refused(
            RefusalKind::NotReady,
            "completing an upload: found too little free memory on the server, expected enough to check the file",
            "ask for the offset (HEAD) again later: nothing need be sent again",
        );
    }
    if is_of_the_server(&error) { Error::Runtime(error) } else { unfit(words(&error, &[path.to_path_buf()])) }
}

fn unfit(detail: String) -> Error {
    Error::refused(
        RefusalKind::Unfit,
        format!("completing an upload: {detail}"),
        "begin a new upload of the file that `beaa keygen` or `beaa encrypt` wrote",
    )
}

/// A name in a file, which may be any text, and of which PostgreSQL does not take all.
fn name(text: &str) -> Result<String> {
    if text.contains('\0') {
        return Err(unfit(format!("found a name with a character that no name has, {}", text.escape_debug())));
    }
    Ok(text.to_owned())
}

fn refuse_seed(from_seed: bool) -> Result<()> {
    if from_seed {
        return Err(unfit(
            "found a file that was made with `--seed`, expected one with the system's randomness".into(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use beaa_protocol::{Digest, Scope};

    use super::*;
    use crate::store::{Chunk, ChunkBegun, NewToken, NewUpload, TenantLimits};

    const BYTES: &[u8] = b"a key, let us say";

    /// A store, a tenant, and an upload whose bytes are all there and not checked.
    fn begun() -> (tempfile::TempDir, Store, Caller, Id) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let limits = TenantLimits { stored_bytes: 1000, active_jobs: 1, jobs: 1, uploads: 10, keys: 1 };
        store.set_tenant("clinic", limits).unwrap();
        let new = NewToken { tenant: "clinic", label: "first", scope: Scope::Submit, lifetime_ms: None };
        let caller = store.caller(&store.add_token(&new).unwrap()).unwrap();
        let id = sent(&store, &caller, BYTES);
        (folder, store, caller, id)
    }

    fn sent(store: &Store, caller: &Caller, bytes: &[u8]) -> Id {
        let (length, sha256) = (bytes.len() as u64, Digest::of(bytes));
        let id = store.begin_upload(caller, &NewUpload { purpose: Purpose::Key, length, sha256 }, 0).unwrap();
        let chunk = Chunk { offset: 0, sha256, most: 1000 };
        let ChunkBegun::Open(mut open) = store.begin_chunk(caller, &id, &chunk).unwrap() else { panic!("whole") };
        open.write(bytes).unwrap();
        assert_eq!(store.end_chunk(caller, *open).unwrap().received, length);
        id
    }

    fn key() -> Described {
        Described { program: None, key_name: Some("k".to_owned()), images: None }
    }

    fn kind(result: Result<UploadView>) -> RefusalKind {
        match result {
            Err(Error::Refused(refusal)) => refusal.kind,
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    #[test]
    fn what_is_checked_for_long_is_completed_once() {
        let (folder, store, caller, id) = begun();
        let elsewhere = Store::open(&folder.path().join("store")).unwrap();
        let completed = store.complete_with(&caller, &id, |_, _| {
            // A client that waited no longer asks another server, and sends the last chunk again.
            let twice = elsewhere.complete_with(&caller, &id, |_, _| panic!("checked twice"));
            assert_eq!(kind(twice), RefusalKind::Locked);
            let last = Chunk { offset: BYTES.len() as u64, sha256: Digest::of(b""), most: 1000 };
            let last = elsewhere.begin_chunk(&caller, &id, &last);
            assert!(matches!(last, Err(Error::Refused(refusal)) if refusal.kind == RefusalKind::Locked));
            Ok(key())
        });
        assert!(completed.unwrap().complete);
        let again = elsewhere.complete_with(&caller, &id, |_, _| panic!("checked twice")).unwrap();
        assert!(again.complete && elsewhere.keys(&caller).unwrap().len() == 1);
        assert_eq!(std::fs::read(store.blob(&Digest::of(BYTES))).unwrap(), BYTES);
        assert!(!store.upload_path(&id).exists());
    }

    #[test]
    fn an_upload_that_is_deleted_while_it_is_checked_leaves_no_key() {
        let (_folder, store, caller, id) = begun();
        let deleted = store.complete_with(&caller, &id, |_, _| {
            store.delete_upload(&caller, &id)?;
            Ok(key())
        });
        assert_eq!(kind(deleted), RefusalKind::NotFound);
        assert!(store.keys(&caller).unwrap().is_empty());
    }

    #[test]
    fn want_of_memory_keeps_the_upload() {
        let (_folder, store, caller, id) = begun();
        let short = || Need::new("checking", u64::MAX, "wait").check().unwrap_err();
        let tried =
            store.complete_with(&caller, &id, |path, _| Err(refused(beaa_runtime::Error::Memory(short()), path)));
        assert_eq!(kind(tried), RefusalKind::NotReady);
        let full = beaa_ir::Error::Io { operation: "reading", path: "/x".into(), source: std::io::Error::other("x") };
        let tried = store.complete_with(&caller, &id, |path, _| Err(refused(beaa_runtime::Error::File(full), path)));
        assert!(matches!(tried, Err(Error::Runtime(_))), "{tried:?}");
        assert!(store.complete_with(&caller, &id, |_, _| Ok(key())).unwrap().complete);
    }

    #[test]
    fn a_key_beyond_the_limit_is_refused_and_can_be_completed_later() {
        let (_folder, store, caller, id) = begun();
        let second = sent(&store, &caller, b"another");
        assert!(store.complete_with(&caller, &id, |_, _| Ok(key())).unwrap().complete);
        assert_eq!(kind(store.complete_with(&caller, &second, |_, _| Ok(key()))), RefusalKind::OverLimit);
        assert_eq!(store.keys(&caller).unwrap().len(), 1);
        store.delete_key(&caller, &Digest::of(BYTES)).unwrap();
        assert!(store.complete_with(&caller, &second, |_, _| Ok(key())).unwrap().complete);
    }
}
