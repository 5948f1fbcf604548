//! The receipts of a client: in memory, and in the folders beside the files of its key, from where
//! a later process takes them up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use beaa::{BatchId, EncryptedResults, Receipt, ReceiptFolder, Shared};

/// What a client knows of the batches that it sent.
#[derive(Default)]
pub(crate) struct Receipts {
    known: Mutex<Known>,
    /// One at a time, so that nothing is shared twice.
    sharing: Mutex<()>,
}

#[derive(Default)]
struct Known {
    /// By the name of their first batch.
    receipts: HashMap<String, Arc<Receipt>>,
    /// Where all of them lie as well.
    folders: Vec<ReceiptFolder>,
}

/// What comes of sharing answers.
pub(crate) enum Sharing {
    /// They may leave the client.
    Done(Shared),
    /// They did before, with so many bits.
    Before(f64),
    /// No file says whether they did.
    NoReceipt,
}

impl Receipts {
    /// The receipts that a process finds which keeps those of its client in `folder`.
    pub(crate) fn in_folder(folder: ReceiptFolder) -> Self {
        let known = Known { folders: vec![folder], ..Known::default() };
        Self { known: Mutex::new(known), ..Self::default() }
    }

    /// Remembers a receipt, on the disk first.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn add(&self, receipt: Receipt) -> beaa::Result<()> {
        let mut known = self.known();
        known.keep(&receipt)?;
        known.receipts.insert(receipt.batch().to_string(), Arc::new(receipt));
        Ok(())
    }

    /// Writes all receipts to `folder`, and all later ones.
    ///
    /// # Errors
    /// If one cannot be written.
    pub(crate) fn keep_in(&self, folder: ReceiptFolder) -> beaa::Result<()> {
        let mut known = self.known();
        for receipt in known.receipts.values() {
            // What is there may know of more that was shared.
            if receipt.shared().is_some() || folder.find(receipt.batch())?.is_none() {
                folder.keep(receipt)?;
            }
        }
        if !known.folders.contains(&folder) {
            known.folders.push(folder);
        }
        Ok(())
    }

    /// The receipt whose first batch this is; none if nobody knows it.
    ///
    /// # Errors
    /// If it is in a file that cannot be read.
    pub(crate) fn find(&self, batch: &BatchId) -> beaa::Result<Option<Arc<Receipt>>> {
        let known = self.known();
        if let Some(receipt) = known.receipts.get(batch.as_str()) {
            return Ok(Some(Arc::clone(receipt)));
        }
        for folder in &known.folders {
            if let Some(receipt) = folder.find(batch)? {
                return Ok(Some(Arc::new(receipt)));
            }
        }
        Ok(None)
    }

    /// Shares answers by the receipt in `file` and by those beside the key, each of which notes it,
    /// as this process does.
    ///
    /// # Errors
    /// Those of sharing; if a file cannot be read or written.
    pub(crate) fn share(
        &self,
        client: &beaa::Client,
        results: &EncryptedResults,
        file: Option<&Path>,
        bits: u32,
    ) -> beaa::Result<Sharing> {
        let _sharing = self.sharing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(batch) = results.batch() else { return Ok(Sharing::NoReceipt) };
        let files: Vec<PathBuf> = {
            let known = self.known();
            if let Some(bits) = known.receipts.get(batch.as_str()).and_then(|r| r.shared()) {
                return Ok(Sharing::Before(bits));
            }
            let mut files: Vec<PathBuf> = file.map(Path::to_path_buf).into_iter().collect();
            for folder in &known.folders {
                if folder.find(batch)?.is_some() {
                    files.push(folder.file(batch));
                }
            }
            files
        };
        if files.is_empty() {
            return Ok(Sharing::NoReceipt);
        }
        let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let (shared, receipt) = client.share_by_files(results, &paths, bits)?;
        // Also where it was not before, and in the memory of this process.
        self.add(receipt)?;
        Ok(Sharing::Done(shared))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn keep(&self, receipt: &Receipt) -> beaa::Result<()> {
        self.folders.iter().try_for_each(|folder| Ok(folder.keep(receipt).map(drop)?))
    }
}
