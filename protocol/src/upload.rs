//! Resumable uploads by the tus protocol, version 1.0.0 (<https://tus.io/protocols/resumable-upload>),
//! with its extensions for creation, checksums and termination: names of headers and what is in
//! them.

use serde::{Deserialize, Serialize};

/// The version of the protocol.
pub const TUS_VERSION: &str = "1.0.0";
/// The extensions that the server has.
pub const EXTENSIONS: &str = "creation,checksum,termination";
/// The only algorithm of checksums that the server takes.
pub const ALGORITHM: &str = "sha256";
/// The media type of a chunk.
pub const CHUNK_TYPE: &str = "application/offset+octet-stream";
/// The status of a chunk whose bytes are not those of its checksum.
pub const CHECKSUM_MISMATCH: u16 = 460;
/// Says which version of the protocol is spoken.
pub const RESUMABLE: &str = "tus-resumable";
/// Bytes of the whole upload.
pub const LENGTH: &str = "upload-length";
/// Bytes that are there.
pub const OFFSET: &str = "upload-offset";
/// Algorithm and hash of a chunk, in base64.
pub const CHECKSUM: &str = "upload-checksum";
/// Names and values of what is uploaded, in base64.
pub const METADATA: &str = "upload-metadata";
/// In the metadata, which [`Purpose`] the upload has.
pub const PURPOSE: &str = "purpose";
/// In the metadata, the SHA-256 of the whole file.
pub const SHA256: &str = "sha256";

/// What is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// An evaluation key, kept until it is deleted.
    Key,
    /// A batch of encrypted images, for one job.
    Images,
}

impl Purpose {
    /// As in metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Images => "images",
        }
    }

    /// The purpose of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Key, Self::Images].into_iter().find(|purpose| purpose.name() == name)
    }
}
