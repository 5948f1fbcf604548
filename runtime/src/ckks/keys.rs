//! Keys and their files. The client's key holds the secret, which is never printed, and is written
//! with mode 0600; the server's holds none. Parameters below their promised security are refused.

use std::io::Write;
use std::path::Path;

use beaa_base::output::{OutputFile, commit_all};
use beaa_ckks::security::{self, Standing};
use beaa_ckks::{EvaluationKey, GaloisKeys, KeyedRotation, Parameters, ParametersLiteral, PublicSeed, SecretKey};
use beaa_ir::ckks::{ParameterSet, Signature, switching_key_polynomials};
use beaa_ir::container::{self, Kind, Opened};
use beaa_memory::Need;
use beaa_secrets::Passphrase;
use serde::{Deserialize, Serialize};

use crate::protected::{self, ClearHeader};
use crate::randomness::{for_keys, note_unlocked};
use crate::{Error, Result};

/// The client's secret key, with its parameters.
pub struct ClientKey {
    pub(crate) parameters: Parameters,
    pub(crate) secret: SecretKey,
    id: String,
    from_seed: bool,
}

/// The server's evaluation key, with its parameters. Holds no secret.
pub struct ServerKey {
    pub(crate) parameters: Parameters,
    pub(crate) key: EvaluationKey,
    /// Where the program rotates slots.
    galois: Option<GaloisKeys>,
    id: String,
    from_seed: bool,
}

/// The keys of client and server that belong together.
#[derive(Debug)]
pub struct KeyPair {
    /// Holds the secret.
    pub client: ClientKey,
    /// Holds no secret; none where the program switches no keys.
    pub server: Option<ServerKey>,
}

