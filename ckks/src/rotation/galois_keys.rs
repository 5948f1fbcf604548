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

/// What a server needs to rotate: for each rotation a switching key of one digit per limb, whose
/// halves `a` are expanded from one seed. Holds no secret.
pub struct GaloisKeys {
    parameters: Parameters,
    seed: PublicSeed,
    /// Ascending.
    rotations: Vec<usize>,
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
        write!(f, "GaloisKeys({:?})", self.rotations)
    }
}

impl GaloisKeys {
    /// Makes the keys for rotations to the left by so many slots, for the secret's parameters.
    ///
    /// # Errors
    /// When the rotations are not ascending numbers from 1 to below N.
    pub fn generate(secret: &SecretKey, rotations: &[usize], rng: &mut SecretRng) -> Result<Self> {
        let parameters = secret.parameters();
        check_rotations("making Galois keys", parameters, rotations)?;
        let seed = rng.public_seed();
        // Sources by number: the same keys for any number of threads.
        let rngs = rng.split();
        let orders = ValueOrder::of_all(parameters);
        let n = parameters.degree();
        let key = |(number, &rotation): (usize, &usize)| {
            let mut from = Locked::zeroed(secret.all_values().len());
            let halves = secret.all_values().chunks_exact(n).zip(from.chunks_exact_mut(n));
            for (order, (values, from)) in orders.iter().zip(halves) {
                parameters.kernel().permute(&order.permutation(n - rotation), values, from);
            }
            let secrets = SwitchedSecrets { from: &from, target: secret.all_values() };
            let mut rng = rngs.get(number as u64);
            let key = SwitchingKey::generate(parameters, secrets, stream(&seed, rotation), &mut rng);
            GaloisKey::new(key, &orders, rotation)
        };
        let keys = rotations.par_iter().enumerate().map(|(number, rotation)| key((number, rotation))).collect();
        Ok(Self { parameters: parameters.clone(), seed, rotations: rotations.to_vec(), keys })
    }

    /// Reads keys from their seed, their rotations and the digits that [`Self::compressed_digits`]
    /// returned, one after the other.
    ///
    /// # Errors
    /// When the rotations are not ascending numbers from 1 to below N, or the bytes are not as many
    /// as they need, or hold what is not below its prime.
    pub fn from_compressed(
        parameters: &Parameters,
        seed: PublicSeed,
        rotations: &[usize],
        bytes: &[u8],
    ) -> Result<Self> {
        const OPERATION: &str = "reading Galois keys";
        check_rotations(OPERATION, parameters, rotations)?;
        let expected = Self::compressed_len(parameters, rotations.len());
        if bytes.len() != expected {
            return Err(operand(OPERATION, format!("{} bytes", bytes.len()), format!("{expected} bytes")));
        }
        let orders = ValueOrder::of_all(parameters);
        let keys = rotations
            .par_iter()
            .zip(bytes.par_chunks_exact(SwitchingKey::compressed_len(parameters)))
            .map(|(&rotation, bytes)| {
                let key = SwitchingKey::from_compressed(OPERATION, parameters, stream(&seed, rotation), bytes)?;
                Ok(GaloisKey::new(key, &orders, rotation))
            })
            .collect::<Result<_>>()?;
        Ok(Self { parameters: parameters.clone(), seed, rotations: rotations.to_vec(), keys })
    }

    /// Returns the rotations, in slots to the left, ascending.
    pub fn rotations(&self) -> &[usize] {
        &self.rotations
    }

    /// Returns the seed of the halves `a`.
    pub fn seed(&self) -> &PublicSeed {
        &self.seed
    }

    /// Returns the bytes of all compressed digits of the keys for `count` rotations.
    pub fn compressed_len(parameters: &Parameters, count: usize) -> usize {
        SwitchingKey::compressed_len(parameters) * count
    }

    /// Packs the halves `b`, rotation by rotation and digit by digit, for each prime the N residues
    /// at the prime's width.
    pub fn compressed_digits(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.keys.iter().flat_map(|key| key.key.compressed_digits(&self.parameters))
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The key of a rotation.
    ///
    /// # Errors
    /// [`Error::MissingGaloisKey`] when there is none.
    pub(crate) fn key(&self, operation: &'static str, rotation: usize) -> Result<&GaloisKey> {
        let missing = |_| Error::MissingGaloisKey { operation, rotation };
        self.rotations.binary_search(&rotation).map(|number| &self.keys[number]).map_err(missing)
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

fn check_rotations(operation: &'static str, parameters: &Parameters, rotations: &[usize]) -> Result<()> {
    let n = parameters.degree();
    let within = rotations.iter().all(|r| (1..n).contains(r));
    if within && rotations.windows(2).all(|pair| pair[0] < pair[1]) {
        return Ok(());
    }
    Err(operand(operation, format!("rotations by {rotations:?}"), format!("ascending numbers from 1 to {}", n - 1)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::EvaluationKey;
    use crate::testing::parameters;

    #[test]
    fn no_two_digits_of_any_keys_of_one_seed_share_a_half() {
        let p = parameters(true);
        let rotations = [1, 2, 63];
        let mut rng = SecretRng::insecure(5, "test");
        let secret = SecretKey::generate(&p, &mut rng);
        let galois = GaloisKeys::generate(&secret, &rotations, &mut rng).unwrap();
        let bytes = vec![0; EvaluationKey::compressed_len(&p)];
        let evaluation = EvaluationKey::from_compressed(&p, *galois.seed(), &bytes).unwrap();
        let mut halves = HashSet::new();
        for digit in 0..p.max_limbs() {
            for prime in 0..p.all_transforms().len() {
                halves.insert(evaluation.halves(digit, prime)[1].to_vec());
                for rotation in rotations {
                    halves.insert(galois.key("test", rotation).unwrap().key.halves(digit, prime)[1].to_vec());
                }
            }
        }
        assert_eq!(halves.len(), 4 * p.max_limbs() * p.all_transforms().len());
    }
}
