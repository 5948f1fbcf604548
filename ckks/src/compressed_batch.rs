//! Ciphertexts as they travel: residues packed to their prime's width, in the order in which
//! kernels read them (limb, tile of slots, ciphertext, component), the halves `a` implied by a
//! seed. Read in place, tile by tile; a residue that is not canonical is reported.

use std::ops::Range;

use rayon::prelude::*;

use crate::batch::BatchShape;
use crate::error::operand;
use crate::kernel::TILE;
use crate::kernel::bit_packing::{Unpacker, pack, tile_bytes};
use crate::ring::modulus::Modulus;
use crate::ring::sample::{LimbSlots, PublicSeed, Uniform};
use crate::{Batch, Error, Parameters, Result};

/// Elements of which a tile is read at once.
const READ_TOGETHER: usize = 4;
/// Elements packed at once when a vector is built: bounds the extra memory.
const PACKED_TOGETHER: usize = 32;
/// Bytes of the elements that are packed at once when a vector is written in pieces: enough for
/// pieces that a disk takes well, little beside what anything else needs.
const PIECES_TOGETHER: usize = 32 << 20;

/// What the bytes of a compressed batch hold.
#[derive(Debug, Clone, Copy)]
pub struct CompressedShape {
    /// Limbs of every ciphertext.
    pub limbs: usize,
    /// Number of ciphertexts.
    pub len: usize,
    /// Components of every ciphertext, 2 or 3; 2 with a seed.
    pub components: usize,
    /// With a seed only the halves `b` are stored.
    pub seed: Option<PublicSeed>,
}

/// A batch in compressed form, usually of a mapped file.
pub struct CompressedBatch<'a> {
    parameters: Parameters,
    unpackers: Vec<Unpacker>,
    len: usize,
    /// Components in the bytes.
    stored: usize,
    uniform: Option<Uniform>,
    bytes: &'a [u8],
    /// Is told which bytes have been read for now.
    release: Option<&'a dyn Release>,
}

/// Whoever mapped the bytes of a compressed batch, and can give back the memory behind them.
pub trait Release: Sync {
    /// Is told which bytes have been read for now.
    fn release(&self, bytes: Range<usize>);
}

impl std::fmt::Debug for CompressedBatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (limbs, components) = (self.limbs(), self.components());
        write!(f, "CompressedBatch({} ciphertexts, {limbs} limbs, {components} components)", self.len)
    }
}

impl<'a> CompressedBatch<'a> {
    /// Reads `bytes` as a batch; their residues are checked when they are used.
    ///
    /// # Errors
    /// When the shape is impossible, or the bytes are not as many as it needs.
    pub fn new(parameters: &Parameters, shape: CompressedShape, bytes: &'a [u8]) -> Result<Self> {
        let CompressedShape { limbs, len, components, seed } = shape;
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
        let unpackers = parameters.moduli(limbs).map(|q| Unpacker::new(parameters.kernel(), q)).collect();
        let uniform = seed.as_ref().map(Uniform::new);
        Ok(Self { parameters: parameters.clone(), unpackers, len, stored, uniform, bytes, release: None })
    }

    /// Tells `release` which bytes have been read, tile by tile.
    #[must_use]
    pub fn releasing(self, release: &'a dyn Release) -> Self {
        Self { release: Some(release), ..self }
    }

    /// Returns the number of ciphertexts.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no ciphertext, which is never the case.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the limbs of every ciphertext.
    pub fn limbs(&self) -> usize {
        self.unpackers.len()
    }

    /// Returns the components of every ciphertext: 2 or 3.
    pub fn components(&self) -> usize {
        if self.uniform.is_some() { 2 } else { self.stored }
    }

    /// Unpacks everything to a batch in memory.
    ///
    /// # Errors
    /// When a residue is not below its prime.
    pub fn expand(&self) -> Result<Batch> {
        let shape = BatchShape { limbs: self.limbs(), components: self.components(), len: self.len };
        let mut batch = Batch::zeros(&self.parameters, shape)?;
        let block_len = batch.block_len();
        let canonical = |(block, out): (usize, &mut [u64])| self.read(block, None, out);
        if batch.data_mut().par_chunks_mut(block_len).enumerate().all(canonical) {
            Ok(batch)
        } else {
            Err(not_canonical())
        }
    }

    /// Refuses a batch of other parameters.
    pub(crate) fn expect(&self, operation: &'static str, parameters: &Parameters) -> Result<()> {
        let (degree, limbs) = (self.parameters.degree(), self.limbs());
        let moduli = &self.parameters.literal().moduli[..limbs];
        if parameters.holds(degree, moduli) {
            return Ok(());
        }
        Err(operand(operation, format!("{self:?} modulo {moduli:?}, N = {degree}"), parameters.ring().to_string()))
    }

