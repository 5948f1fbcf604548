//! Keys for rotations. The key of a rotation r encrypts the secret s itself under the secret
//! rotated back by r: switching to it and then rotating everything leads back to s. So a hoisted
//! rotation needs no permuted key (Halevi and Shoup 2018, "Faster Homomorphic Linear
//! Transformations in HElib").

use beaa_secrets::Locked;
use rayon::prelude::*;

use super::order::ValueOrder;
use crate::error::operand;
use crate::kernel::Permutation;
use crate::ring::sample::{PublicSeed, SecretRng};
use crate::switching_key::{KeyStream, SwitchedSecrets, SwitchingKey};
use crate::{Error, Parameters, Result, SecretKey};

/// A rotation that a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyedRotation {
    /// In slots to the left.
    pub slots: usize,
    /// The most limbs that what is rotated may have. A key takes their number squared, divided
    /// by that of special primes.
    pub limbs: usize,
}

impl KeyedRotation {
    /// Returns rotations by so many slots of what has all limbs of the parameters.
    pub fn of_all_limbs(parameters: &Parameters, slots: &[usize]) -> Vec<Self> {
        slots.iter().map(|&slots| Self { slots, limbs: parameters.max_limbs() }).collect()
    }
}

/// What a server needs to rotate: for each rotation a switching key, whose
/// halves `a` are expanded from one seed. Holds no secret.
pub struct GaloisKeys {
    parameters: Parameters,
    seed: PublicSeed,
    /// By slots, ascending.
    rotations: Vec<KeyedRotation>,
    /// One for each rotation.
    keys: Vec<GaloisKey>,
}

/// The key of one rotation.
pub(crate) struct GaloisKey {
    pub(crate) key: SwitchingKey,
    /// What the rotation does to values, for each prime.
    permutations: Vec<Permutation>,
}

impl std::fmt::Debug for GaloisKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GaloisKeys({:?})", self.rotations.iter().map(|r| r.slots).collect::<Vec<_>>())
    }
}

impl GaloisKeys {
    /// Makes the keys for these rotations, for the secret's parameters.
    ///
    /// # Errors
    /// When the rotations are not by ascending numbers from 1 to below N, or have more limbs than
    /// there are, or none.
    pub fn generate(secret: &SecretKey, rotations: &[KeyedRotation], rng: &mut SecretRng) -> Result<Self> {
        let parameters = secret.parameters();
        check_rotations("making Galois keys", parameters, rotations)?;
        let seed = rng.public_seed();
        // Sources by number: the same keys for any number of threads.
        let rngs = rng.split();
        let orders = ValueOrder::of_all(parameters);
        let n = parameters.degree();
        let key = |(number, &KeyedRotation { slots, limbs }): (usize, &KeyedRotation)| {
            let mut from = Locked::zeroed(secret.all_values().len());
            let halves = secret.all_values().chunks_exact(n).zip(from.chunks_exact_mut(n));
            for (order, (values, from)) in orders.iter().zip(halves) {
                parameters.kernel().permute(&order.permutation(n - slots), values, from);
            }
            let secrets = SwitchedSecrets { from: &from, target: secret.all_values() };
            let mut rng = rngs.get(number as u64);
            let key = SwitchingKey::generate(parameters, limbs, secrets, stream(&seed, slots), &mut rng);
            GaloisKey::new(key, &orders, slots)
        };
        let keys = rotations.par_iter().enumerate().map(|(number, rotation)| key((number, rotation))).collect();
        Ok(Self { parameters: parameters.clone(), seed, rotations: rotations.to_vec(), keys })
    }

    /// Reads keys from their seed, their rotations and the digits that [`Self::compressed_digits`]
    /// returned, one after the other.
    ///
    /// # Errors
    /// As [`Self::generate`], and when the bytes are not as many as the keys need, or hold what is
    /// not below its prime.
    pub fn from_compressed(
        parameters: &Parameters,
        seed: PublicSeed,
        rotations: &[KeyedRotation],
        bytes: &[u8],
    ) -> Result<Self> {
        const OPERATION: &str = "reading Galois keys";
        check_rotations(OPERATION, parameters, rotations)?;
        let expected = Self::compressed_len(parameters, rotations);
        if bytes.len() != expected {
            return Err(operand(OPERATION, format!("{} bytes", bytes.len()), format!("{expected} bytes")));
        }
        let orders = ValueOrder::of_all(parameters);
        let mut rest = bytes;
        let parts: Vec<(&KeyedRotation, &[u8])> = rotations
            .iter()
            .map(|rotation| {
                let (front, tail) = rest.split_at(SwitchingKey::compressed_len(parameters, rotation.limbs));
                rest = tail;
                (rotation, front)
            })
            .collect();
        let keys = parts
            .into_par_iter()
            .map(|(&KeyedRotation { slots, limbs }, bytes)| {
                let key = SwitchingKey::from_compressed(OPERATION, parameters, limbs, stream(&seed, slots), bytes)?;
                Ok(GaloisKey::new(key, &orders, slots))
            })
            .collect::<Result<_>>()?;
        Ok(Self { parameters: parameters.clone(), seed, rotations: rotations.to_vec(), keys })
    }