impl KeyPair {
    /// Writes all keys or none of them: the client's, readable by its owner alone, to `secret`.
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
        let mut files = Vec::with_capacity(2);
        if let Some(server) = &self.server {
            files.push(server.compose(evaluation)?);
        }
        files.push(self.client.compose(secret, passphrase)?);
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

/// Makes a fresh pair of keys for a program, without an evaluation key where it switches none, and
/// with Galois keys for its rotations where it makes any. INSECURE with a `seed`: the same seed
/// gives the same keys.
///
/// # Errors
/// When the parameters are not known to be secure, there is less memory than Galois keys take, or
/// the system gives no randomness.
pub fn keygen(signature: &Signature, seed: Option<u64>) -> Result<KeyPair> {
    let parameters = check(&signature.parameters)?;
    let mut rng = for_keys(seed, "key generation")?;
    let id: String = rng.public_seed().iter().take(16).map(|b| format!("{b:02x}")).collect();
    let secret = SecretKey::generate(&parameters, &mut rng);
    let evaluation = signature.switches_keys.then(|| EvaluationKey::generate(&secret, &mut rng));
    let rotations = rotations(signature);
    let galois = if rotations.is_empty() {
        None
    } else {
        let bytes = galois_bytes(&signature.parameters, &rotations);
        Need::new("making keys", bytes, "compile the model for a program with fewer rotations").check()?;
        Some(GaloisKeys::generate(&secret, &rotations, &mut rng)?)
    };
    note_unlocked(secret.is_locked());
    let from_seed = seed.is_some();
    let client = ClientKey { parameters: parameters.clone(), secret, id: id.clone(), from_seed };
    Ok(KeyPair { client, server: evaluation.map(|key| ServerKey { parameters, key, galois, id, from_seed }) })
}

/// The rotations of a program, ascending, with the limbs that their keys need.
fn rotations(signature: &Signature) -> Vec<KeyedRotation> {
    let keyed = signature.packing.iter().flat_map(|p| p.rotations.iter().zip(p.key_limbs()));
    keyed.map(|(&rotation, limbs)| KeyedRotation { slots: rotation as usize, limbs }).collect()
}

/// Bytes of Galois keys in memory: two polynomials for each digit and prime.
fn galois_bytes(set: &ParameterSet, rotations: &[KeyedRotation]) -> u64 {
    let all = set.moduli.len() + set.special.len();
    let polynomials = |r: &KeyedRotation| (switching_key_polynomials(r.limbs, set.special.len()) + all) as u64;
    let words = rotations.iter().map(polynomials).sum::<u64>().saturating_mul(set.degree as u64);
    words.saturating_mul(size_of::<u64>() as u64)
}

fn literal(set: &ParameterSet) -> ParametersLiteral {
    ParametersLiteral {
        degree: set.degree,
        moduli: set.moduli.clone(),
        special: set.special.clone(),
        security: set.security,
    }
}

/// Says by which table `parameters` keep the security that they promise.
///
/// # Errors
/// When no table holds them, or when they promise more than any of them allows.
pub fn standing(parameters: &ParameterSet) -> Result<Standing> {
    let ParameterSet { degree, moduli, special, security } = parameters;
    Ok(security::standing(*degree, moduli.iter().chain(special), *security)?)
}

/// Whether `parameters` keep the security that they promise against attacks with quantum computers
/// too.
pub fn resists_quantum_attacks(parameters: &ParameterSet) -> bool {
    let ParameterSet { degree, moduli, special, security } = parameters;
    security::resists_quantum_attacks(*degree, moduli.iter().chain(special), *security)
}

/// The parameters, refused where they are not known to be secure.
pub(super) fn check(set: &ParameterSet) -> Result<Parameters> {
    Ok(Parameters::try_from(literal(set))?)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretHeader {
    id: String,
    parameters: ParameterSet,
    /// Written only where it is so: earlier releases then refuse the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    from_seed: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EvaluationHeader {
    id: String,
    parameters: ParameterSet,
    seed: PublicSeed,
    /// Their digits follow those of the relinearisation key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    galois: Option<GaloisHeader>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    from_seed: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GaloisHeader {
    seed: PublicSeed,
    /// In slots to the left, ascending.
    rotations: Vec<usize>,
    /// Of the key of each rotation; absent in files that were written before keys had fewer than
    /// all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limbs: Option<Vec<usize>>,
}

impl GaloisHeader {
    fn rotations(&self, parameters: &Parameters) -> Result<Vec<KeyedRotation>> {
        let Some(limbs) = &self.limbs else { return Ok(KeyedRotation::of_all_limbs(parameters, &self.rotations)) };
        if limbs.len() != self.rotations.len() {
            let found = format!("limbs of {} rotations", limbs.len());
            let expected = format!("of {}", self.rotations.len());
            return Err(beaa_ir::Error::malformed("reading Galois keys", found, expected).into());
        }
        let keyed = self.rotations.iter().zip(limbs);
        Ok(keyed.map(|(&slots, &limbs)| KeyedRotation { slots, limbs }).collect())
    }
}

fn set(parameters: &Parameters) -> ParameterSet {
    let l = parameters.literal().clone();
    ParameterSet { degree: l.degree, moduli: l.moduli, special: l.special, security: l.security }
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
        let bytes = self.secret.to_bytes();
        let Self { id, parameters, from_seed, .. } = self;
        let header = SecretHeader { id: id.clone(), parameters: set(parameters), from_seed: *from_seed };
        let clear = ClearHeader { id: id.clone(), from_seed: *from_seed };
        protected::compose(path, (Kind::SecretKey, &header, &bytes), &clear, passphrase)
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
        let opened = protected::open::<SecretHeader>(path, Kind::SecretKey, passphrase)?;
        let SecretHeader { id, parameters, from_seed } = opened.header();
        opened.expect(path, id, *from_seed)?;
        let parameters = check(parameters)?;
        let secret = SecretKey::from_bytes(&parameters, opened.payload())?;
        note_unlocked(secret.is_locked());
        Ok(Self { parameters, secret, id: id.clone(), from_seed: *from_seed })
    }

    pub(crate) fn expect_parameters(&self, operation: &'static str, expected: &ParameterSet) -> Result<()> {
        expect_parameters(operation, &self.parameters, expected)
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
        let galois = GaloisKeys::compressed_len(&self.parameters, self.rotations());
        (EvaluationKey::compressed_len(&self.parameters) + galois) as u64
    }

    /// The rotations for which there are Galois keys, ascending.
    pub fn rotations(&self) -> &[KeyedRotation] {
        self.galois.as_ref().map_or(&[], GaloisKeys::rotations)
    }

    /// The key that relinearises.
    pub fn evaluation_key(&self) -> &EvaluationKey {
        &self.key
    }

    /// The keys that rotate, for programs that do.
    pub fn galois(&self) -> Option<&GaloisKeys> {
        self.galois.as_ref()
    }

    /// Writes the key: the halves `a` as their seed, the halves `b` packed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(self.compose(path)?.commit().map_err(beaa_ir::Error::from)?)
    }

