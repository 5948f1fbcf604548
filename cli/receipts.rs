//! Where the receipt of a batch is written, and where that of answers is found.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_runtime::{BatchId, Receipt, ReceiptFolder};

use crate::exit::Exit;

/// The ending of a receipt's name.
const ENDING: &str = "receipt";
/// Files that are looked at in one folder, at most.
const MOST_FILES: usize = 10_000;

/// By what answers are recognised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ReceiptChoice {
    /// By this file.
    File(PathBuf),
    /// By the receipt of their batch, beside the answers or beside the key.
    Beside,
    /// By nothing: the user trusts whoever made them.
    Without,
}

/// A receipt, and its file.
pub(crate) struct FoundReceipt {
    pub(crate) path: PathBuf,
    pub(crate) receipt: Receipt,
}

/// The receipt of a batch in `ciphertexts`, unless the user names another: `images.ct.receipt`.
pub(crate) fn default_path(ciphertexts: &Path) -> PathBuf {
    let mut name = ciphertexts.as_os_str().to_owned();
    name.push(".");
    name.push(ENDING);
    name.into()
}

impl ReceiptChoice {
    /// The receipt of the `batch` that the answers in `input` name; `key` is the client's secret
    /// key.
    pub(crate) fn find(&self, input: &Path, key: &Path, batch: Option<&BatchId>) -> Result<Option<FoundReceipt>> {
        match self {
            Self::Without => Ok(None),
            Self::File(path) => {
                let receipt = Receipt::load(path).with_context(|| format!("reading receipt {}", path.display()))?;
                Ok(Some(FoundReceipt { path: path.clone(), receipt }))
            }
            Self::Beside => beside(input, key, batch).map(Some),
        }
    }
}

fn beside(input: &Path, key: &Path, batch: Option<&BatchId>) -> Result<FoundReceipt> {
    let refuse = |found: String, expected: &str| {
        Exit::BadInput.because(format!(
            "decrypting {}: found {found}, expected {expected}; give the receipt that `beaa encrypt` wrote with \
             --receipt, or --without-receipt if nobody could have exchanged the answers",
            input.display()
        ))
    };
    let Some(batch) = batch else {
        return Err(refuse("answers that do not say to which batch".into(), "those of a batch that was sent"));
    };
    // By its name, however many there are.
    let kept = ReceiptFolder::beside(key);
    if let Some(receipt) = kept.find(batch)? {
        return Ok(FoundReceipt { path: kept.file(batch), receipt });
    }
    let mut others = 0;
    for folder in folders(input, key) {
        // A folder that cannot be listed has no receipt to offer.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.take(MOST_FILES).filter_map(|entry| entry.ok().map(|e| e.path())) {
            if path.extension().is_none_or(|e| e != ENDING) {
                continue;
            }
            match Receipt::load(&path) {
                Ok(receipt) if receipt.batch() == batch => return Ok(FoundReceipt { path, receipt }),
                // Another batch's, or damaged: not the one that is looked for.
                _ => others += 1,
            }
        }
    }
    let found = match others {
        0 => format!("no receipt of batch {batch} beside the answers or the key"),
        1 => format!("no receipt of batch {batch} beside the answers or the key, only another"),
        n => format!("no receipt of batch {batch} beside the answers or the key, only {n} others"),
    };
    Err(refuse(found, "the receipt of the batch that was sent"))
}

/// The folders of both files, each once.
fn folders(input: &Path, key: &Path) -> Vec<PathBuf> {
    let folder = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let (first, second) = (folder(input), folder(key));
    if first == second { vec![first] } else { vec![first, second] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_named_for_their_ciphertexts() {
        assert_eq!(default_path(Path::new("a/images.ct")), Path::new("a/images.ct.receipt"));
        assert_eq!(folders(Path::new("x.ct"), Path::new("keys/secret.key")), [Path::new("."), Path::new("keys")]);
        assert_eq!(folders(Path::new("k/x.ct"), Path::new("k/secret.key")), [Path::new("k")]);
    }
}