    /// Fills `out`, one tile of one limb as [`Batch`] holds it, for all ciphertexts or for
    /// `elements` (the others are left as they are). False when a residue is not canonical.
    pub(crate) fn read(&self, block: usize, elements: Option<&[u32]>, out: &mut [u64]) -> bool {
        assert_eq!(out.len(), self.len * self.components() * TILE, "words of a tile of {self:?}");
        let tile = self.tile(block);
        let count = elements.map_or(self.len, <[u32]>::len);
        let mut canonical = true;
        for first in (0..count).step_by(READ_TOGETHER) {
            let mut chosen = [0; READ_TOGETHER];
            let chosen = &mut chosen[..READ_TOGETHER.min(count - first)];
            for (number, element) in (first..).zip(chosen.iter_mut()) {
                *element = elements.map_or(number as u64, |e| u64::from(e[number]));
            }
            canonical &= tile.read(chosen, out);
        }
        if let Some(release) = self.release {
            let start = tile.bytes.as_ptr().addr() - self.bytes.as_ptr().addr();
            release.release(start..start + tile.bytes.len());
        }
        canonical
    }

    fn tile(&self, block: usize) -> CompressedTile<'_> {
        let tiles = self.parameters.degree() / TILE;
        let (limb, tile) = (block / tiles, block % tiles);
        let sizes = self.parameters.moduli(limb + 1).map(tile_bytes);
        let before: usize = sizes.take(limb).map(|size| size * tiles).sum();
        let modulus = self.parameters.transforms(limb + 1)[limb].modulus();
        let size = tile_bytes(modulus);
        let start = (before + tile * size) * self.len * self.stored;
        CompressedTile {
            unpacker: &self.unpackers[limb],
            uniform: self.uniform.as_ref(),
            slots: LimbSlots { modulus, limb, first: tile * TILE },
            bytes: &self.bytes[start..start + size * self.len * self.stored],
            size,
            stored: self.stored,
            components: self.components(),
        }
    }
}

/// One tile of one limb of all ciphertexts.
struct CompressedTile<'a> {
    unpacker: &'a Unpacker,
    uniform: Option<&'a Uniform>,
    slots: LimbSlots,
    /// `[element][stored component][size]`.
    bytes: &'a [u8],
    /// Bytes of one component.
    size: usize,
    stored: usize,
    components: usize,
}

impl CompressedTile<'_> {
    /// Reads some elements to where a batch has them; false when a residue is not canonical.
    fn read(&self, elements: &[u64], out: &mut [u64]) -> bool {
        let mut implied = [[0; TILE]; READ_TOGETHER];
        let implied = &mut implied[..elements.len()];
        if let Some(uniform) = self.uniform {
            uniform.fill_tiles(self.slots, elements, implied);
        }
        let (from_stride, to_stride) = (self.stored * self.size, self.components * TILE);
        let mut canonical = true;
        for (&element, implied) in elements.iter().zip(&*implied) {
            let element = element as usize;
            let out = &mut out[element * to_stride..(element + 1) * to_stride];
            let (stored, rest) = out.as_chunks_mut::<TILE>().0.split_at_mut(self.stored);
            rest.fill(*implied);
            let bytes = &self.bytes[element * from_stride..(element + 1) * from_stride];
            for (to, from) in stored.iter_mut().zip(bytes.chunks_exact(self.size)) {
                canonical &= self.unpacker.unpack(from, to);
            }
        }
        canonical
    }
}

pub(crate) fn not_canonical() -> Error {
    operand("reading ciphertexts", "a residue that is not below its prime", "canonical residues")
}

/// Bytes of one ciphertext of which `components` are stored.
fn compressed_bytes(parameters: &Parameters, limbs: usize, components: usize) -> usize {
    parameters.moduli(limbs).map(|q| parameters.degree() / TILE * tile_bytes(q)).sum::<usize>() * components
}

/// Compresses a whole batch, all components stored.
///
/// # Errors
/// When the batch belongs to other parameters.
pub fn compress_batch(parameters: &Parameters, batch: &Batch) -> Result<Vec<u8>> {
    batch.expect("compressing ciphertexts", parameters, batch.components())?;
    let (limbs, per_tile) = (batch.limbs(), batch.len() * batch.components());
    let mut bytes = vec![0; compressed_bytes(parameters, limbs, 1) * per_tile];
    for_each_tile(parameters, limbs, per_tile, &mut bytes, |block, q, out| {
        for (tile, out) in batch.block(block).as_chunks::<TILE>().0.iter().zip(out.chunks_exact_mut(tile_bytes(q))) {
            pack(tile, q, out);
        }
    });
    Ok(bytes)
}

