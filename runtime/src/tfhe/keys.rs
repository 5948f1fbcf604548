//! Keys of the tfhe backend and their files. The client's key holds the secret, which is never
//! printed, is locked in memory, wiped when dropped, and written with mode 0600; the server's holds
//! none.

use std::path::Path;

use beaa_base::output::{OutputFile, commit_all};
use beaa_ir::container::{self, Kind};
use beaa_ir::tfhe::{PARAMETER_SET, Parameters};
use beaa_secrets::{Locked, Passphrase};
use serde::{Deserialize, Serialize};
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::prelude::*;

use super::parameters::{self, Seeds};
use crate::error::damaged;
use crate::protected::{self, ClearHeader};
use crate::randomness::{for_keys, note_unlocked};
use crate::{Error, Result};

/// Secret bits.
pub(super) struct Secret(Locked<u64>);

impl Secret {
    pub(super) fn lwe(&self) -> LweSecretKey<&[u64]> {
        LweSecretKey::from_container(&self.0[..])
    }

    fn glwe(&self) -> GlweSecretKey<&[u64]> {
        GlweSecretKey::from_container(&self.0[..], parameters::degree())
    }
}

/// The client's secret key.
pub struct ClientKey {
    pub(super) parameters: Parameters,
    pub(super) small: Secret,
    pub(super) large: Secret,
    id: String,
    from_seed: bool,
}

/// The server's keys, seeded as in their file. Hold no secret.
pub struct ServerKey {
    pub(super) parameters: Parameters,
    pub(super) bootstrap: SeededLweBootstrapKeyOwned<u64>,
    pub(super) switch: SeededLweKeyswitchKeyOwned<u64>,
    seeds: [u128; 2],
    id: String,
    from_seed: bool,
}

/// The keys of client and server that belong together.
#[derive(Debug)]
pub struct KeyPair {
    /// Holds the secret.
    pub client: ClientKey,
    /// Holds no secret.
    pub server: ServerKey,
}

impl KeyPair {
    /// Writes both keys or neither of them: the client's, readable by its owner alone, to `secret`.
    ///
    /// # Errors
    /// When one of the files cannot be written.
    pub fn save(&self, secret: &Path, evaluation: &Path) -> Result<()> {
        self.save_protected(secret, evaluation, None)
    }

    /// Writes both keys as [`Self::save`] does, the client's under a passphrase if there is one.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_protected(&self, secret: &Path, evaluation: &Path, passphrase: Option<&Passphrase>) -> Result<()> {
        // The secret last: it is never there without the other.
        let files = vec![self.server.compose(evaluation)?, self.client.compose(secret, passphrase)?];
        Ok(commit_all(files).map_err(beaa_ir::Error::from)?)
    }
}

impl std::fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientKey({})", self.id)
    }
}

impl std::fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerKey({})", self.id)
    }
}

