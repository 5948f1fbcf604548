//! Ciphertexts into the form in which they travel (`compressed_batch.rs` reads it): a whole batch,
//! or elements as they are made, packed tile by tile.

use std::ops::Range;

use rayon::prelude::*;

use crate::compressed_batch::compressed_bytes;
use crate::kernel::TILE;
use crate::kernel::bit_packing::{Packer, tile_bytes};
use crate::{Batch, Error, Parameters, Result};

/// Elements packed at once when a vector is built: bounds the extra memory.
const PACKED_TOGETHER: usize = 32;
/// Bytes of the elements that are packed at once when a vector is written in pieces: enough for
/// pieces that a disk takes well, little beside what anything else needs.
const PIECES_TOGETHER: usize = 32 << 20;

/// Compresses a whole batch, all components stored.
///
/// # Errors
/// When the batch belongs to other parameters.
pub fn compress_batch(parameters: &Parameters, batch: &Batch) -> Result<Vec<u8>> {
    batch.expect("compressing ciphertexts", parameters, batch.components())?;
    let (limbs, per_tile) = (batch.limbs(), batch.len() * batch.components());
    let mut bytes = vec![0; compressed_bytes(parameters, limbs, 1) * per_tile];
    for_each_tile(parameters, limbs, per_tile, &mut bytes, |block, packer, out| {
        let tiles = batch.block(block).as_chunks::<TILE>().0.iter();
        tiles.zip(out.chunks_exact_mut(packer.tile_bytes())).for_each(|(tile, out)| packer.pack(tile, out));
    });
    Ok(bytes)
}

