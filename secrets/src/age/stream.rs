//! The payload of the age format: chunks of 64 KiB, each with its tag. Their nonces count them, and
//! mark the last one, so that none can be moved or left out.

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, Nonce};

use super::{Result, TAG};
use crate::error::PassphraseError;
use crate::locked::Locked;

const CHUNK: usize = 1 << 16;

/// Encrypts `plain` behind what `file` holds.
pub(super) fn encrypt(cipher: &ChaCha20Poly1305, plain: &[u8], file: &mut Vec<u8>) -> Result<()> {
    let count = plain.len().div_ceil(CHUNK).max(1);
    for number in 0..count {
        let start = file.len();
        file.extend(&plain[number * CHUNK..plain.len().min((number + 1) * CHUNK)]);
        let tag = cipher.encrypt_in_place_detached(&nonce(number, number + 1 == count), &[], &mut file[start..]);
        file.extend(tag.map_err(|_| PassphraseError::Damaged)?);
    }
    Ok(())
}

/// Decrypts all of a payload.
pub(super) fn decrypt(cipher: &ChaCha20Poly1305, payload: &[u8]) -> Result<Locked<u8>> {
    let count = payload.len().div_ceil(CHUNK + TAG).max(1);
    let mut plain = Locked::zeroed(payload.len().checked_sub(count * TAG).ok_or(PassphraseError::Damaged)?);
    let mut at = 0;
    for (number, chunk) in payload.chunks(CHUNK + TAG).enumerate() {
        let (text, tag) = chunk.split_last_chunk::<TAG>().ok_or(PassphraseError::Damaged)?;
        let into = &mut plain[at..at + text.len()];
        into.copy_from_slice(text);
        let opened = cipher.decrypt_in_place_detached(&nonce(number, number + 1 == count), &[], into, tag.into());
        opened.map_err(|_| PassphraseError::Damaged)?;
        // Only the first chunk may be empty.
        if text.is_empty() && number > 0 {
            return Err(PassphraseError::Damaged);
        }
        at += text.len();
    }
    Ok(plain)
}

/// The chunk's number as 11 bytes, the most significant first, and whether it is the last.
fn nonce(number: usize, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3..11].copy_from_slice(&(number as u64).to_be_bytes());
    bytes[11] = u8::from(last);
    bytes.into()
}