/// Makes a fresh pair of keys. INSECURE with a `seed`: the same seed gives the same keys.
///
/// # Errors
/// When the parameters are not known to be secure, or the system gives no randomness.
pub fn keygen(parameters: &Parameters, seed: Option<u64>) -> Result<KeyPair> {
    parameters::check(parameters)?;
    let mut rng = for_keys(seed, "tfhe key generation")?;
    let id = format!("{:032x}", rng.seed());
    let client = ClientKey {
        parameters: parameters.clone(),
        small: Secret(rng.bits(PARAMETER_SET.lwe_dimension)),
        large: Secret(rng.bits(PARAMETER_SET.polynomial_size)),
        id: id.clone(),
        from_seed: seed.is_some(),
    };
    client.note_unlocked();
    let seeds = [rng.seed(), rng.seed()];
    let mut seeder = Seeds(rng);
    let (base, levels) = parameters::bootstrap_decomposition(parameters);
    let mut bootstrap = SeededLweBootstrapKeyOwned::new(
        0,
        GlweDimension(1).to_glwe_size(),
        parameters::degree(),
        base,
        levels,
        parameters::small(),
        Seed(seeds[0]).into(),
        parameters::modulus(),
    );
    let noise = parameters::large_noise();
    par_generate_seeded_lwe_bootstrap_key(
        &client.small.lwe(),
        &client.large.glwe(),
        &mut bootstrap,
        noise,
        &mut seeder,
    );
    let (base, levels) = parameters::switch_decomposition();
    let mut switch = SeededLweKeyswitchKeyOwned::new(
        0,
        base,
        levels,
        parameters::large(),
        parameters::small(),
        Seed(seeds[1]).into(),
        parameters::modulus(),
    );
    let noise = parameters::small_noise();
    generate_seeded_lwe_keyswitch_key(&client.large.lwe(), &client.small.lwe(), &mut switch, noise, &mut seeder);
    let server = ServerKey { parameters: parameters.clone(), bootstrap, switch, seeds, id, from_seed: seed.is_some() };
    Ok(KeyPair { client, server })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyHeader {
    id: String,
    parameters: Parameters,
    /// Seeds of the uniform halves; public.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seeds: Vec<String>,
    /// Written only where it is so: earlier releases then refuse the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    from_seed: bool,
}

impl ClientKey {
    /// The name of the pair, by which ciphertexts say under which key they are.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the key is INSECURE, derived from a number.
    pub fn is_from_seed(&self) -> bool {
        self.from_seed
    }

    fn note_unlocked(&self) {
        note_unlocked(self.small.0.is_locked() && self.large.0.is_locked());
    }

    /// Writes the key, readable by its owner alone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.save_protected(path, None)
    }

    /// Writes the key as [`Self::save`] does, under a passphrase if there is one.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_protected(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<()> {
        Ok(self.compose(path, passphrase)?.commit().map_err(beaa_ir::Error::from)?)
    }

    /// The file, but for its name.
    fn compose(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<OutputFile> {
        let Self { parameters, small: Secret(small), large: Secret(large), id, from_seed } = self;
        let bits = small.iter().chain(large.iter()).map(|&b| b as u8);
        let bytes = Locked::collect(small.len() + large.len(), bits);
        let (id, parameters) = (id.clone(), parameters.clone());
        let header = KeyHeader { id, parameters, seeds: Vec::new(), from_seed: *from_seed };
        let clear = ClearHeader { id: header.id.clone(), from_seed: *from_seed };
        protected::compose(path, (Kind::TfheSecretKey, &header, &bytes), &clear, passphrase)
    }

    /// Reads and checks a key.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of another kind or version, and when its
    /// parameters are not known to be secure.
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_protected(path, None)
    }

    /// Reads and checks a key as [`Self::load`] does, under its passphrase if it has one.
    ///
    /// # Errors
    /// As [`Self::load`], and when the passphrase is wrong.
    pub fn load_protected(path: &Path, passphrase: Option<&Passphrase>) -> Result<Self> {
        let opened = protected::open::<KeyHeader>(path, Kind::TfheSecretKey, passphrase)?;
        let KeyHeader { id, parameters, from_seed, .. } = opened.header();
        opened.expect(path, id, *from_seed)?;
        parameters::check(parameters)?;
        let bytes = opened.payload();
        if bytes.len() != PARAMETER_SET.lwe_dimension + PARAMETER_SET.polynomial_size || bytes.iter().any(|b| *b > 1) {
            return Err(damaged(
                "reading a secret key",
                format!("{} bytes", bytes.len()),
                "one bit for each dimension",
            ));
        }
        let (small, large) = bytes.split_at(PARAMETER_SET.lwe_dimension);
        let secret = |part: &[u8]| Secret(Locked::collect(part.len(), part.iter().map(|&b| u64::from(b))));
        let (small, large) = (secret(small), secret(large));
        let key = Self { parameters: parameters.clone(), small, large, id: id.clone(), from_seed: *from_seed };
        key.note_unlocked();
        Ok(key)
    }
}

impl ServerKey {
    /// The name of the pair, the same as its client key's.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the pair is INSECURE, derived from a number.
    pub fn is_from_seed(&self) -> bool {
        self.from_seed
    }

