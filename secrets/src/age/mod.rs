//! Encryption with a passphrase in the age format (age-encryption.org/v1, as C2SP specifies it),
//! with its recipient of type `scrypt`: what `age -p` writes and `age -d` reads. The crate `age`
//! would bring fifty others with it, for translations and other recipients; the format is what the
//! libraries of the RustCrypto project do, in this order.

mod header;
mod stream;

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, Mac};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use self::header::{Header, MAC, SALT};
use crate::error::PassphraseError;
use crate::locked::Locked;
use crate::passphrase::Passphrase;

/// log2 of scrypt's N when writing, as `age -p` takes it: 256 MiB and about a second.
const WORK: u8 = 18;
/// The bytes of memory that encrypting takes.
pub const WORK_BYTES: u64 = scrypt_bytes(WORK);
/// The most that is read: whoever made the file must not choose how long it takes.
const MOST_WORK: u8 = 20;
/// Bytes of the key of one file.
const FILE_KEY: usize = 16;
/// Bytes of the nonce before the payload.
const NONCE: usize = 16;
/// Bytes behind whatever is encrypted.
const TAG: usize = 16;
const LABEL: &[u8] = b"age-encryption.org/v1/scrypt";

type Result<T> = std::result::Result<T, PassphraseError>;

/// Encrypts with a passphrase: a whole file of the age format.
///
/// # Errors
/// [`PassphraseError::Randomness`].
pub fn encrypt(plain: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>> {
    encrypt_with(WORK, plain, passphrase)
}

/// Encrypts as [`encrypt`] does, with another work factor: tests open many files.
///
/// # Errors
/// As [`encrypt`]; [`PassphraseError::WorkFactor`] for one that scrypt does not have.
#[doc(hidden)]
pub fn encrypt_with(work: u8, plain: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>> {
    let mut key = Zeroizing::new([0; FILE_KEY]);
    let (mut salt, mut nonce) = ([0; SALT], [0; NONCE]);
    for bytes in [&mut key[..], &mut salt, &mut nonce] {
        SysRng.try_fill_bytes(bytes).map_err(|e| PassphraseError::Randomness(e.to_string()))?;
    }
    let mut body = [0; FILE_KEY + TAG];
    body[..FILE_KEY].copy_from_slice(&key[..]);
    let (text, tag) = body.split_at_mut(FILE_KEY);
    let sealed = wrapping(&salt, work, passphrase)?.encrypt_in_place_detached(&Nonce::default(), &[], text);
    tag.copy_from_slice(&sealed.map_err(|_| PassphraseError::Damaged)?);
    let header = Header { salt, work, body };
    let mut file = header.authenticated();
    let mac = authenticator(&key, &file).finalize().into_bytes();
    header::finish(&mut file, &mac.into());
    file.extend(nonce);
    stream::encrypt(&payload_key(&key, &nonce), plain, &mut file)?;
    Ok(file)
}

/// Decrypts a whole file of the age format.
///
/// # Errors
/// [`PassphraseError::WrongPassphrase`], and as [`work_bytes`]; [`PassphraseError::Damaged`].
pub fn decrypt(file: &[u8], passphrase: &Passphrase) -> Result<Locked<u8>> {
    let (header, mac, rest) = header::parse(file)?;
    check_work(&header)?;
    let mut key = Zeroizing::new([0; FILE_KEY]);
    let (text, tag) = header.body.split_at(FILE_KEY);
    key.copy_from_slice(text);
    wrapping(&header.salt, header.work, passphrase)?
        .decrypt_in_place_detached(&Nonce::default(), &[], &mut key[..], Tag::from_slice(tag))
        .map_err(|_| PassphraseError::WrongPassphrase)?;
    authenticator(&key, &header.authenticated()).verify_slice(&mac).map_err(|_| PassphraseError::Damaged)?;
    let (nonce, payload) = rest.split_first_chunk::<NONCE>().ok_or(PassphraseError::Damaged)?;
    stream::decrypt(&payload_key(&key, nonce), payload)
}

/// The bytes of memory that decrypting the file takes.
///
/// # Errors
/// [`PassphraseError::Format`] if it is no such file, [`PassphraseError::WorkFactor`].
pub fn work_bytes(file: &[u8]) -> Result<u64> {
    let (header, ..) = header::parse(file)?;
    check_work(&header)?;
    Ok(scrypt_bytes(header.work))
}

/// What scrypt takes with blocks of 8.
const fn scrypt_bytes(work: u8) -> u64 {
    (128 * 8) << work
}

fn check_work(header: &Header) -> Result<()> {
    if header.work > MOST_WORK {
        return Err(PassphraseError::WorkFactor { found: header.work, most: MOST_WORK });
    }
    Ok(())
}

/// The cipher that hides the key of a file, whose key only the passphrase gives.
fn wrapping(salt: &[u8; SALT], work: u8, passphrase: &Passphrase) -> Result<ChaCha20Poly1305> {
    let bad = |_| PassphraseError::WorkFactor { found: work, most: MOST_WORK };
    let parameters = scrypt::Params::new(work, 8, 1, 32).map_err(bad)?;
    let mut key = Zeroizing::new([0; 32]);
    let salt = [LABEL, salt].concat();
    assert!(scrypt::scrypt(passphrase.bytes(), &salt, &parameters, &mut key[..]).is_ok(), "a key of 32 bytes");
    Ok(ChaCha20Poly1305::new((&*key).into()))
}

/// What authenticates the header, all but its last digits.
fn authenticator(key: &[u8; FILE_KEY], header: &[u8]) -> Hmac<Sha256> {
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(&derive(None, key, b"header")[..]) else {
        unreachable!("keys of any length are taken")
    };
    mac.update(header);
    mac
}

fn payload_key(key: &[u8; FILE_KEY], nonce: &[u8; NONCE]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new((&*derive(Some(nonce), key, b"payload")).into())
}

fn derive(salt: Option<&[u8]>, key: &[u8; FILE_KEY], info: &[u8]) -> Zeroizing<[u8; MAC]> {
    let mut derived = Zeroizing::new([0; MAC]);
    assert!(Hkdf::<Sha256>::new(salt, key).expand(info, &mut derived[..]).is_ok(), "a key of {MAC} bytes");
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_was_encrypted_comes_back() {
        for len in [0, 1, 1000, 65_535, 65_536, 65_537, 131_072, 200_000] {
            let plain: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
            let file = encrypt_with(4, &plain, &passphrase("open")).unwrap();
            assert_eq!(&*decrypt(&file, &passphrase("open")).unwrap(), plain.as_slice(), "{len} bytes");
        }
        assert_ne!(encrypt_with(4, b"a", &passphrase("x")), encrypt_with(4, b"a", &passphrase("x")));
    }

    #[test]
    fn a_wrong_passphrase_and_every_changed_byte_are_told_apart() {
        let good = encrypt_with(4, b"a secret key", &passphrase("open")).unwrap();
        assert_eq!(decrypt(&good, &passphrase("Open")).unwrap_err(), PassphraseError::WrongPassphrase);
        for i in 0..good.len() {
            let mut file = good.clone();
            file[i] ^= 1;
            assert!(decrypt(&file, &passphrase("open")).is_err(), "byte {i}");
            assert!(decrypt(&good[..i], &passphrase("open")).is_err(), "cut at {i}");
        }
        let longer = [&good[..], b"x"].concat();
        assert_eq!(decrypt(&longer, &passphrase("open")).unwrap_err(), PassphraseError::Damaged);
    }

    /// Written by the crate `age` 0.11, with the passphrase `correct horse`.
    #[test]
    fn files_of_other_programs_are_read() {
        let header = [
            "age-encryption.org/v1",
            "-> scrypt 53iOFX+AdTd39JxsGqQmjQ 12",
            "GPFJ8UePq4rBfDMH75fec1NBvA4WtmV2O4UGalFCTbw",
            "--- Hfj08eIMviAyBWO4aDBAV2G00KOmhR9cEPeFDMtjh/o",
            "",
        ];
        let payload = 0xd8066ec74b777a06de9ff7779a866817_u128.to_be_bytes();
        let rest = 0x0dfd687107b0c062e15c6ebba1b00ccc_u128.to_be_bytes();
        let last = 0x8633c83342_u64.to_be_bytes();
        let file = [header.join("\n").as_bytes(), &payload, &rest, &last[3..]].concat();
        assert_eq!(&*decrypt(&file, &passphrase("correct horse")).unwrap(), &[0, 13, 26, 39, 52]);
    }

    #[test]
    fn nobody_chooses_how_long_it_takes() {
        let file = encrypt_with(4, b"", &passphrase("x")).unwrap();
        let text = String::from_utf8_lossy(&file[..60]).into_owned();
        for (work, told) in [("21", "work factor of 2^21"), ("64", "2^64"), ("04", "header"), ("999", "header")] {
            let changed = text.replacen(" 4\n", &format!(" {work}\n"), 1);
            let file = [changed.as_bytes(), &file[60..]].concat();
            let error = decrypt(&file, &passphrase("x")).unwrap_err().to_string();
            assert!(error.contains(told) && work_bytes(&file).is_err(), "{work}: {error}");
        }
        assert_eq!(work_bytes(&file).unwrap(), 1 << 14);
    }
}
