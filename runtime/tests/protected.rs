//! Secret keys under passphrases: what is in the file, what opens it, and what was put together by
//! somebody else. Every opening takes about a second, on purpose.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use beaa_ckks::primes::ntt_primes;
use beaa_ir::ckks::ParameterSet;
use beaa_ir::container::{self, Kind};
use beaa_runtime::ckks::{ClientKey, keygen};
use beaa_runtime::{Error, Passphrase, change_passphrase, is_protected};
use serde_json::Value;

fn parameters() -> ParameterSet {
    let degree = 4096;
    let moduli = ntt_primes(degree, 30, 2, &[]).unwrap();
    ParameterSet { degree, moduli, special: Vec::new(), security: 128 }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.as_bytes()).unwrap()
}

/// Writes the file anew, with another header or payload.
fn rewrite(path: &Path, change: impl Fn(&mut Value, &mut Vec<u8>)) {
    let opened = container::open::<Value>(path, Kind::ProtectedKey).unwrap();
    let (mut header, mut payload) = (opened.header.clone(), opened.payload().to_vec());
    drop(opened);
    change(&mut header, &mut payload);
    container::write(path, Kind::ProtectedKey, &header, payload.len() as u64, |w| w.write_all(&payload)).unwrap();
}

#[test]
fn only_its_passphrase_opens_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.key");
    let key = keygen(&parameters(), None).unwrap().client;
    key.save(&path).unwrap();
    let plain = std::fs::read(&path).unwrap();
    key.save_protected(&path, Some(&passphrase("open"))).unwrap();
    assert!(is_protected(&path).unwrap());
    let opened = container::open::<Value>(&path, Kind::ProtectedKey).unwrap();
    assert_eq!(opened.header, serde_json::json!({"id": key.id()}));
    assert!(opened.payload().starts_with(b"age-encryption.org/v1\n-> scrypt "));
    // What is in clear of a key without passphrase is nowhere here.
    let secret = &plain[plain.len() - 500..plain.len() - 450];
    assert!(!std::fs::read(&path).unwrap().windows(secret.len()).any(|bytes| bytes == secret));
    drop(opened);

    let refused = |passphrase: Option<&Passphrase>| ClientKey::load_protected(&path, passphrase).err().unwrap();
    let error = refused(None);
    assert!(matches!(&error, Error::NoPassphrase { key: id, .. } if id == key.id()), "{error}");
    assert!(error.to_string().contains("--passphrase-file"), "{error}");
    let error = refused(Some(&passphrase("shut")));
    assert!(error.to_string().contains("found a wrong passphrase"), "{error}");
    let loaded = ClientKey::load_protected(&path, Some(&passphrase("open"))).unwrap();
    assert_eq!(loaded.id(), key.id());

    // The name in clear is bound to nothing but the key inside.
    rewrite(&path, |header, _| header["id"] = "0123".into());
    let error = refused(Some(&passphrase("open")));
    assert!(matches!(&error, Error::OtherKeyInside { .. }), "{error}");
    rewrite(&path, |header, _| header["id"] = key.id().into());
    // Not even tried.
    rewrite(&path, |_, payload| {
        let work = payload.windows(4).position(|b| b == b" 18\n").unwrap();
        payload[work + 1..work + 3].copy_from_slice(b"31");
    });
    let error = refused(Some(&passphrase("open"))).to_string();
    assert!(error.contains("work factor of 2^31") && error.contains("at most 2^20"), "{error}");
    rewrite(&path, |_, payload| payload.truncate(40));
    assert!(refused(Some(&passphrase("open"))).to_string().contains("expected"));
}

#[test]
fn passphrases_are_set_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.key");
    let key = keygen(&parameters(), Some(1)).unwrap().client;
    key.save(&path).unwrap();
    let plain = std::fs::read(&path).unwrap();
    let [first, second] = ["first", "second"].map(passphrase);
    assert_eq!(change_passphrase(&path, None, Some(&first)).unwrap(), key.id());
    let opened = container::open::<Value>(&path, Kind::ProtectedKey).unwrap();
    assert_eq!(opened.header["from_seed"], true, "said in clear, too");
    drop(opened);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(change_passphrase(&path, Some(&second), None), Err(Error::Passphrase { .. })));
    assert!(matches!(change_passphrase(&path, None, None), Err(Error::NoPassphrase { .. })));
    assert!(std::fs::read(&path).unwrap() == before, "nothing happened");
    change_passphrase(&path, Some(&first), Some(&second)).unwrap();
    change_passphrase(&path, Some(&second), None).unwrap();
    assert!(std::fs::read(&path).unwrap() == plain, "the same file as before");
    let other = folder.path().join("other");
    container::write(&other, Kind::Receipt, &1, 0, |_| Ok(())).unwrap();
    let error = change_passphrase(&other, None, Some(&first)).unwrap_err().to_string();
    assert!(error.contains("a receipt file") && error.contains("a secret key file"), "{error}");
}

#[cfg(feature = "tfhe")]
#[test]
fn keys_of_the_tfhe_backend_have_passphrases_too() {
    use beaa_ir::tfhe::{DECOMPOSITIONS, Parameters};
    use beaa_runtime::tfhe::{ClientKey, keygen};
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let keys = keygen(&Parameters::new(DECOMPOSITIONS[1]), None).unwrap();
    let open = passphrase("open");
    keys.save_protected(&at("secret"), &at("evaluation"), Some(&open)).unwrap();
    assert!(matches!(ClientKey::load(&at("secret")), Err(Error::NoPassphrase { .. })));
    assert_eq!(ClientKey::load_protected(&at("secret"), Some(&open)).unwrap().id(), keys.client.id());
    let error = beaa_runtime::ckks::ClientKey::load_protected(&at("secret"), Some(&open)).err().unwrap().to_string();
    assert!(error.contains("a tfhe secret key file") && error.contains("a secret key file"), "{error}");
}