    /// Returns the rotations, by slots, ascending.
    pub fn rotations(&self) -> &[KeyedRotation] {
        &self.rotations
    }

    /// Returns the seed of the halves `a`.
    pub fn seed(&self) -> &PublicSeed {
        &self.seed
    }

    /// Returns the bytes of all compressed digits of the keys for these rotations.
    pub fn compressed_len(parameters: &Parameters, rotations: &[KeyedRotation]) -> usize {
        rotations.iter().map(|rotation| SwitchingKey::compressed_len(parameters, rotation.limbs)).sum()
    }

    /// Packs the halves `b`, rotation by rotation and digit by digit, for each prime the N residues
    /// at the prime's width.
    pub fn compressed_digits(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.keys.iter().flat_map(|key| key.key.compressed_digits(&self.parameters))
    }

    /// Returns `b` and `a` of one digit of the key of a rotation, N values each, modulo one of the
    /// primes of its limbs or a special one, which come after all limbs of the parameters.
    ///
    /// # Panics
    /// When there is no such rotation, digit or prime.
    pub fn halves(&self, rotation: usize, digit: usize, prime: usize) -> [&[u64]; 2] {
        self.keys[rotation].key.halves(digit, prime)
    }

    /// Returns where each of the N values of a rotated element comes from, modulo one prime.
    ///
    /// # Panics
    /// When there is no such rotation or prime.
    pub fn sources(&self, rotation: usize, prime: usize) -> Vec<u32> {
        self.keys[rotation].permutation(prime).sources()
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The key of a rotation of what has so many limbs.
    ///
    /// # Errors
    /// [`Error::MissingGaloisKey`] when there is none.
    pub(crate) fn key(&self, operation: &'static str, rotation: KeyedRotation) -> Result<&GaloisKey> {
        let KeyedRotation { slots, limbs } = rotation;
        let found = self.rotations.binary_search_by_key(&slots, |r| r.slots).ok();
        let key = found.filter(|&number| self.rotations[number].limbs >= limbs).map(|number| &self.keys[number]);
        key.ok_or(Error::MissingGaloisKey { operation, rotation: slots, limbs })
    }
}

impl GaloisKey {
    fn new(key: SwitchingKey, orders: &[ValueOrder], rotation: usize) -> Self {
        Self { key, permutations: orders.iter().map(|order| order.permutation(rotation)).collect() }
    }

    /// What the rotation does to values modulo one prime.
    pub(crate) fn permutation(&self, prime: usize) -> &Permutation {
        &self.permutations[prime]
    }
}

/// The elements of a rotation's halves `a`: no two rotations share one, nor does an evaluation key
/// of the same seed, whose numbers are those of its digits.
fn stream(seed: &PublicSeed, rotation: usize) -> KeyStream<'_> {
    /// More than a key has digits.
    const DIGITS: u64 = 256;
    KeyStream { seed, first: rotation as u64 * DIGITS }
}

fn check_rotations(operation: &'static str, parameters: &Parameters, rotations: &[KeyedRotation]) -> Result<()> {
    let (n, most) = (parameters.degree(), parameters.max_limbs());
    let within = rotations.iter().all(|r| (1..n).contains(&r.slots) && (1..=most).contains(&r.limbs));
    if within && rotations.windows(2).all(|pair| pair[0].slots < pair[1].slots) {
        return Ok(());
    }
    let expected = format!("ascending numbers of slots from 1 to {}, of 1 to {most} limbs", n - 1);
    Err(operand(operation, format!("rotations {rotations:?}"), expected))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::EvaluationKey;
    use crate::testing::parameters;

    #[test]
    fn no_two_digits_of_any_keys_of_one_seed_share_a_half() {
        (0..=3).for_each(assert_no_half_is_shared);
    }

    fn assert_no_half_is_shared(special: usize) {
        let p = parameters(special);
        let rotations = KeyedRotation::of_all_limbs(&p, &[1, 2, 63]);
        let mut rng = SecretRng::insecure(5, "test");
        let secret = SecretKey::generate(&p, &mut rng);
        let galois = GaloisKeys::generate(&secret, &rotations, &mut rng).unwrap();
        let bytes = vec![0; EvaluationKey::compressed_len(&p)];
        let evaluation = EvaluationKey::from_compressed(&p, *galois.seed(), &bytes).unwrap();
        let mut halves = HashSet::new();
        let digits = p.digits(p.max_limbs()).len();
        for digit in 0..digits {
            for prime in 0..p.all_transforms().len() {
                halves.insert(evaluation.halves(digit, prime)[1].to_vec());
                for &rotation in &rotations {
                    halves.insert(galois.key("test", rotation).unwrap().key.halves(digit, prime)[1].to_vec());
                }
            }
        }
        assert_eq!(halves.len(), 4 * digits * p.all_transforms().len());
    }
}
