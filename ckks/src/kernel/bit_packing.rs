//! Tiles of residues as little-endian bits without gaps, and back.

use super::Kernel;
#[cfg(target_arch = "x86_64")]
use super::ifma::{pack::ByteMerge, unpack::ByteShuffle};
use super::layout::TILE;
use crate::ring::modulus::Modulus;

/// Bytes of a tile of residues.
pub(crate) fn tile_bytes(q: Modulus) -> usize {
    TILE / 8 * q.bits() as usize
}

/// Writes tiles modulo one prime.
#[derive(Debug, Clone)]
pub(crate) struct Packer {
    q: Modulus,
    #[cfg(target_arch = "x86_64")]
    merge: Option<ByteMerge>,
}

impl Packer {
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "other processors have one way only"))]
    pub(crate) fn new(kernel: Kernel, q: Modulus) -> Self {
        Self {
            q,
            #[cfg(target_arch = "x86_64")]
            merge: if kernel.has_avx512() { ByteMerge::new(q.bits()) } else { None },
        }
    }

    /// Bytes of a tile.
    pub(crate) fn tile_bytes(&self) -> usize {
        tile_bytes(self.q)
    }

    /// Writes a tile of canonical residues to exactly [`Self::tile_bytes`] bytes.
    pub(crate) fn pack(&self, values: &[u64; TILE], out: &mut [u8]) {
        assert_eq!(out.len(), self.tile_bytes(), "bytes of a tile");
        #[cfg(target_arch = "x86_64")]
        if let Some(merge) = &self.merge {
            merge.pack(values, out);
            return;
        }
        pack_tile(values, self.q.bits(), out);
    }
}

/// Writes a tile bit by bit.
fn pack_tile(values: &[u64; TILE], bits: u32, out: &mut [u8]) {
    let (mut word, mut filled) = (0_u128, 0);
    // 32 residues fill exactly as many words of 32 bits as each has bits.
    let words = out.as_chunks_mut::<4>().0;
    let mut next = 0;
    for &v in values {
        word |= u128::from(v) << filled;
        filled += bits;
        while filled >= 32 {
            words[next] = (word as u32).to_le_bytes();
            next += 1;
            word >>= 32;
            filled -= 32;
        }
    }
}

/// Reads tiles modulo one prime.
#[derive(Debug, Clone)]
pub(crate) struct Unpacker {
    q: Modulus,
    #[cfg(target_arch = "x86_64")]
    shuffle: Option<ByteShuffle>,
}

impl Unpacker {
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "other processors have one way only"))]
    pub(crate) fn new(kernel: Kernel, q: Modulus) -> Self {
        Self {
            q,
            #[cfg(target_arch = "x86_64")]
            shuffle: if kernel.has_avx512() { ByteShuffle::new(q.bits()) } else { None },
        }
    }

    /// Reads a tile from exactly [`tile_bytes`] bytes. False when a residue is not canonical.
    pub(crate) fn unpack(&self, bytes: &[u8], values: &mut [u64; TILE]) -> bool {
        assert_eq!(bytes.len(), tile_bytes(self.q), "bytes of a tile");
        #[cfg(target_arch = "x86_64")]
        if let Some(shuffle) = &self.shuffle {
            return shuffle.unpack(bytes, values) < self.q.value();
        }
        unpack_tile(bytes, self.q.bits() as usize, values) < self.q.value()
    }
}

/// Appends a polynomial's values to `out`, tile by tile.
pub(crate) fn pack_polynomial(values: &[u64], packer: &Packer, out: &mut Vec<u8>) {
    assert!(values.len().is_multiple_of(TILE), "{} values are not whole tiles", values.len());
    for tile in values.as_chunks::<TILE>().0 {
        let start = out.len();
        out.resize(start + packer.tile_bytes(), 0);
        packer.pack(tile, &mut out[start..]);
    }
}

/// Reads what [`pack_polynomial`] wrote; false when a residue is not canonical.
pub(crate) fn unpack_polynomial(bytes: &[u8], unpacker: &Unpacker, values: &mut [u64]) -> bool {
    let size = tile_bytes(unpacker.q);
    assert_eq!(bytes.len() * TILE, values.len() * size, "bytes of {} values", values.len());
    let mut canonical = true;
    for (to, from) in values.as_chunks_mut::<TILE>().0.iter_mut().zip(bytes.chunks_exact(size)) {
        canonical &= unpacker.unpack(from, to);
    }
    canonical
}

/// Reads a tile and returns its largest number.
fn unpack_tile(bytes: &[u8], bits: usize, values: &mut [u64; TILE]) -> u64 {
    // Residues have at most 50 bits: with up to 7 bits of offset, the eight bytes from any
    // residue's first hold it.
    let mut padded = [0; TILE * 50 / 8 + 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    let mask = (1_u64 << bits) - 1;
    let mut largest = 0;
    for (i, v) in values.iter_mut().enumerate() {
        let first = i * bits;
        let word = u64::from_le_bytes(std::array::from_fn(|k| padded[first / 8 + k]));
        *v = word >> (first % 8) & mask;
        largest = largest.max(*v);
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primes::ntt_primes;

    #[test]
    fn every_path_writes_the_same_and_reads_it_at_every_width() {
        for bits in 15..=50 {
            let q = Modulus::new(ntt_primes(64, bits, 1, &[]).unwrap()[0]);
            let ends = [0, 1, q.value() - 1];
            let value = |i: u64| (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % q.value();
            let mut tile: [u64; TILE] = std::array::from_fn(|i| ends.get(i).copied().unwrap_or(value(i as u64)));
            tile[TILE - 1] = q.value() - 1;
            let mut bytes = vec![0; tile_bytes(q)];
            pack_tile(&tile, q.bits(), &mut bytes);
            for kernel in Kernel::available() {
                let mut packed = vec![0xff; tile_bytes(q)];
                Packer::new(kernel, q).pack(&tile, &mut packed);
                assert_eq!(packed, bytes, "{kernel:?} {bits}");
                let unpacker = Unpacker::new(kernel, q);
                let mut back = [0; TILE];
                assert!(unpacker.unpack(&bytes, &mut back), "{kernel:?} {bits}");
                assert_eq!(back, tile, "{kernel:?} {bits}");
                // The least number that is no residue, first and last.
                for at in [0, TILE - 1] {
                    let mut wrong = tile;
                    wrong[at] = q.value();
                    let mut bytes = vec![0; tile_bytes(q)];
                    pack_tile(&wrong, q.bits(), &mut bytes);
                    assert!(!unpacker.unpack(&bytes, &mut back), "{kernel:?} {bits}");
                }
                assert!(!unpacker.unpack(&vec![0xff; tile_bytes(q)], &mut back), "{kernel:?} {bits}");
            }
        }
    }
}
