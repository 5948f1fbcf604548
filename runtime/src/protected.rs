//! Secret keys of either backend that a passphrase protects. The file says in clear whose key it
//! is; the rest is a whole file of the age format, and in it the key's file as it is without.

use std::ops::Range;
use std::path::Path;

use beaa_base::output::{self, Care, OutputFile};
use beaa_ir::container::{self, Kind, Opened};
use beaa_memory::Need;
use beaa_secrets::{Locked, Passphrase, age};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// What is said in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClearHeader {
    /// The name of the pair.
    pub(crate) id: String,
    /// Whether the key is INSECURE, derived from a number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) from_seed: bool,
}

/// The file of a secret key, as it is without passphrase.
pub(crate) enum SecretFile<H> {
    /// It has none.
    Plain(Opened<H>),
    /// It was decrypted.
    Decrypted {
        /// What was said in clear.
        clear: ClearHeader,
        header: H,
        file: Locked<u8>,
        payload: Range<usize>,
    },
}

impl<H> SecretFile<H> {
    pub(crate) fn header(&self) -> &H {
        match self {
            Self::Plain(opened) => &opened.header,
            Self::Decrypted { header, .. } => header,
        }
    }

    pub(crate) fn payload(&self) -> &[u8] {
        match self {
            Self::Plain(opened) => opened.payload(),
            Self::Decrypted { file, payload, .. } => &file[payload.clone()],
        }
    }

    /// Refuses a file that says in clear something else than under its passphrase.
    pub(crate) fn expect(&self, path: &Path, id: &str, from_seed: bool) -> Result<()> {
        match self {
            Self::Decrypted { clear, .. } if clear.id != id || clear.from_seed != from_seed => {
                Err(Error::OtherKeyInside { path: path.to_path_buf(), found: id.into(), expected: clear.id.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Opens the file of a secret key of the given kind, with its passphrase if it has one.
pub(crate) fn open<H: DeserializeOwned>(
    path: &Path,
    kind: Kind,
    passphrase: Option<&Passphrase>,
) -> Result<SecretFile<H>> {
    if !is_protected(path)? {
        return Ok(SecretFile::Plain(container::open(path, kind)?));
    }
    let (clear, file) = unlock(path, passphrase)?;
    let (header, payload) = container::parse(path, kind, &file)?;
    Ok(SecretFile::Decrypted { clear, header, file, payload })
}

/// Composes the file of a secret key, under a passphrase if there is one.
pub(crate) fn compose<H: Serialize>(
    path: &Path,
    (kind, header, payload): (Kind, &H, &[u8]),
    clear: &ClearHeader,
    passphrase: Option<&Passphrase>,
) -> Result<OutputFile> {
    let Some(passphrase) = passphrase else {
        return Ok(container::compose(path, kind, header, payload.len() as u64, |w| w.write_all(payload))?);
    };
    let (frame, checksum) = container::around(kind, header, payload)?;
    let len = frame.len() + payload.len() + checksum.len();
    let file = Locked::collect(len, frame.iter().chain(payload).chain(&checksum).copied());
    lock(path, clear, &file, passphrase)
}

/// Whether a file is a secret key under a passphrase.
///
/// # Errors
/// When the file cannot be read.
pub fn is_protected(path: &Path) -> Result<bool> {
    Ok(container::kind(path)? == Some(Kind::ProtectedKey))
}

/// Gives the secret key in `path`, of either backend, another passphrase, or none any more; `old`
/// is the one that it has. The file is replaced when the new one is whole. Returns the key's name.
///
/// # Errors
/// When the file cannot be read or written, is no secret key, or `old` is not its passphrase.
pub fn change_passphrase(path: &Path, old: Option<&Passphrase>, new: Option<&Passphrase>) -> Result<String> {
    let kind = container::kind(path)?;
    let (file, clear) = if kind == Some(Kind::ProtectedKey) {
        let (clear, file) = unlock(path, old)?;
        (file, clear)
    } else {
        // Whatever is no key is refused by this kind.
        let kind = kind.filter(|kind| *kind == Kind::TfheSecretKey).unwrap_or(Kind::SecretKey);
        let opened = container::open::<AnyHeader>(path, kind)?;
        let file = Locked::collect(opened.file().len(), opened.file().iter().copied());
        let AnyHeader { id, from_seed } = opened.header;
        (file, ClearHeader { id, from_seed })
    };
    match new {
        Some(new) => lock(path, &clear, &file, new)?.commit(),
        None => output::write(path, &file, Care::Secret),
    }
    .map_err(beaa_ir::Error::from)?;
    Ok(clear.id)
}

/// What the headers of all secret keys have.
#[derive(Deserialize)]
struct AnyHeader {
    id: String,
    #[serde(default)]
    from_seed: bool,
}

fn lock(path: &Path, clear: &ClearHeader, file: &[u8], passphrase: &Passphrase) -> Result<OutputFile> {
    need("encrypting the secret key", age::WORK_BYTES)?;
    let refused = |source| Error::Passphrase { path: path.to_path_buf(), source };
    let encrypted = age::encrypt(file, passphrase).map_err(refused)?;
    let write = |w: &mut dyn std::io::Write| w.write_all(&encrypted);
    Ok(container::compose(path, Kind::ProtectedKey, clear, encrypted.len() as u64, write)?)
}

fn unlock(path: &Path, passphrase: Option<&Passphrase>) -> Result<(ClearHeader, Locked<u8>)> {
    let refused = |source| Error::Passphrase { path: path.to_path_buf(), source };
    let opened = container::open::<ClearHeader>(path, Kind::ProtectedKey)?;
    let Some(passphrase) = passphrase else {
        return Err(Error::NoPassphrase { path: path.to_path_buf(), key: opened.header.id });
    };
    need("decrypting the secret key", age::work_bytes(opened.payload()).map_err(refused)?)?;
    let file = age::decrypt(opened.payload(), passphrase).map_err(refused)?;
    Ok((opened.header, file))
}

/// A passphrase takes memory on purpose: so it does for whoever tries many.
fn need(operation: &'static str, bytes: u64) -> Result<()> {
    Ok(Need::new(operation, bytes, "end what else takes memory here").check()?)
}
