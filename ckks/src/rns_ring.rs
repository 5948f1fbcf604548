//! The ring of a set of parameters, as keys, ciphertexts and errors name it.

/// The ring of integers modulo the primes: what two parameters must share for a key of one to serve
/// the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RnsRing {
    /// Ring degree N.
    pub degree: usize,
    /// Primes of the ciphertext modulus.
    pub moduli: Vec<u64>,
    /// Primes used only inside key switching.
    pub special: Vec<u64>,
}

impl std::fmt::Display for RnsRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "degree {} modulo {:?}, special {:?}", self.degree, self.moduli, self.special)
    }
}
