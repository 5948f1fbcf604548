//! Reading compressed residues eight at a time with byte permutations (AVX-512 VBMI), and random
//! ones.
#![expect(
    unsafe_code,
    reason = "intrinsics, for which the token is the proof; each load is of an array or a checked chunk"
)]

use std::arch::x86_64::{
    _mm512_and_si512, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_max_epu64, _mm512_permutexvar_epi8,
    _mm512_reduce_max_epu64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_srlv_epi64,
};

use super::reduce::{load, store};
use super::token::Vbmi;
use crate::kernel::layout::{LANES, TILE};

/// Where in a run of bytes each of eight residues is.
#[derive(Debug, Clone)]
pub(crate) struct ByteShuffle {
    token: Vbmi,
    /// Bits of a residue.
    bits: u32,
    /// For each byte of the result the byte to take.
    bytes: [u8; 64],
    /// By how many bits each residue is then too far up.
    shifts: [u64; LANES],
}

impl ByteShuffle {
    /// For residues of at most 50 bits; `None` for wider ones, and on processors without the
    /// instructions.
    pub(crate) fn new(bits: u32) -> Option<Self> {
        let token = Vbmi::try_new().filter(|_| bits <= 50)?;
        let first = |i: usize| i * bits as usize / 8;
        Some(Self {
            token,
            bits,
            bytes: std::array::from_fn(|b| (first(b / 8) + b % 8) as u8),
            shifts: std::array::from_fn(|i| (i * bits as usize % 8) as u64),
        })
    }

    /// Reads a tile and returns its largest number.
    pub(crate) fn unpack(&self, bytes: &[u8], values: &mut [u64; TILE]) -> u64 {
        assert_eq!(bytes.len(), self.bits as usize * (TILE / 8), "bytes of a tile of {} bits", self.bits);
        let _proof = self.token;
        // SAFETY: the token proves that the processor has AVX-512 F, BW and VBMI, all that the
        // function enables.
        unsafe { self.unpack_tile(bytes, values) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn unpack_tile(&self, bytes: &[u8], values: &mut [u64; TILE]) -> u64 {
        // SAFETY: the array is 64 readable bytes, and the load needs no alignment.
        let indices = unsafe { _mm512_loadu_si512(self.bytes.as_ptr().cast()) };
        let shifts = load(&self.shifts);
        let mask = _mm512_set1_epi64((1 << self.bits) - 1);
        let mut largest = _mm512_setzero_si512();
        // Eight residues fill exactly as many bytes as each has bits.
        let chunks = bytes.chunks_exact(self.bits as usize);
        for (from, to) in chunks.zip(values.as_chunks_mut::<LANES>().0) {
            // SAFETY: the mask selects the first `bits` bytes, which are those of the chunk; masked
            // bytes are not read.
            let word = unsafe { _mm512_maskz_loadu_epi8((1 << self.bits) - 1, from.as_ptr().cast()) };
            let spread = _mm512_srlv_epi64(_mm512_permutexvar_epi8(indices, word), shifts);
            let residues = _mm512_and_si512(spread, mask);
            largest = _mm512_max_epu64(largest, residues);
            store(to, residues);
        }
        _mm512_reduce_max_epu64(largest)
    }
}

/// Takes the bits of `mask` of each random word, and returns the largest number; words are as many
/// as `out` has.
pub(crate) fn mask_words(token: Vbmi, words: &[[u8; 8]], mask: u64, out: &mut [u64]) -> u64 {
    assert_eq!(words.len(), out.len(), "random words");
    let _proof = token;
    // SAFETY: the token proves that the processor has AVX-512 F, all that the function enables.
    unsafe { mask_eight_by_eight(words, mask, out) }
}

#[target_feature(enable = "avx512f")]
fn mask_eight_by_eight(words: &[[u8; 8]], mask: u64, out: &mut [u64]) -> u64 {
    let wide = _mm512_set1_epi64(mask.cast_signed());
    let mut largest = _mm512_setzero_si512();
    let (eights, rest) = words.as_chunks::<LANES>();
    let (to_eights, to_rest) = out.as_chunks_mut::<LANES>();
    for (from, to) in eights.iter().zip(to_eights) {
        // SAFETY: the array is 64 readable bytes, and the load needs no alignment.
        let word = unsafe { _mm512_loadu_si512(from.as_ptr().cast()) };
        let masked = _mm512_and_si512(word, wide);
        largest = _mm512_max_epu64(largest, masked);
        store(to, masked);
    }
    for (from, to) in rest.iter().zip(&mut *to_rest) {
        *to = u64::from_le_bytes(*from) & mask;
    }
    to_rest.iter().fold(_mm512_reduce_max_epu64(largest), |most, &v| most.max(v))
}