    /// Size of the key in bytes, without the header of its file.
    pub fn bytes(&self) -> u64 {
        8 * (self.bootstrap.as_ref().len() + self.switch.as_ref().len()) as u64
    }

    /// Writes the keys: the uniform halves as their seeds.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(self.compose(path)?.commit().map_err(beaa_ir::Error::from)?)
    }

    /// The file, but for its name.
    fn compose(&self, path: &Path) -> Result<OutputFile> {
        let seeds = self.seeds.iter().map(|s| format!("{s:032x}")).collect();
        let (id, parameters) = (self.id.clone(), self.parameters.clone());
        let header = KeyHeader { id, parameters, seeds, from_seed: self.from_seed };
        Ok(container::compose(path, Kind::TfheServerKey, &header, self.bytes(), |w| {
            for part in [self.bootstrap.as_ref(), self.switch.as_ref()] {
                for chunk in part.chunks(1 << 13) {
                    let bytes: Vec<u8> = chunk.iter().flat_map(|v| v.to_le_bytes()).collect();
                    w.write_all(&bytes)?;
                }
            }
            Ok(())
        })?)
    }

    /// Reads and checks keys.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of another kind or version, and when its
    /// parameters are not known to be secure.
    pub fn load(path: &Path) -> Result<Self> {
        let opened = container::open::<KeyHeader>(path, Kind::TfheServerKey)?;
        let KeyHeader { id, parameters, seeds, from_seed } = &opened.header;
        parameters::check(parameters)?;
        let [first, second] = seeds.as_slice() else {
            return Err(damaged("reading evaluation keys", format!("{} seeds", seeds.len()), "two seeds"));
        };
        let seeds = [parse_seed("reading evaluation keys", first)?, parse_seed("reading evaluation keys", second)?];
        let (n, big) = (PARAMETER_SET.lwe_dimension, PARAMETER_SET.polynomial_size);
        let lengths = [n * parameters.levels * 2 * big, big * PARAMETER_SET.switch_levels];
        if opened.payload().len() != 8 * (lengths[0] + lengths[1]) {
            let found = format!("{} bytes", opened.payload().len());
            return Err(damaged("reading evaluation keys", found, format!("{} numbers", lengths[0] + lengths[1])));
        }
        let (bootstrap, switch) = opened.payload().as_chunks::<8>().0.split_at(lengths[0]);
        let numbers = |words: &[[u8; 8]]| words.iter().map(|b| u64::from_le_bytes(*b)).collect::<Vec<_>>();
        let (base, levels) = parameters::bootstrap_decomposition(parameters);
        let bootstrap = SeededLweBootstrapKey::from_container(
            numbers(bootstrap),
            GlweDimension(1).to_glwe_size(),
            parameters::degree(),
            base,
            levels,
            Seed(seeds[0]).into(),
            parameters::modulus(),
        );
        let (base, levels) = parameters::switch_decomposition();
        let size = parameters::small().to_lwe_size();
        let switch = SeededLweKeyswitchKey::from_container(
            numbers(switch),
            base,
            levels,
            size,
            Seed(seeds[1]).into(),
            parameters::modulus(),
        );
        let (id, parameters) = (id.clone(), parameters.clone());
        Ok(Self { parameters, bootstrap, switch, seeds, id, from_seed: *from_seed })
    }
}

/// The seed that a header holds.
pub(super) fn parse_seed(operation: &'static str, digits: &str) -> Result<u128> {
    let refused = |_| damaged(operation, "a seed that is no number", "hexadecimal digits");
    u128::from_str_radix(digits, 16).map_err(refused)
}

/// Refuses keys of other parameters than the program's.
pub(super) fn expect(operation: &'static str, found: &Parameters, expected: &Parameters) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let describe = |p: &Parameters| format!("{} with {} digits of base 2^{}", p.set, p.levels, p.base_log);
    Err(Error::WrongParameters { operation, found: describe(found), expected: describe(expected) })
}
