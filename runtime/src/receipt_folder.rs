//! Receipts in files beside the key: a client that ends and begins again still recognises the
//! answers to what it sent.

use std::path::{Path, PathBuf};

use crate::error::damaged;
use crate::{BatchId, Receipt, Result};

/// A folder with the receipts of a client, one file for each, named by its first batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptFolder {
    folder: PathBuf,
}

impl ReceiptFolder {
    /// A folder that is created with the first receipt.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder beside a secret key where its receipts belong: `secret.key.receipts`. The command
    /// `beaa` looks there, too.
    pub fn beside(key: impl AsRef<Path>) -> Self {
        let mut name = key.as_ref().as_os_str().to_owned();
        name.push(".receipts");
        Self::new(name)
    }

    /// The folder, which may not exist yet.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of the receipt whose first batch this is, which may not exist.
    pub fn file(&self, batch: &BatchId) -> PathBuf {
        self.folder.join(format!("{batch}.receipt"))
    }

    /// Writes a receipt, readable by its owner alone, and gives its file. It is on the disk when
    /// this returns: keep a receipt before its images are sent.
    ///
    /// # Errors
    /// When folder or file cannot be written; when the receipt is there already and says that
    /// answers were shared, which this one does not.
    pub fn keep(&self, receipt: &Receipt) -> Result<PathBuf> {
        let io = |source| beaa_ir::Error::Io { operation: "writing folder", path: self.folder.clone(), source };
        std::fs::create_dir_all(&self.folder).map_err(io)?;
        let file = self.file(receipt.batch());
        receipt.save(&file)?;
        Ok(file)
    }

    /// The receipt whose first batch this is; none if it is not there.
    ///
    /// # Errors
    /// When a file is there that cannot be read, is damaged, or is the receipt of another batch.
    pub fn find(&self, batch: &BatchId) -> Result<Option<Receipt>> {
        let file = self.file(batch);
        // A link that leads nowhere is there, too.
        if file.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let receipt = Receipt::load(&file)?;
        if receipt.batch() == batch {
            return Ok(Some(receipt));
        }
        let found = format!("the receipt of batch {} in {}", receipt.batch(), file.display());
        Err(damaged("finding a receipt", found, format!("that of batch {batch}, as the name of the file says")))
    }
}
