//! Symmetric encryption of one plaintext at a time. A fresh ciphertext is `(b, a)` with `a` from a
//! public seed, so that only `b` need be sent.

use beaa_secrets::Locked;
use zeroize::Zeroizing;

use crate::error::operand;
use crate::ring::encode::EncodeBuffers;
use crate::ring::sample::{LARGEST_ERROR, LimbSlots, PublicSeed, SecretRng, Uniform};
use crate::workspaces::Workspaces;
use crate::{Encoder, Error, Parameters, Result, SecretKey};

/// Which element of which family the half `a` of a fresh ciphertext is. Two plaintexts under one
/// identity reveal their difference: every ciphertext needs a fresh one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CiphertextId {
    /// The family, drawn anew for every batch.
    pub seed: PublicSeed,
    /// The element.
    pub index: u64,
}

impl CiphertextId {
    /// Expands the half `a`: `[limb][N]` values.
    ///
    /// # Errors
    /// When the parameters have not as many limbs.
    pub fn expand_a(&self, parameters: &Parameters, limbs: usize) -> Result<Vec<u64>> {
        parameters.check_limbs("expanding a ciphertext", limbs)?;
        let n = parameters.degree();
        let uniform = Uniform::new(&self.seed);
        let mut a = vec![0; limbs * n];
        for ((limb, modulus), out) in parameters.moduli(limbs).enumerate().zip(a.chunks_exact_mut(n)) {
            uniform.fill(LimbSlots { modulus, limb, first: 0 }, self.index, out);
        }
        Ok(a)
    }
}

/// The integers that slots become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoding {
    /// What a value of 1.0 becomes.
    pub scale: f64,
    /// Limbs of the ciphertext.
    pub limbs: usize,
}

/// Encrypts under one key.
pub struct Encryptor {
    parameters: Parameters,
    encoder: Encoder,
    /// The secret's values, each negated: `[prime][N]`.
    negated: Locked<u64>,
    workspaces: Workspaces<Workspace, NewWorkspace>,
}

impl std::fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encryptor({:?})", self.parameters)
    }
}

type NewWorkspace = Box<dyn Fn() -> Workspace + Send + Sync>;

/// What one encryption works in.
struct Workspace {
    buffers: EncodeBuffers,
    /// The message, and the error once it was added: N coefficients.
    message: Zeroizing<Vec<i64>>,
    /// The half `a` modulo one prime.
    a: Vec<u64>,
}

impl Encryptor {
    /// Takes what encryption needs of a key, for parameters of what it will encrypt.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`] when the key belongs to parameters of another degree or other primes.
    pub fn new(parameters: &Parameters, secret: &SecretKey) -> Result<Self> {
        parameters.expect_key("encrypting", secret.parameters())?;
        let n = parameters.degree();
        let mut negated = Locked::zeroed(parameters.max_limbs() * n);
        for ((i, q), values) in parameters.moduli(parameters.max_limbs()).enumerate().zip(negated.chunks_exact_mut(n)) {
            values.iter_mut().zip(secret.values(i)).for_each(|(negated, &value)| *negated = q.neg(value));
        }
        let encoder = Encoder::new(n);
        let of_workspace = encoder.clone();
        let new =
            move || Workspace { buffers: of_workspace.buffers(), message: Zeroizing::new(vec![0; n]), a: vec![0; n] };
        Ok(Self { parameters: parameters.clone(), encoder, negated, workspaces: Workspaces::new(Box::new(new)) })
    }

    /// Encrypts `slots` (at most N, the rest are zero) and writes `b = m + e - a s` to `out`, as
    /// `[limb][N]` values.
    ///
    /// # Errors
    /// When there are more than N slots, more limbs than the parameters have, or a value too large
    /// for so many limbs; when `out` has another length.
    pub fn encrypt(
        &self,
        slots: &[f64],
        encoding: Encoding,
        id: CiphertextId,
        rng: &mut SecretRng,
        out: &mut [u64],
    ) -> Result<()> {
        const OPERATION: &str = "encrypting";
        let (limbs, n) = (encoding.limbs, self.parameters.degree());
        self.parameters.check_limbs(OPERATION, limbs)?;
        if out.len() != limbs * n {
            return Err(operand(OPERATION, format!("room for {} values", out.len()), format!("{limbs} limbs of {n}")));
        }
        self.workspaces.with(|workspace| self.encrypt_in(workspace, slots, encoding, id, rng, out))
    }

    fn encrypt_in(
        &self,
        Workspace { buffers, message, a }: &mut Workspace,
        slots: &[f64],
        Encoding { scale, limbs }: Encoding,
        id: CiphertextId,
        rng: &mut SecretRng,
        out: &mut [u64],
    ) -> Result<()> {
        let (parameters, n) = (&self.parameters, self.parameters.degree());
        let largest = self.encoder.encode_into(slots, scale, buffers, message)?;
        let log_q: f64 = parameters.moduli(limbs).map(|q| (q.value() as f64).log2()).sum();
        // A quarter of the modulus, which is what programs are planned with, rounded up.
        if largest as f64 > (log_q - 2.0).exp2() + 1.0 {
            return Err(Error::Overflow {
                operation: "encrypting",
                found_bits: (largest as f64).log2() as i32,
                allowed_bits: log_q as i32 - 2,
            });
        }
        rng.add_error(message);
        let uniform = Uniform::new(&id.seed);
        let polynomials = out.chunks_exact_mut(n).zip(self.negated.chunks_exact(n));
        for ((limb, t), (out, negated)) in parameters.transforms(limbs).iter().enumerate().zip(polynomials) {
            let q = t.modulus();
            if largest + LARGEST_ERROR < q.value() {
                out.iter_mut().zip(message.iter()).for_each(|(out, &c)| *out = q.lift(c));
            } else {
                out.iter_mut().zip(message.iter()).for_each(|(out, &c)| *out = q.reduce_i64(c));
            }
            t.forward(out);
            uniform.fill(LimbSlots { modulus: q, limb, first: 0 }, id.index, a);
            parameters.kernel().multiply_add(q, out, a, negated);
        }
        Ok(())
    }
}
