//! Where the randomness of keys and encryptions comes from: the operating system, through ChaCha20,
//! for both backends; or, INSECURE, a number.

use beaa_ckks::SecretRng;

use crate::Result;

/// What a batch is made of. With a seed, its randomness depends on all of it, so that two batches
/// under one seed have neither mask nor error in common.
pub(crate) struct BatchContents<'a> {
    /// Whose key it is under.
    pub(crate) key: &'a str,
    /// What, beside the images, decides the plaintexts.
    pub(crate) encoding: &'a str,
    /// Number of images.
    pub(crate) images: usize,
}

/// The source of a key pair; `purpose` tells the backends apart.
pub(crate) fn for_keys(seed: Option<u64>, purpose: &str) -> Result<SecretRng> {
    Ok(match seed {
        Some(seed) => SecretRng::insecure(seed, purpose),
        None => SecretRng::from_os()?,
    })
}

/// The source of a batch's encryption. With a seed, the numbers of each image count as well.
pub(crate) fn for_batch<I: AsRef<[u8]>>(
    seed: Option<u64>,
    contents: &BatchContents<'_>,
    images: impl Iterator<Item = I>,
) -> Result<SecretRng> {
    let Some(seed) = seed else { return Ok(SecretRng::from_os()?) };
    let BatchContents { key, encoding, images: count } = contents;
    let mut hash = blake3::Hasher::new_derive_key("beaa: encryption from a seed, for tests");
    for field in [seed.to_string(), (*key).to_owned(), (*encoding).to_owned(), count.to_string()] {
        hash.update(&(field.len() as u64).to_le_bytes()).update(field.as_bytes());
    }
    images.for_each(|image| {
        hash.update(image.as_ref());
    });
    Ok(SecretRng::insecure_of(hash.finalize().into()))
}

/// Says that a key may be written to swap, which is no error.
pub(crate) fn note_unlocked(locked: bool) {
    if !locked {
        let limit = match beaa_secrets::lock_limit() {
            Some(bytes) => format!("{} kB", bytes / 1024),
            None => "none".to_owned(),
        };
        tracing::info!(
            "the secret key is not locked in memory, so that it may be written to swap: the limit on locked memory is \
             {limit} (`ulimit -l`)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_under_one_seed_share_nothing_unless_they_are_the_same() {
        let contents = BatchContents { key: "k", encoding: "e", images: 2 };
        let drawn = |seed, contents: &BatchContents<'_>, images: [[u8; 2]; 2]| {
            for_batch(seed, contents, images.iter()).unwrap().public_seed()
        };
        let first = drawn(Some(1), &contents, [[1, 2], [3, 4]]);
        assert_eq!(drawn(Some(1), &contents, [[1, 2], [3, 4]]), first);
        assert_ne!(drawn(Some(2), &contents, [[1, 2], [3, 4]]), first);
        assert_ne!(drawn(Some(1), &contents, [[1, 2], [3, 5]]), first);
        assert_ne!(drawn(Some(1), &BatchContents { key: "o", ..contents }, [[1, 2], [3, 4]]), first);
        assert_ne!(drawn(None, &contents, [[1, 2], [3, 4]]), drawn(None, &contents, [[1, 2], [3, 4]]));
    }
}
