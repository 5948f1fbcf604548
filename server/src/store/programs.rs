//! Programs that the operator publishes, with their signatures for clients.

use std::path::Path;

use beaa_ir::ckks::{self, SignatureFile};
use beaa_ir::container::{self, Kind};
use beaa_protocol::{Digest, ProgramView};
use beaa_runtime::ckks::{Standing, standing};

use super::database::{Transaction, values};
use super::{Store, audit, blobs, digest, json, to_json};
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
            transaction.execute(
                "writing a program",
                "INSERT INTO programs (fingerprint, file, signature, view, published_ms) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (fingerprint) DO UPDATE SET file = excluded.file, signature = excluded.signature,
                     view = excluded.view, published_ms = excluded.published_ms, withdrawn_ms = NULL",
                values![&view.program, program_hash.bytes(), signature_hash.bytes(), &text, view.published_ms],
            )?;
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
                "withdrawing a program",
                "UPDATE programs SET withdrawn_ms = ? WHERE fingerprint = ? AND withdrawn_ms IS NULL",
                values![clock::now_ms(), fingerprint],
            )?;
            if changed == 0 {
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
            let query = "SELECT view FROM programs WHERE withdrawn_ms IS NULL ORDER BY published_ms";
            let rows = transaction.rows("reading programs", query, &[])?;
            let mut views = rows.iter().map(|row| parsed(&row.get::<String>(0)?)).collect::<Result<Vec<_>>>()?;
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
    let not_found = || crate::error::not_found("a program");
    // A client may send any text, and PostgreSQL takes none with this character.
    if fingerprint.contains('\0') {
        return Err(not_found());
    }
    let row = transaction.first(
        "looking for a program",
        "SELECT file, signature, view FROM programs WHERE fingerprint = ? AND (withdrawn_ms IS NULL OR ? = 0)",
        values![fingerprint, i64::from(published)],
    )?;
    let row = row.ok_or_else(not_found)?;
    Ok(StoredProgram {
        file: digest(row.get(0)?)?,
        signature: digest(row.get(1)?)?,
        view: parsed(&row.get::<String>(2)?)?,
    })
}

/// The files of a program that was published before; none of one that is new.
fn files_of(transaction: &Transaction<'_>, fingerprint: &str) -> Result<Vec<Digest>> {
    let query = "SELECT file, signature FROM programs WHERE fingerprint = ?";
    match transaction.first("looking for a program", query, values![fingerprint])? {
        Some(row) => [row.get(0)?, row.get(1)?].into_iter().map(digest).collect(),
        None => Ok(Vec::new()),
    }
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
