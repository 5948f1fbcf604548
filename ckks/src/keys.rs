//! Keys: the ternary secret, and the evaluation key with which a server relinearises. Secrets are zeroised on drop,
//! and must never be printed or reach an evaluation.

use zeroize::Zeroizing;

use crate::error::operand;
use crate::ring::sample::{PublicSeed, SecretRng, Uniform};
use crate::{Parameters, Result, kernel};

/// The secret key: N coefficients of -1, 0, 1.
pub struct SecretKey {
    coefficients: Zeroizing<Vec<i64>>,
    /// Values modulo each modulus, then modulo the special prime.
    values: Vec<Zeroizing<Vec<u64>>>,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl SecretKey {
    /// A fresh key.
    pub fn generate(parameters: &Parameters, rng: &mut SecretRng) -> Self {
        Self::from_coefficients(parameters, rng.ternary(parameters.degree()))
    }

    /// One byte per coefficient: 0, 1 or 255.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let bytes = self.coefficients.iter().map(|&c| (c as i8).cast_unsigned()).collect();
        Zeroizing::new(bytes)
    }

    /// The inverse of [`Self::to_bytes`].
    pub fn from_bytes(parameters: &Parameters, bytes: &[u8]) -> Result<Self> {
        if bytes.len() != parameters.degree() || bytes.iter().any(|b| !matches!(b, 0 | 1 | 255)) {
            return Err(operand(
                "reading a secret key",
                "other bytes",
                format!("{} ternary coefficients", parameters.degree()),
            ));
        }
        let coefficients = Zeroizing::new(bytes.iter().map(|b| i64::from(b.cast_signed())).collect());
        Ok(Self::from_coefficients(parameters, coefficients))
    }

    fn from_coefficients(parameters: &Parameters, coefficients: Zeroizing<Vec<i64>>) -> Self {
        let values = parameters
            .all_transforms()
            .iter()
            .map(|t| {
                let mut values =
                    Zeroizing::new(coefficients.iter().map(|&c| t.modulus().reduce_i64(c)).collect::<Vec<_>>());
                t.forward(&mut values);
                values
            })
            .collect();
        Self { coefficients, values }
    }

    /// Values modulo prime number `index` (the special prime comes last).
    pub(crate) fn values(&self, index: usize) -> &[u64] {
        self.values.get(index).map_or(&[], |v| v.as_slice())
    }
}

/// What a server needs to relinearise: for each digit an encryption of `P s^2` in that limb. Holds no secret.
pub struct EvaluationKey {
    seed: PublicSeed,
    /// Per digit the masked half, `[prime][N]`.
    b: Vec<Vec<u64>>,
    /// Per digit the uniform half, expanded from the seed.
    a: Vec<Vec<u64>>,
}

impl std::fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EvaluationKey({} digits)", self.b.len())
    }
}

impl EvaluationKey {
    /// The key for squares of `secret`. One digit per limb; a special prime P, if there is one, divides the noise by P.
    pub fn generate(parameters: &Parameters, secret: &SecretKey, rng: &mut SecretRng) -> Self {
        let seed = rng.public_seed();
        let n = parameters.degree();
        let a = expand(parameters, &seed);
        let b = a
            .iter()
            .enumerate()
            .map(|(digit, a)| {
                let mut error = Zeroizing::new(vec![0_i64; n]);
                rng.add_error(&mut error);
                let mut half = Vec::with_capacity(a.len());
                for (index, (t, a)) in parameters.all_transforms().iter().zip(a.chunks(n)).enumerate() {
                    let q = t.modulus();
                    let s = secret.values(index);
                    let mut b: Vec<u64> = error.iter().map(|&e| q.reduce_i64(e)).collect();
                    t.forward(&mut b);
                    let p = parameters.special().map_or(1, |p| q.reduce(p.modulus().value()));
                    for ((b, &a), &s) in b.iter_mut().zip(a).zip(s) {
                        *b = q.sub(*b, q.mul(a, s));
                        if index == digit {
                            *b = q.add(*b, q.mul(p, q.mul(s, s)));
                        }
                    }
                    half.extend(b);
                }
                half
            })
            .collect();
        Self { seed, b, a }
    }

    /// From the parts that [`Self::seed`] and [`Self::b`] give.
    pub fn from_parts(parameters: &Parameters, seed: PublicSeed, b: Vec<Vec<u64>>) -> Result<Self> {
        let n = parameters.degree();
        let fits = |digit: &Vec<u64>| {
            digit.len() == parameters.all_transforms().len() * n
                && parameters
                    .all_transforms()
                    .iter()
                    .zip(digit.chunks(n))
                    .all(|(t, c)| c.iter().all(|&v| v < t.modulus().value()))
        };
        if b.len() != parameters.max_limbs() || !b.iter().all(fits) {
            return Err(operand(
                "reading an evaluation key",
                "other contents",
                format!("{} digits of canonical residues", parameters.max_limbs()),
            ));
        }
        let a = expand(parameters, &seed);
        Ok(Self { seed, b, a })
    }

    /// The seed of the uniform halves.
    pub fn seed(&self) -> &PublicSeed {
        &self.seed
    }

    /// The masked halves: per digit `[prime][N]` residues, the special prime last.
    pub fn b(&self) -> &[Vec<u64>] {
        &self.b
    }

    /// `accumulators += digit * key` for one digit and one prime.
    pub(crate) fn accumulate(
        &self,
        parameters: &Parameters,
        digit: usize,
        prime: usize,
        values: &[u64],
        accumulators: [&mut [u64]; 2],
    ) {
        let n = parameters.degree();
        let Some(q) = parameters.all_transforms().get(prime).map(crate::ring::ntt::Transform::modulus) else { return };
        for (accumulator, half) in accumulators.into_iter().zip([&self.b, &self.a]) {
            let key = half.get(digit).and_then(|d| d.get(prime * n..(prime + 1) * n)).unwrap_or_default();
            kernel::multiply_add(parameters.kernel(), q, accumulator, values, key);
        }
    }
}

fn expand(parameters: &Parameters, seed: &PublicSeed) -> Vec<Vec<u64>> {
    let (n, uniform) = (parameters.degree(), Uniform::new(seed));
    (0..parameters.max_limbs())
        .map(|digit| {
            let mut a = vec![0; parameters.all_transforms().len() * n];
            let limbs = parameters.all_transforms().iter().zip(a.chunks_mut(n)).enumerate();
            limbs.for_each(|(limb, (t, out))| uniform.fill(t.modulus(), (digit as u64, limb), 0, out));
            a
        })
        .collect()
}
