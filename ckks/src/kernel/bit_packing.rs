//! Tiles of residues as little-endian bits without gaps, and back. Must never take a residue that is not canonical for
//! one that is.

use super::{Kernel, TILE};
use crate::ring::modulus::Modulus;

/// Bytes of a tile of residues.
pub(crate) fn tile_bytes(q: Modulus) -> usize {
    TILE / 8 * q.bits() as usize
}

/// Writes a tile to exactly [`tile_bytes`] bytes.
pub(crate) fn pack(values: &[u64; TILE], q: Modulus, out: &mut [u8]) {
    let bits = q.bits();
    let (mut word, mut filled) = (0_u128, 0);
    let mut words = out.chunks_exact_mut(4);
    for &v in values {
        word |= u128::from(v) << filled;
        filled += bits;
        while filled >= 32 {
            if let Some(to) = words.next() {
                to.copy_from_slice(&(word as u32).to_le_bytes());
            }
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
    wide: Option<super::ifma::unpack::ByteShuffle>,
}

impl Unpacker {
    pub(crate) fn new(kernel: Kernel, q: Modulus) -> Self {
        #[cfg(not(target_arch = "x86_64"))]
        let _ = kernel;
        Self {
            q,
            #[cfg(target_arch = "x86_64")]
            wide: (kernel == Kernel::Ifma).then(|| super::ifma::unpack::ByteShuffle::new(q.bits())).flatten(),
        }
    }

    /// Reads a tile from exactly [`tile_bytes`] bytes. False when a residue is not canonical.
    pub(crate) fn unpack(&self, bytes: &[u8], values: &mut [u64; TILE]) -> bool {
        #[cfg(target_arch = "x86_64")]
        if let Some(places) = &self.wide {
            return places.unpack(bytes, values) < self.q.value();
        }
        largest(bytes, self.q.bits() as usize, values) < self.q.value()
    }
}

/// Reads a tile; returns its largest number.
fn largest(bytes: &[u8], bits: usize, values: &mut [u64; TILE]) -> u64 {
    // Residues have at most 50 bits: with up to 7 bits of offset, the eight bytes from any residue's first hold it.
    let mut padded = [0; TILE * 50 / 8 + 8];
    let Some(room) = padded.get_mut(..bytes.len()) else { return u64::MAX };
    room.copy_from_slice(bytes);
    let mask = (1_u64 << bits) - 1;
    let mut largest = 0;
    for (i, v) in values.iter_mut().enumerate() {
        let at = i * bits;
        let word = padded.get(at / 8..).and_then(<[u8]>::first_chunk).map_or(u64::MAX, |b| u64::from_le_bytes(*b));
        *v = word >> (at % 8) & mask;
        largest = largest.max(*v);
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primes::ntt_primes;

    #[test]
    fn every_path_reads_what_was_written_at_every_width() {
        for bits in 15..=50 {
            let q = Modulus::new(ntt_primes(64, bits, 1, &[]).unwrap()[0]);
            let ends = [0, 1, q.value() - 1];
            let value = |i: u64| (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % q.value();
            let mut tile: [u64; TILE] = std::array::from_fn(|i| ends.get(i).copied().unwrap_or(value(i as u64)));
            tile[TILE - 1] = q.value() - 1;
            let mut bytes = vec![0; tile_bytes(q)];
            pack(&tile, q, &mut bytes);
            for kernel in Kernel::ALL.into_iter().filter(|k| k.available()) {
                let unpacker = Unpacker::new(kernel, q);
                let mut back = [0; TILE];
                assert!(unpacker.unpack(&bytes, &mut back), "{kernel:?} {bits}");
                assert_eq!(back, tile, "{kernel:?} {bits}");
                // The least number that is no residue, first and last.
                for at in [0, TILE - 1] {
                    let mut wrong = tile;
                    wrong[at] = q.value();
                    let mut bytes = vec![0; tile_bytes(q)];
                    pack(&wrong, q, &mut bytes);
                    assert!(!unpacker.unpack(&bytes, &mut back), "{kernel:?} {bits}");
                }
                assert!(!unpacker.unpack(&vec![0xff; tile_bytes(q)], &mut back), "{kernel:?} {bits}");
            }
        }
    }
}
