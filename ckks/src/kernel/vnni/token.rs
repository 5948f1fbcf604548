//! Proof that the processor has the instructions of this path.

use crate::kernel::ifma::Ifma;

/// Proof that the processor has AVX-512 F, BW, IFMA and VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vnni(Ifma);

impl Vnni {
    /// Returns the proof where the processor has the instructions.
    pub fn try_new() -> Option<Self> {
        let available = std::is_x86_feature_detected!("avx512bw") && std::is_x86_feature_detected!("avx512vnni");
        Ifma::try_new().filter(|_| available).map(Self)
    }

    /// The path that makes everything but products of pairs.
    pub(super) fn ifma(self) -> Ifma {
        self.0
    }
}
