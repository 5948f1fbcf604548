//! Ciphertexts as they travel: residues packed to their prime's width, in the order in which kernels read them (limb,
//! tile of slots, ciphertext, component), the uniform halves implied by a seed. Read in place, tile by tile. Must never
//! yield a residue that is not canonical without saying so.

use rayon::prelude::*;

use crate::error::operand;
use crate::kernel::bit_packing::{Unpacker, pack, tile_bytes};
use crate::kernel::{Kernel, TILE};
use crate::ring::modulus::Modulus;
use crate::ring::sample::{PublicSeed, Uniform};
use crate::{Batch, Parameters, Result};

/// Elements of which a tile is read at once.
const TOGETHER: usize = 4;
/// Elements packed at once when a vector is built: bounds the extra memory.
const CHUNK: usize = 32;

/// A vector of ciphertexts in packed form, usually of a mapped file.
pub struct CompressedBatch<'a> {
    degree: usize,
    moduli: Vec<Modulus>,
    unpackers: Vec<Unpacker>,
    len: usize,
    stored: usize,
    uniform: Option<Uniform>,
    bytes: &'a [u8],
}

impl std::fmt::Debug for CompressedBatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CompressedBatch({} ciphertexts, {} limbs, {} components)", self.len, self.limbs(), self.components())
    }
}

impl<'a> CompressedBatch<'a> {
    /// `bytes` hold `len` ciphertexts of `limbs` limbs: with a seed their first halves only, otherwise `components` (2 or
    /// 3) each.
    pub fn new(
        parameters: &Parameters,
        limbs: usize,
        len: usize,
        (components, seed): (usize, Option<&PublicSeed>),
        bytes: &'a [u8],
    ) -> Result<Self> {
        parameters.check_limbs("reading ciphertexts", limbs)?;
        let allowed = if seed.is_some() { 2..=2 } else { 2..=3 };
        if !allowed.contains(&components) || len == 0 {
            return Err(operand(
                "reading ciphertexts",
                format!("{len} ciphertexts of {components} components"),
                "at least one, of 2 or 3 components, of 2 with a seed",
            ));
        }
        let stored = if seed.is_some() { 1 } else { components };
        let expected = compressed_bytes(parameters, limbs, stored).checked_mul(len);
        if expected != Some(bytes.len()) {
            return Err(operand(
                "reading ciphertexts",
                format!("{} bytes", bytes.len()),
                format!("{expected:?} bytes for {len} ciphertexts"),
            ));
        }
        let moduli: Vec<Modulus> = parameters.moduli(limbs).collect();
        let unpackers = moduli.iter().map(|&q| Unpacker::new(parameters.kernel(), q)).collect();
        Ok(Self { degree: parameters.degree(), moduli, unpackers, len, stored, uniform: seed.map(Uniform::new), bytes })
    }

    /// Number of ciphertexts.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none; never the case.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Limbs of every ciphertext.
    pub fn limbs(&self) -> usize {
        self.moduli.len()
    }

    /// Components of every ciphertext: 2 or 3.
    pub fn components(&self) -> usize {
        if self.uniform.is_some() { 2 } else { self.stored }
    }

    /// All of it as a batch.
    pub fn expand(&self, parameters: &Parameters) -> Result<Batch> {
        let mut batch = Batch::zeros(parameters, self.limbs(), self.components(), self.len)?;
        let block_len = batch.block_len();
        let canonical = |(block, out): (usize, &mut [u64])| self.read(block, None, out);
        if batch.data_mut().par_chunks_mut(block_len).enumerate().all(canonical) { Ok(batch) } else { Err(refused()) }
    }