    /// Gives the bytes of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// When the header has no form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(container::to_bytes(Kind::EvaluationKey, &self.header(), self.bytes(), |w| self.write_digits(w))?)
    }

    /// The file, but for its name.
    fn compose(&self, path: &Path) -> Result<OutputFile> {
        Ok(container::compose(path, Kind::EvaluationKey, &self.header(), self.bytes(), |w| self.write_digits(w))?)
    }

    fn header(&self) -> EvaluationHeader {
        let Self { id, parameters, from_seed, .. } = self;
        let (id, parameters, seed) = (id.clone(), set(parameters), *self.key.seed());
        let of = |keys: &GaloisKeys| GaloisHeader {
            seed: *keys.seed(),
            rotations: keys.rotations().iter().map(|r| r.slots).collect(),
            limbs: Some(keys.rotations().iter().map(|r| r.limbs).collect()),
        };
        EvaluationHeader { id, parameters, seed, galois: self.galois.as_ref().map(of), from_seed: *from_seed }
    }

    fn write_digits(&self, w: &mut dyn Write) -> std::io::Result<()> {
        self.key.compressed_digits().try_for_each(|digit| w.write_all(&digit))?;
        let galois = self.galois.iter().flat_map(GaloisKeys::compressed_digits);
        galois.into_iter().try_for_each(|digit| w.write_all(&digit))
    }

    /// Reads and checks a key.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of another kind or version, and when its
    /// parameters are not known to be secure.
    pub fn load(path: &Path) -> Result<Self> {
        Self::of_file(container::open(path, Kind::EvaluationKey)?)
    }

    /// Takes up the bytes of a key's file, as [`Self::load`] does.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::of_file(container::open_bytes(Kind::EvaluationKey, bytes)?)
    }

    fn of_file(opened: Opened<EvaluationHeader>) -> Result<Self> {
        let parameters = check(&opened.header.parameters)?;
        // Too few bytes are refused with both numbers.
        let (all, len) = (opened.payload(), EvaluationKey::compressed_len(&parameters));
        let (front, rest) = match &opened.header.galois {
            Some(_) => all.split_at(len.min(all.len())),
            None => (all, &[][..]),
        };
        let key = EvaluationKey::from_compressed(&parameters, opened.header.seed, front)?;
        let of = |h: &GaloisHeader| -> Result<GaloisKeys> {
            let rotations = h.rotations(&parameters)?;
            Ok(GaloisKeys::from_compressed(&parameters, h.seed, &rotations, rest)?)
        };
        let galois = opened.header.galois.as_ref().map(of).transpose()?;
        let EvaluationHeader { id, from_seed, .. } = opened.header;
        Ok(Self { parameters, key, galois, id, from_seed })
    }

    /// Refuses a key that lacks a rotation of the program.
    pub(crate) fn expect_rotations(&self, operation: &'static str, signature: &Signature) -> Result<()> {
        let rotations = rotations(signature);
        let has = |r: &KeyedRotation| {
            let found = self.rotations().binary_search_by_key(&r.slots, |key| key.slots);
            found.is_ok_and(|number| self.rotations()[number].limbs >= r.limbs)
        };
        let missing = rotations.iter().filter(|r| !has(r)).count();
        if missing == 0 {
            return Ok(());
        }
        Err(Error::MissingRotations { operation, missing, rotations: rotations.len() })
    }

    pub(crate) fn expect_parameters(&self, operation: &'static str, expected: &ParameterSet) -> Result<()> {
        expect_parameters(operation, &self.parameters, expected)
    }
}

fn expect_parameters(operation: &'static str, found: &Parameters, expected: &ParameterSet) -> Result<()> {
    if set(found) == *expected {
        return Ok(());
    }
    let describe = |s: &ParameterSet| {
        let ParameterSet { degree, moduli, special, .. } = s;
        let special = if special.is_empty() { "no special prime".to_owned() } else { format!("special {special:?}") };
        format!("degree {degree}, moduli {moduli:?}, {special}, {} bits of security", s.security)
    };
    Err(Error::WrongParameters { operation, found: describe(&set(found)), expected: describe(expected) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_before_mean_keys_of_all_limbs() {
        let moduli = beaa_ckks::primes::ntt_primes(64, 30, 2, &[]).unwrap();
        let literal = ParametersLiteral { degree: 64, moduli, special: vec![], security: 128 };
        let parameters = Parameters::without_security(literal).unwrap();
        let rotations = |limbs: &str| {
            let text = format!("{{\"seed\": {:?}, \"rotations\": [1, 5]{limbs}}}", [0_u8; 32]);
            serde_json::from_str::<GaloisHeader>(&text).unwrap().rotations(&parameters)
        };
        assert_eq!(rotations("").unwrap(), KeyedRotation::of_all_limbs(&parameters, &[1, 5]));
        let keyed = rotations(", \"limbs\": [2, 1]").unwrap();
        assert_eq!(keyed[1], KeyedRotation { slots: 5, limbs: 1 });
        assert!(rotations(", \"limbs\": [2]").is_err());
    }
}
