//! Writing residues as bits without gaps eight at a time, with byte permutations (AVX-512 VBMI).
#![expect(
    unsafe_code,
    reason = "intrinsics, for which the token is the proof; each load is of an array, each store to a checked chunk"
)]

use std::arch::x86_64::{
    _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_maskz_permutexvar_epi8, _mm512_or_si512, _mm512_sllv_epi64,
};

use super::reduce::load;
use super::token::Vbmi;
use crate::kernel::layout::{LANES, TILE};

/// Which bytes of eight residues are merged into each byte of their bits.
#[derive(Debug, Clone)]
pub(crate) struct ByteMerge {
    token: Vbmi,
    /// Bits of a residue.
    bits: u32,
    /// By how many bits each residue is moved up to begin where it does in its first byte.
    shifts: [u64; LANES],
    /// For each byte of the result the byte of the residue that ends there or fills it, and of the
    /// one that begins there, if another one does.
    merged: [MergedBytes; 2],
}

/// Bytes to take, and where in the result any is.
#[derive(Debug, Clone, Copy)]
struct MergedBytes {
    sources: [u8; 64],
    present: u64,
}

impl ByteMerge {
    /// For residues of 8 to 50 bits; `None` for others, and on processors without the instructions.
    pub(crate) fn new(bits: u32) -> Option<Self> {
        // Of 8 bits or more, no more than two share a byte; moved up by 7, 50 fit into a word.
        let token = Vbmi::try_new().filter(|_| (8..=50).contains(&bits))?;
        let width = bits as usize;
        let mut merged = [MergedBytes { sources: [0; 64], present: 0 }; 2];
        for byte in 0..width {
            let (first, last) = (byte * 8 / width, (byte * 8 + 7) / width);
            for (merged, residue) in merged.iter_mut().zip(first..=last) {
                merged.sources[byte] = (residue * 8 + byte - residue * width / 8) as u8;
                merged.present |= 1 << byte;
            }
        }
        Some(Self { token, bits, shifts: std::array::from_fn(|i| (i * width % 8) as u64), merged })
    }

    /// Writes a tile.
    pub(crate) fn pack(&self, values: &[u64; TILE], out: &mut [u8]) {
        assert_eq!(out.len(), self.bits as usize * (TILE / 8), "bytes of a tile of {} bits", self.bits);
        let _proof = self.token;
        // SAFETY: the token proves that the processor has AVX-512 F, BW and VBMI, all that the
        // function enables.
        unsafe { self.pack_tile(values, out) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn pack_tile(&self, values: &[u64; TILE], out: &mut [u8]) {
        let [first, second] = &self.merged;
        // SAFETY: the arrays are 64 readable bytes, and the load needs no alignment.
        let sources = [first, second].map(|m| unsafe { _mm512_loadu_si512(m.sources.as_ptr().cast()) });
        let shifts = load(&self.shifts);
        // Eight residues fill exactly as many bytes as each has bits.
        let chunks = out.chunks_exact_mut(self.bits as usize);
        for (from, to) in values.as_chunks::<LANES>().0.iter().zip(chunks) {
            let moved = _mm512_sllv_epi64(load(from), shifts);
            let bytes = _mm512_or_si512(
                _mm512_maskz_permutexvar_epi8(first.present, sources[0], moved),
                _mm512_maskz_permutexvar_epi8(second.present, sources[1], moved),
            );
            // SAFETY: the mask selects the first `bits` bytes, which are those of the chunk; masked
            // bytes are not written.
            unsafe { _mm512_mask_storeu_epi8(to.as_mut_ptr().cast(), (1 << self.bits) - 1, bytes) };
        }
    }
}