    /// Fills `out`, one tile of one limb as [`Batch`] holds it, for all ciphertexts or for the `wanted` ones alone (the
    /// others are left as they are). False when a residue is not canonical.
    pub(crate) fn read(&self, block: usize, columns_read: Option<&[u32]>, out: &mut [u64]) -> bool {
        let tiles = self.degree / TILE;
        let (limb, tile) = (block / tiles, block % tiles);
        let (Some(&q), Some(unpacker)) = (self.moduli.get(limb), self.unpackers.get(limb)) else { return false };
        let before: usize = self.moduli.iter().take(limb).map(|&q| tile_bytes(q) * tiles).sum();
        let size = tile_bytes(q);
        let start = (before + tile * size) * self.len * self.stored;
        let bytes = self.bytes.get(start..start + size * self.len * self.stored).unwrap_or_default();
        let stride = self.components() * TILE;
        let mut read_some = |elements: &[u64]| {
            let mut implied = [[0; TILE]; TOGETHER];
            if let Some(uniform) = &self.uniform {
                uniform.fill_tiles(q, (elements, limb), tile * TILE, &mut implied);
            }
            elements.iter().zip(&implied).fold(true, |fine, (&element, implied)| {
                let element = element as usize;
                let Some(out) = out.get_mut(element * stride..(element + 1) * stride) else { return false };
                let sources = bytes.get(element * self.stored * size..).unwrap_or_default().chunks_exact(size);
                let (stored, rest) = out.as_chunks_mut::<TILE>().0.split_at_mut(self.stored);
                rest.fill(*implied);
                stored.iter_mut().zip(sources).fold(fine, |fine, (to, from)| unpacker.unpack(from, to) & fine)
            })
        };
        let count = columns_read.map_or(self.len, <[u32]>::len);
        (0..count).step_by(TOGETHER).fold(true, |fine, first| {
            let mut elements = [0; TOGETHER];
            let elements = elements.get_mut(..TOGETHER.min(count - first)).unwrap_or_default();
            for (number, e) in (first..).zip(elements.iter_mut()) {
                *e = columns_read.map_or(number as u64, |w| w.get(number).map_or(u64::MAX, |&e| u64::from(e)));
            }
            read_some(elements) & fine
        })
    }
}

pub(crate) fn refused() -> crate::Error {
    operand("reading ciphertexts", "a residue that is not below its prime", "canonical residues")
}

/// Bytes of one ciphertext of which `components` are stored.
pub fn compressed_bytes(parameters: &Parameters, limbs: usize, components: usize) -> usize {
    parameters.moduli(limbs).map(|q| parameters.degree() / TILE * tile_bytes(q)).sum::<usize>() * components
}

/// Packs a whole batch, all components stored.
pub fn compress_batch(parameters: &Parameters, batch: &Batch) -> Vec<u8> {
    let (limbs, per_tile) = (batch.limbs(), batch.len() * batch.components());
    let mut bytes = vec![0; compressed_bytes(parameters, limbs, 1) * per_tile];
    for_each_tile(parameters, limbs, per_tile, &mut bytes, |block, q, out| {
        for (tile, out) in batch.block(block).as_chunks::<TILE>().0.iter().zip(out.chunks_exact_mut(tile_bytes(q))) {
            pack(tile, q, out);
        }
    });
    bytes
}

/// Packs `len` half ciphertexts: `fill` gives number `element` as `[limb][N]` values. Elements are made in parallel, a
/// few at a time.
pub fn compress_b(
    parameters: &Parameters,
    limbs: usize,
    len: usize,
    fill: impl Fn(usize) -> Result<Vec<u64>> + Sync,
) -> Result<Vec<u8>> {
    parameters.check_limbs("packing ciphertexts", limbs)?;
    let degree = parameters.degree();
    let tiles = degree / TILE;
    let mut bytes = vec![0; compressed_bytes(parameters, limbs, 1) * len];
    for first in (0..len).step_by(CHUNK) {
        let halves = (first..len.min(first + CHUNK)).into_par_iter().map(&fill).collect::<Result<Vec<_>>>()?;
        for_each_tile(parameters, limbs, len, &mut bytes, |block, q, out| {
            let start = block / tiles * degree + block % tiles * TILE;
            for (half, out) in halves.iter().zip(out.chunks_exact_mut(tile_bytes(q)).skip(first)) {
                if let Some(tile) = half.get(start..).and_then(<[u64]>::first_chunk) {
                    pack(tile, q, out);
                }
            }
        });
    }
    Ok(bytes)
}

/// Appends whole tiles of residues.
pub fn pack_residues(values: &[u64], q: Modulus, out: &mut Vec<u8>) {
    for tile in values.as_chunks::<TILE>().0 {
        let start = out.len();
        out.resize(start + tile_bytes(q), 0);
        pack(tile, q, out.get_mut(start..).unwrap_or_default());
    }
}

/// Reads `count` residues, whole tiles of them, from the front of `bytes`; returns them and the rest.
pub fn unpack_residues(bytes: &[u8], q: Modulus, count: usize) -> Result<(Vec<u64>, &[u8])> {
    let size = count / TILE * tile_bytes(q);
    let Some((front, rest)) = bytes.split_at_checked(size) else {
        return Err(operand("reading residues", format!("{} bytes", bytes.len()), format!("{size}")));
    };
    let mut values = vec![0; count / TILE * TILE];
    let tiles = values.as_chunks_mut::<TILE>().0.iter_mut().zip(front.chunks_exact(tile_bytes(q)));
    let unpacker = Unpacker::new(Kernel::detect(), q);
    let canonical = tiles.fold(true, |fine, (to, from)| unpacker.unpack(from, to) & fine);
    if canonical { Ok((values, rest)) } else { Err(refused()) }
}