/// Compresses the halves `b` of `len` ciphertexts: `fill` writes all `[limb][N]` values of number
/// `element`. Elements are computed in parallel, a few at a time.
///
/// # Errors
/// When the parameters have not as many limbs, or `fill` fails.
pub fn compress_b<E: From<Error> + Send>(
    parameters: &Parameters,
    limbs: usize,
    len: usize,
    fill: impl Fn(usize, &mut [u64]) -> Result<(), E> + Sync,
) -> Result<Vec<u8>, E> {
    let halves = Halves::new(parameters, limbs, fill)?;
    let mut bytes = vec![0; compressed_bytes(parameters, limbs, 1) * len];
    let mut memory = halves.memory(PACKED_TOGETHER.min(len));
    for first in (0..len).step_by(PACKED_TOGETHER) {
        let computed = halves.compute(first..len.min(first + PACKED_TOGETHER), &mut memory)?;
        for_each_tile(parameters, limbs, len, &mut bytes, |block, packer, out| {
            let size = packer.tile_bytes();
            for (half, out) in halves.each(computed).zip(out.chunks_exact_mut(size).skip(first)) {
                packer.pack(&half.as_chunks::<TILE>().0[block], out);
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
pub fn compress_b_in_pieces<E: From<Error> + Send>(
    parameters: &Parameters,
    limbs: usize,
    len: usize,
    fill: impl Fn(usize, &mut [u64]) -> Result<(), E> + Sync,
    write: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let halves = Halves::new(parameters, limbs, fill)?;
    write_pieces(parameters, &halves, len, pieces_together(parameters, limbs, len), write)
}

/// Compresses `together` of `len` halves at a time.
fn write_pieces<E: From<Error> + Send>(
    parameters: &Parameters,
    halves: &Halves<impl Fn(usize, &mut [u64]) -> Result<(), E> + Sync>,
    len: usize,
    together: usize,
    mut write: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let (limbs, tiles) = (halves.limbs, parameters.degree() / TILE);
    let mut bytes = vec![0; compressed_bytes(parameters, limbs, 1) * together];
    let mut memory = halves.memory(together);
    for first in (0..len).step_by(together) {
        let count = together.min(len - first);
        let computed = halves.compute(first..first + count, &mut memory)?;
        let bytes = &mut bytes[..compressed_bytes(parameters, limbs, 1) * count];
        for_each_tile(parameters, limbs, count, bytes, |block, packer, out| {
            for (half, out) in halves.each(computed).zip(out.chunks_exact_mut(packer.tile_bytes())) {
                packer.pack(&half.as_chunks::<TILE>().0[block], out);
            }
        });
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

impl<F> Halves<F> {
    fn new(parameters: &Parameters, limbs: usize, fill: F) -> Result<Self> {
        parameters.check_limbs("compressing ciphertexts", limbs)?;
        Ok(Self { fill, limbs, degree: parameters.degree() })
    }

    fn len(&self) -> usize {
        self.limbs * self.degree
    }

    /// Memory for the halves of so many elements.
    fn memory(&self, elements: usize) -> Vec<u64> {
        vec![0; elements * self.len()]
    }

    /// Those of some elements, in parallel, in the first of `memory`.
    fn compute<'m, E>(&self, elements: Range<usize>, memory: &'m mut [u64]) -> Result<&'m [u64], E>
    where
        E: From<Error> + Send,
        F: Fn(usize, &mut [u64]) -> Result<(), E> + Sync,
    {
        let memory = &mut memory[..elements.len() * self.len()];
        let halves = memory.par_chunks_exact_mut(self.len()).zip(elements);
        halves.try_for_each(|(half, element)| (self.fill)(element, half))?;
        Ok(memory)
    }

    /// The halves that [`Self::compute`] returned, one by one.
    fn each<'m>(&self, computed: &'m [u64]) -> impl Iterator<Item = &'m [u64]> {
        computed.chunks_exact(self.len())
    }
}

/// Calls `work` with the number of every tile, what packs it, and its bytes, in parallel; each tile
/// has `per_tile` packed polynomials.
fn for_each_tile(
    parameters: &Parameters,
    limbs: usize,
    per_tile: usize,
    bytes: &mut [u8],
    work: impl Fn(usize, &Packer, &mut [u8]) + Sync,
) {
    let tiles = parameters.degree() / TILE;
    let mut rest = bytes;
    for (limb, q) in parameters.moduli(limbs).enumerate() {
        let packer = Packer::new(parameters.kernel(), q);
        let (part, tail) = rest.split_at_mut(tiles * per_tile * packer.tile_bytes());
        rest = tail;
        let parts = part.par_chunks_mut(per_tile * packer.tile_bytes()).enumerate();
        parts.for_each(|(tile, out)| work(limb * tiles + tile, &packer, out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::operand;
    use crate::{ParametersLiteral, primes::ntt_primes};

    const N: usize = 64;

    #[test]
    fn pieces_are_the_bytes_of_the_whole() {
        let literal =
            ParametersLiteral { degree: N, moduli: ntt_primes(N, 33, 2, &[]).unwrap(), special: vec![], security: 128 };
        let p = Parameters::without_security(literal).unwrap();
        let len = 70;
        let fill = |element: usize, half: &mut [u64]| {
            half.iter_mut().enumerate().for_each(|(i, v)| *v = (element * 131 + i) as u64);
            Ok(())
        };
        let whole = compress_b(&p, 2, len, fill).unwrap();
        assert_eq!(compressed_len(&p, 2, 1, len).unwrap(), Some(whole.len() as u64));
        let halves = Halves::new(&p, 2, fill).unwrap();
        for together in [1, 32, len] {
            let mut pieces = vec![0; whole.len()];
            write_pieces(&p, &halves, len, together, |offset, bytes| {
                pieces[offset as usize..][..bytes.len()].copy_from_slice(bytes);
                Ok::<_, Error>(())
            })
            .unwrap();
            assert!(pieces == whole, "{together} at a time");
        }
        let stopped = compress_b_in_pieces(&p, 2, len, fill, |_, _| Err(operand("writing", "a full disk", "space")));
        assert!(stopped.is_err());
    }
}
