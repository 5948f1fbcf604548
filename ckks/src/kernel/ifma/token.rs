//! Proofs that the processor has the instructions of this path.

/// Proof that the processor has AVX-512 F and IFMA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ifma(());

impl Ifma {
    /// Returns the proof where the processor has the instructions.
    pub fn try_new() -> Option<Self> {
        let available = std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512ifma");
        available.then_some(Self(()))
    }
}

/// Proof that the processor has AVX-512 F, BW and VBMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vbmi(());

impl Vbmi {
    /// The proof, where the processor has the instructions.
    pub(crate) fn try_new() -> Option<Self> {
        let available = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vbmi");
        available.then_some(Self(()))
    }
}