/// Compresses the halves `b` of `len` ciphertexts: `fill` returns number `element` as `[limb][N]`
/// values. Elements are computed in parallel, a few at a time.
///
/// # Errors
/// When the parameters have not as many limbs, `fill` fails, or returns another number of values.
pub fn compress_b(
    parameters: &Parameters,
    limbs: usize,
    len: usize,
    fill: impl Fn(usize) -> Result<Vec<u64>> + Sync,
) -> Result<Vec<u8>> {
    let halves = Halves::new(parameters, limbs, fill)?;
    let mut bytes = vec![0; compressed_bytes(parameters, limbs, 1) * len];
    for first in (0..len).step_by(PACKED_TOGETHER) {
        let computed = halves.compute(first..len.min(first + PACKED_TOGETHER))?;
        for_each_tile(parameters, limbs, len, &mut bytes, |block, q, out| {
            for (half, out) in computed.iter().zip(out.chunks_exact_mut(tile_bytes(q)).skip(first)) {
                pack(&half.as_chunks::<TILE>().0[block], q, out);
            }
        });
    }
    Ok(bytes)
}

/// Compresses halves as [`compress_b`] does, and hands the bytes to `write` piece by piece, each
/// with its place among all bytes; only some elements are in memory at a time
/// ([`compressing_bytes`]).
///
/// # Errors
/// As [`compress_b`], and those of `write`.
pub fn compress_b_in_pieces<E: From<Error>>(
    parameters: &Parameters,
    limbs: usize,
    len: usize,
    fill: impl Fn(usize) -> Result<Vec<u64>> + Sync,
    write: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let halves = Halves::new(parameters, limbs, fill)?;
    write_pieces(parameters, &halves, len, pieces_together(parameters, limbs, len), write)
}

/// Compresses `together` of `len` halves at a time.
fn write_pieces<E: From<Error>>(
    parameters: &Parameters,
    halves: &Halves<impl Fn(usize) -> Result<Vec<u64>> + Sync>,
    len: usize,
    together: usize,
    mut write: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let (limbs, tiles) = (halves.limbs, parameters.degree() / TILE);
    let mut bytes = vec![0; compressed_bytes(parameters, limbs, 1) * together];
    for first in (0..len).step_by(together) {
        let count = together.min(len - first);
        let computed = halves.compute(first..first + count)?;
        let bytes = &mut bytes[..compressed_bytes(parameters, limbs, 1) * count];
        for_each_tile(parameters, limbs, count, bytes, |block, q, out| {
            for (half, out) in computed.iter().zip(out.chunks_exact_mut(tile_bytes(q))) {
                pack(&half.as_chunks::<TILE>().0[block], q, out);
            }
        });
        drop(computed);
        let (mut rest, mut tile_start) = (&*bytes, 0);
        for size in parameters.moduli(limbs).map(tile_bytes) {
            for _ in 0..tiles {
                let (piece, tail) = rest.split_at(size * count);
                write((tile_start + size * first) as u64, piece)?;
                (rest, tile_start) = (tail, tile_start + size * len);
            }
        }
    }
    Ok(())
}

/// The bytes of `len` ciphertexts of so many limbs of which `components` are stored; none if they
/// cannot be counted.
///
/// # Errors
/// When the parameters have not as many limbs.
pub fn compressed_len(parameters: &Parameters, limbs: usize, components: usize, len: usize) -> Result<Option<u64>> {
    parameters.check_limbs("compressing ciphertexts", limbs)?;
    Ok(compressed_bytes(parameters, limbs, components).checked_mul(len).map(|bytes| bytes as u64))
}

/// The bytes that [`compress_b_in_pieces`] takes at its worst moment, beside what `fill` takes.
///
/// # Errors
/// When the parameters have not as many limbs.
pub fn compressing_bytes(parameters: &Parameters, limbs: usize, len: usize) -> Result<u64> {
    parameters.check_limbs("compressing ciphertexts", limbs)?;
    let each = limbs * parameters.degree() * size_of::<u64>() + compressed_bytes(parameters, limbs, 1);
    Ok((pieces_together(parameters, limbs, len) * each) as u64)
}

fn pieces_together(parameters: &Parameters, limbs: usize, len: usize) -> usize {
    let half = limbs * parameters.degree() * size_of::<u64>();
    (PIECES_TOGETHER / half).max(PACKED_TOGETHER).min(len).max(1)
}

/// The halves `b` of ciphertexts, computed when they are needed.
struct Halves<F> {
    fill: F,
    limbs: usize,
    degree: usize,
}

impl<F: Fn(usize) -> Result<Vec<u64>> + Sync> Halves<F> {
    fn new(parameters: &Parameters, limbs: usize, fill: F) -> Result<Self> {
        parameters.check_limbs("compressing ciphertexts", limbs)?;
        Ok(Self { fill, limbs, degree: parameters.degree() })
    }

    /// Those of some elements, in parallel.
    fn compute(&self, elements: Range<usize>) -> Result<Vec<Vec<u64>>> {
        let one = |element: usize| {
            let half = (self.fill)(element)?;
            if half.len() != self.limbs * self.degree {
                let expected = format!("{} limbs of {}", self.limbs, self.degree);
                return Err(operand("compressing ciphertexts", format!("{} values", half.len()), expected));
            }
            Ok(half)
        };
        elements.into_par_iter().map(one).collect()
    }
}

/// Calls `work` with the number and the bytes of every tile, in parallel; each tile has `per_tile`
/// packed polynomials.
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
mod tests;
