//! Ciphertexts as they travel: residues packed to their prime's width, in the order in which
//! kernels read them (limb, tile of slots, ciphertext, component), the halves `a` implied by a
//! seed. Read in place, tile by tile; a residue that is not canonical is reported.

use std::ops::Range;

use rayon::prelude::*;

use crate::batch::BatchShape;
use crate::error::operand;
use crate::kernel::TILE;
use crate::kernel::bit_packing::{Unpacker, tile_bytes};
use crate::ring::sample::{LimbSlots, PublicSeed, Uniform};
use crate::{Batch, Error, Parameters, Result};

/// Elements of which a tile is read at once.
const READ_TOGETHER: usize = 4;

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
    seed: Option<PublicSeed>,
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
        write!(f, "{} ciphertexts of {components} components and {limbs} limbs", self.len)
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
            let expected = expected.map_or_else(|| "fewer than can be counted".to_owned(), |e| format!("{e} bytes"));
            let expected = format!("{expected} for {len} ciphertexts of {limbs} limbs");
            return Err(operand("reading ciphertexts", format!("{} bytes", bytes.len()), expected));
        }
        let unpackers = parameters.moduli(limbs).map(|q| Unpacker::new(parameters.kernel(), q)).collect();
        let uniform = seed.as_ref().map(Uniform::new);
        Ok(Self { parameters: parameters.clone(), unpackers, len, stored, seed, uniform, bytes, release: None })
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
        let mut batch = Batch::unset(&self.parameters, shape)?;
        let block_len = batch.block_len();
        let canonical = |(block, out): (usize, &mut [u64])| self.read(block, None, out);
        if batch.data_mut().par_chunks_mut(block_len).enumerate().all(canonical) {
            Ok(batch)
        } else {
            Err(not_canonical())
        }
    }

    /// Calls `read` with the bytes of one limb of all ciphertexts, and once that succeeded tells
    /// whoever mapped them that they have been read: tile, then ciphertext, then stored component,
    /// residues as little-endian bits without gaps.
    ///
    /// # Errors
    /// When there are fewer limbs, and those of `read`.
    pub fn with_limb<T, E: From<Error>>(
        &self,
        limb: usize,
        read: impl FnOnce(&[u8]) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        if limb >= self.limbs() {
            let found = format!("limb {limb} of {self:?}");
            return Err(operand("reading ciphertexts", found, "one that there is").into());
        }
        let [start, end] = [limb, limb + 1].map(|l| compressed_bytes(&self.parameters, l, self.stored) * self.len);
        let result = read(&self.bytes[start..end])?;
        if let Some(release) = self.release {
            release.release(start..end);
        }
        Ok(result)
    }

    /// Returns the components in the bytes: all, or with a seed the first.
    pub fn stored_components(&self) -> usize {
        self.stored
    }

    /// Returns the seed of the second components, if they are not stored.
    pub fn seed(&self) -> Option<&PublicSeed> {
        self.seed.as_ref()
    }

    /// Returns whether these are ciphertexts of such parameters.
    pub fn belongs_to(&self, parameters: &Parameters) -> bool {
        parameters.holds(self.parameters.degree(), self.moduli())
    }

    fn moduli(&self) -> &[u64] {
        &self.parameters.literal().moduli[..self.limbs()]
    }

    /// Refuses a batch of other parameters.
    pub(crate) fn expect(&self, operation: &'static str, parameters: &Parameters) -> Result<()> {
        if self.belongs_to(parameters) {
            return Ok(());
        }
        let (moduli, degree) = (self.moduli(), self.parameters.degree());
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
        let (from_stride, to_stride) = (self.stored * self.size, self.components * TILE);
        if let Some(uniform) = self.uniform {
            // The component after those that are stored.
            let start = |element| element as usize * to_stride + self.stored * TILE;
            uniform.fill_tiles(self.slots, TILE, elements, out, start);
        }
        let mut canonical = true;
        for &element in elements {
            let element = element as usize;
            let out = &mut out[element * to_stride..(element + 1) * to_stride];
            let bytes = &self.bytes[element * from_stride..(element + 1) * from_stride];
            for (to, from) in out.as_chunks_mut::<TILE>().0.iter_mut().zip(bytes.chunks_exact(self.size)) {
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
pub(crate) fn compressed_bytes(parameters: &Parameters, limbs: usize, components: usize) -> usize {
    parameters.moduli(limbs).map(|q| parameters.degree() / TILE * tile_bytes(q)).sum::<usize>() * components
}

#[cfg(test)]
mod tests;