/// Calls `work` with the number and the bytes of every tile, in parallel; each tile has `per_tile` packed polynomials.
fn for_each_tile(
    parameters: &Parameters,
    limbs: usize,
    per_tile: usize,
    bytes: &mut [u8],
    work: impl Fn(usize, Modulus, &mut [u8]) + Sync,
) {
    let tiles = parameters.degree() / TILE;
    let mut rest = bytes;
    for (limb, q) in parameters.moduli(limbs).enumerate() {
        let (part, tail) = rest.split_at_mut(tiles * per_tile * tile_bytes(q));
        rest = tail;
        let parts = part.par_chunks_mut(per_tile * tile_bytes(q)).enumerate();
        parts.for_each(|(tile, out)| work(limb * tiles + tile, q, out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParametersLiteral, primes::ntt_primes};

    const N: usize = 64;

    fn parameters(bits: u32) -> Parameters {
        let moduli = ntt_primes(N, bits, 2, &[]).unwrap();
        Parameters::without_security(ParametersLiteral { degree: N, moduli, special: vec![], security: 128 }).unwrap()
    }

    fn batch(p: &Parameters, components: usize) -> Batch {
        Batch::build(p, 2, components, 3, |element, out| {
            let moduli: Vec<u64> = p.moduli(2).map(Modulus::value).collect();
            for (i, limb) in out.chunks_mut(N).enumerate() {
                let q = moduli[i % 2];
                for (j, v) in limb.iter_mut().enumerate() {
                    let x = (element * 1000 + i * 100 + j) as u64;
                    *v = if x.is_multiple_of(3) { q - 1 - x % 7 } else { x.wrapping_mul(0x9E37_79B9_7F4A_7C15) % q };
                }
            }
            Ok(())
        })
        .unwrap()
    }

    #[test]
    fn packing_round_trips_at_every_width() {
        for bits in 15..=50 {
            let p = parameters(bits);
            let before = batch(&p, 3);
            let bytes = compress_batch(&p, &before);
            assert_eq!(bytes.len(), 3 * compressed_bytes(&p, 2, 3));
            let packed = CompressedBatch::new(&p, 2, 3, (3, None), &bytes).unwrap();
            assert!(packed.expand(&p).unwrap() == before, "{bits} bits");
        }
    }

    #[test]
    fn halves_are_completed_from_the_seed() {
        let p = parameters(33);
        let whole = batch(&p, 2);
        let bytes = compress_b(&p, 2, 3, |element| {
            let mut half = vec![0; 2 * N];
            half.chunks_mut(N).enumerate().for_each(|(limb, out)| whole.read(element, 0, limb, out));
            Ok(half)
        })
        .unwrap();
        let seed = [7; 32];
        let packed = CompressedBatch::new(&p, 2, 3, (2, Some(&seed)), &bytes).unwrap();
        let expanded = packed.expand(&p).unwrap();
        let (mut got, mut expected) = (vec![0; N], vec![0; 2 * N]);
        for element in 0..3 {
            crate::expand(&p, &seed, element as u64, &mut expected);
            for limb in 0..2 {
                expanded.read(element, 1, limb, &mut got);
                assert_eq!(got, expected[limb * N..(limb + 1) * N]);
                expanded.read(element, 0, limb, &mut got);
                let mut stored = vec![0; N];
                whole.read(element, 0, limb, &mut stored);
                assert_eq!(got, stored);
            }
        }
        let mut some = vec![0; expanded.block_len()];
        assert!(packed.read(1, Some(&[0, 2]), &mut some));
        assert_eq!(some[..2 * TILE], expanded.block(1)[..2 * TILE]);
        assert_eq!(some[2 * TILE..4 * TILE], [0; 2 * TILE], "nobody asked for the second");
        assert_eq!(some[4 * TILE..], expanded.block(1)[4 * TILE..]);
    }

    #[test]
    fn what_is_no_residue_or_of_the_wrong_size_is_refused() {
        let p = parameters(20);
        let bytes = vec![0xff; 2 * compressed_bytes(&p, 2, 2)];
        assert!(CompressedBatch::new(&p, 2, 2, (2, None), &bytes).unwrap().expand(&p).is_err());
        assert!(CompressedBatch::new(&p, 2, 3, (2, None), &bytes).is_err());
        assert!(CompressedBatch::new(&p, 2, 0, (2, None), &[]).is_err());
        assert!(CompressedBatch::new(&p, 3, 2, (2, None), &bytes).is_err());
        assert!(CompressedBatch::new(&p, 2, usize::MAX, (2, None), &bytes).is_err());
        assert!(CompressedBatch::new(&p, 2, 2, (3, Some(&[0; 32])), &bytes).is_err());
    }
}
