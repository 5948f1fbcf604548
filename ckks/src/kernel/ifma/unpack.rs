//! Reading packed residues eight at a time with byte permutations (AVX-512 VBMI). Must never run on a processor without
//! the instructions, which [`ByteShuffle::new`] sees to.
#![allow(unsafe_code, reason = "intrinsics; every access is covered by a length check in the same function")]

use std::arch::x86_64::{
    _mm512_and_si512, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_max_epu64, _mm512_permutexvar_epi8,
    _mm512_reduce_max_epu64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_srlv_epi64,
};

use super::poly_ops::{load, store};
use crate::kernel::TILE;

/// Where in a run of bytes each of eight residues is.
#[derive(Debug, Clone)]
pub(crate) struct ByteShuffle {
    bits: u32,
    /// For each byte of the result the byte to take.
    bytes: [u8; 64],
    /// By how many bits each residue is then too far up.
    shifts: [u64; 8],
}

impl ByteShuffle {
    /// `None` on processors without the instructions. Residues have at most 50 bits.
    pub(crate) fn new(bits: u32) -> Option<Self> {
        let available = std::is_x86_feature_detected!("avx512vbmi") && std::is_x86_feature_detected!("avx512bw");
        let first = |i: usize| i * bits as usize / 8;
        (available && bits <= 50).then(|| Self {
            bits,
            bytes: std::array::from_fn(|b| (first(b / 8) + b % 8) as u8),
            shifts: std::array::from_fn(|i| (i * bits as usize % 8) as u64),
        })
    }

    /// Reads a tile; returns its largest number, or the largest there is if the bytes are too few.
    pub(crate) fn unpack(&self, bytes: &[u8], values: &mut [u64; TILE]) -> u64 {
        if bytes.len() < self.bits as usize * (TILE / 8) {
            return u64::MAX;
        }
        // SAFETY: the instructions are available, or there would be no `ByteShuffle`.
        unsafe { self.unpack_checked(bytes, values) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn unpack_checked(&self, bytes: &[u8], values: &mut [u64; TILE]) -> u64 {
        // SAFETY: 64 readable bytes.
        let places = unsafe { _mm512_loadu_si512(self.bytes.as_ptr().cast()) };
        let shifts = load(&self.shifts);
        let mask = _mm512_set1_epi64((1 << self.bits) - 1);
        let mut largest = _mm512_setzero_si512();
        // Eight residues fill exactly as many bytes as each has bits.
        let sources = bytes.chunks_exact(self.bits as usize);
        for (from, to) in sources.zip(values.as_chunks_mut::<8>().0) {
            // SAFETY: no byte beyond the chunk is read.
            let word = unsafe { _mm512_maskz_loadu_epi8((1 << self.bits) - 1, from.as_ptr().cast()) };
            let spread = _mm512_srlv_epi64(_mm512_permutexvar_epi8(places, word), shifts);
            let residues = _mm512_and_si512(spread, mask);
            largest = _mm512_max_epu64(largest, residues);
            store(to, residues);
        }
        _mm512_reduce_max_epu64(largest)
    }
}
