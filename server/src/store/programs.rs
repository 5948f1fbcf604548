//! Programs that the operator publishes, with their signatures for clients.

use std::path::Path;

use beaa_ir::ckks::{self, SignatureFile};
use beaa_ir::container::{self, Kind};
use beaa_protocol::{Digest, ProgramView};
use beaa_runtime::ckks::{Standing, standing};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{Store, audit, blobs, database, digest, json, to_json};
use crate::{Error, RefusalKind, Result, clock};

/// A program that is published.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredProgram {
    /// Its file.
    pub file: Digest,
    /// The file of its signature.
    pub signature: Digest,
    /// What clients see.
    pub view: ProgramView,
}

impl Store {
    /// Publishes a program of the ckks backend, which is read and checked as a whole before.
    /// Publishing it a second time puts it back on the list, and its files back into the store
    /// where they are missing or damaged.
    ///
    /// # Errors
    /// When the file is no such program, is damaged, or its parameters are not known to be secure.
    pub fn publish(&self, path: &Path) -> Result<ProgramView> {
        if container::kind(path)? == Some(Kind::TfheProgram) {
            return Err(Error::refused(
                RefusalKind::Unfit,
                format!("publishing {}: found a program of the tfhe backend, expected one of ckks", path.display()),
                "compile the model without `--backend tfhe`; programs of that backend are run with `beaa run`",
            ));
        }
        let program = ckks::load_program(path)?;
        if let Standing::Superseded { .. } = standing(&program.signature().parameters)? {
            tracing::warn!(program = %path.display(), "the parameters hold by a superseded table alone: compile again");
        }
        let description = SignatureFile::from(&program);
        // Copies in the store, whole and on the disk before the database names them.
        let work = tempfile_in(&self.work_folder())?;
        let (file, signature) = (work.path().join("program"), work.path().join("signature"));
        std::fs::copy(path, &file).map_err(Error::io("copying", path))?;
        ckks::save_signature(&description, &signature)?;
        for copy in [&file, &signature] {
            blobs::synchronise(copy)?;
        }
        let ((program_hash, program_bytes), (signature_hash, signature_bytes)) =
            (blobs::hash_of(&file)?, blobs::hash_of(&signature)?);
        self.repair(&file, &program_hash)?;
        self.repair(&signature, &signature_hash)?;
        let view = view(&description, signature_hash);
        let text = to_json(&view)?;
        let released = self.write(|transaction| {
            let before = files_of(transaction, &view.program)?;
            self.adopt(transaction, &file, &program_hash, program_bytes)?;
            self.adopt(transaction, &signature, &signature_hash, signature_bytes)?;
            let added = transaction.execute(
                "INSERT INTO programs (fingerprint, file, signature, view, published_ms) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (fingerprint) DO UPDATE SET file = excluded.file, signature = excluded.signature,
                     view = excluded.view, published_ms = excluded.published_ms, withdrawn_ms = NULL",
                params![view.program, program_hash.bytes(), signature_hash.bytes(), text, view.published_ms],
            );
            added.map_err(database("writing a program"))?;
            audit::note(transaction, None, "operator", "program published", &view.program)?;
            blobs::release(transaction, &before)
        })?;
        self.remove_released(&released);
        Ok(view)
    }

    /// Takes a program off the list: jobs that are there are still run, new ones are refused.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without such a program on the list.
    pub fn withdraw(&self, fingerprint: &str) -> Result<()> {
        self.write(|transaction| {
            let changed = transaction.execute(
                "UPDATE programs SET withdrawn_ms = ? WHERE fingerprint = ? AND withdrawn_ms IS NULL",
                params![clock::now_ms(), fingerprint],
            );
            if changed.map_err(database("withdrawing a program"))? == 0 {
                return Err(crate::error::not_found("a program that is published"));
            }
            audit::note(transaction, None, "operator", "program withdrawn", fingerprint)
        })
    }

    /// The programs that are published, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn programs(&self) -> Result<Vec<ProgramView>> {
        self.read(|transaction| {
            let failed = database("reading programs");
            let query = "SELECT view FROM programs WHERE withdrawn_ms IS NULL ORDER BY published_ms";
            let mut statement = transaction.prepare(query).map_err(failed)?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
            let texts = rows.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)?;
            let mut views = texts.iter().map(|text| parsed(text)).collect::<Result<Vec<_>>>()?;
            views.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(views)
        })
    }

    /// The program of that fingerprint, if it is published.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without one.
    pub fn program(&self, fingerprint: &str) -> Result<StoredProgram> {
        self.read(|transaction| program(transaction, fingerprint, true))
    }

    /// The program of that fingerprint, whether or not it is on the list still.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without one.
    pub fn program_of_job(&self, fingerprint: &str) -> Result<StoredProgram> {
        self.read(|transaction| program(transaction, fingerprint, false))
    }
}

pub(super) fn program(transaction: &Transaction<'_>, fingerprint: &str, published: bool) -> Result<StoredProgram> {
    let failed = database("looking for a program");
    let found = transaction.query_row(
        "SELECT file, signature, view FROM programs WHERE fingerprint = ? AND (withdrawn_ms IS NULL OR ?)",
        params![fingerprint, !published],
        |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, String>(2)?)),
    );
    let Some((file, signature, view)) = found.optional().map_err(failed)? else {
        return Err(crate::error::not_found("a program"));
    };
    Ok(StoredProgram { file: digest(file)?, signature: digest(signature)?, view: parsed(&view)? })
}

/// The files of a program that was published before; none of one that is new.
fn files_of(transaction: &Transaction<'_>, fingerprint: &str) -> Result<Vec<Digest>> {
    let found =
        transaction.query_row("SELECT file, signature FROM programs WHERE fingerprint = ?", [fingerprint], |row| {
            Ok([row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?])
        });
    let found = found.optional().map_err(database("looking for a program"))?;
    found.into_iter().flatten().map(digest).collect()
}

fn parsed(text: &str) -> Result<ProgramView> {
    json(text, "a program as this version describes it")
}

fn view(file: &SignatureFile, signature: Digest) -> ProgramView {
    let s = &file.signature;
    let primes = s.parameters.moduli.iter().chain(&s.parameters.special);
    ProgramView {
        program: file.program.clone(),
        name: s.model.clone(),
        signature,
        shape: s.input.picture_shape().to_vec(),
        classes: s.classes.names().to_vec(),
        slots: s.capacity(),
        security_bits: s.parameters.security,
        log2_qp: primes.map(|&q| (q as f64).log2()).sum(),
        needs_key: s.switches_keys,
        output_error: file.output_error,
        published_ms: clock::now_ms(),
    }
}

/// A folder for what is being written, removed with the value.
fn tempfile_in(folder: &Path) -> Result<tempfile::TempDir> {
    tempfile::tempdir_in(folder).map_err(Error::io("creating a folder in", folder))
}
