//! Vectors of ciphertexts, stored so that kernels stream them: limb, then tile of slots, then ciphertext, then
//! component. All residues are values of the transform, canonical. Must never mix vectors of different parameters.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::operand;
use crate::kernel::TILE;
use crate::{Parameters, Result};

/// Elements converted at once between whole polynomials and tiles: bounds the extra memory.
pub const CHUNK: usize = 32;

/// `len` ciphertexts of the same limbs and components.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    degree: usize,
    limbs: usize,
    components: usize,
    len: usize,
    data: Vec<u64>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Batch({} ciphertexts, {} limbs, {} components, N = {})",
            self.len, self.limbs, self.components, self.degree
        )
    }
}

impl Batch {
    /// Builds a vector from whole polynomials: `fill` writes ciphertext `element` as `[component][limb][N]` values.
    /// Elements are filled in parallel, a few at a time.
    pub fn build(
        parameters: &Parameters,
        limbs: usize,
        components: usize,
        len: usize,
        fill: impl Fn(usize, &mut [u64]) -> Result<()> + Sync,
    ) -> Result<Self> {
        Self::build_with(parameters, limbs, components, len, || (), |(), element, out| fill(element, out))
    }

    /// The same with room that `fill` may use, made anew only when all that there is is in use.
    pub(crate) fn build_with<R: Send>(
        parameters: &Parameters,
        limbs: usize,
        components: usize,
        len: usize,
        room: impl Fn() -> R + Sync,
        fill: impl Fn(&mut R, usize, &mut [u64]) -> Result<()> + Sync,
    ) -> Result<Self> {
        parameters.check_limbs("building a batch", limbs)?;
        let rooms: Mutex<Vec<R>> = Mutex::new(Vec::new());
        let free = || rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Self::zeros(parameters, limbs, components, len)?;
        let degree = parameters.degree();
        let mut flats = vec![vec![0; components * limbs * degree]; CHUNK.min(len)];
        for first in (0..len).step_by(CHUNK) {
            let count = CHUNK.min(len - first);
            let flats = flats.get_mut(..count).unwrap_or_default();
            flats.par_iter_mut().enumerate().try_for_each(|(i, flat)| {
                let kept = free().pop();
                let mut own = kept.unwrap_or_else(&room);
                fill(&mut own, first + i, flat)?;
                free().push(own);
                Ok(())
            })?;
            batch.scatter(first, flats);
        }
        Ok(batch)
    }

    pub(crate) fn zeros(parameters: &Parameters, limbs: usize, components: usize, len: usize) -> Result<Self> {
        let degree = parameters.degree();
        let words = [limbs, components, len].iter().try_fold(degree, |n, &m| n.checked_mul(m));
        let Some(words) = words.filter(|&n| n > 0 && n <= isize::MAX.unsigned_abs() / 8) else {
            return Err(operand(
                "building a batch",
                format!("{len} ciphertexts of {components} components"),
                "at least one, and no more than memory holds",
            ));
        };
        Ok(Self { degree, limbs, components, len, data: vec![0; words] })
    }

    fn scatter(&mut self, first: usize, flats: &[Vec<u64>]) {
        let (degree, limbs, components) = (self.degree, self.limbs, self.components);
        let tiles = degree / TILE;
        self.data.par_chunks_mut(self.len * components * TILE).enumerate().for_each(|(block, data)| {
            let (limb, tile) = (block / tiles, block % tiles);
            let targets = data.chunks_exact_mut(TILE).skip(first * components);
            let sources = flats
                .iter()
                .flat_map(|flat| (0..components).map(move |c| (flat, (c * limbs + limb) * degree + tile * TILE)));
            for (to, (flat, start)) in targets.zip(sources) {
                to.copy_from_slice(flat.get(start..start + TILE).unwrap_or(&[0; TILE]));
            }
        });
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
        self.limbs
    }

    /// Components of every ciphertext: 2 or 3.
    pub fn components(&self) -> usize {
        self.components
    }

    /// A copy of the first `limbs` limbs.
    pub fn first_limbs(&self, limbs: usize) -> Result<Self> {
        if limbs == 0 || limbs > self.limbs {
            return Err(operand("dropping limbs", format!("{limbs} limbs"), format!("1 to {}", self.limbs)));
        }
        let data = self.data.get(..self.data.len() / self.limbs * limbs).unwrap_or_default().to_vec();
        Ok(Self { limbs, data, ..*self })
    }

    /// Copies one polynomial's values to `out`, which has N places.
    pub fn read(&self, element: usize, component: usize, limb: usize, out: &mut [u64]) {
        let block = self.len * self.components * TILE;
        let start = limb * (self.degree / TILE) * block + (element * self.components + component) * TILE;
        let tiles = self.data.get(start..).unwrap_or_default().chunks(block);
        for (to, from) in out.chunks_exact_mut(TILE).zip(tiles) {
            to.copy_from_slice(from.get(..TILE).unwrap_or(&[0; TILE]));
        }
    }

    /// Words of one tile of one limb.
    pub(crate) fn block_len(&self) -> usize {
        self.len * self.components * TILE
    }

    /// The tile number `block`, counted through the limbs.
    pub(crate) fn block(&self, block: usize) -> &[u64] {
        let n = self.block_len();
        self.data.get(block * n..(block + 1) * n).unwrap_or_default()
    }

    pub(crate) fn data_mut(&mut self) -> &mut [u64] {
        &mut self.data
    }

    pub(crate) fn expect(&self, operation: &'static str, parameters: &Parameters, components: usize) -> Result<()> {
        if self.degree != parameters.degree() || self.limbs > parameters.max_limbs() || self.components != components {
            return Err(operand(
                operation,
                format!("{self:?}"),
                format!(
                    "{components} components, at most {} limbs, N = {}",
                    parameters.max_limbs(),
                    parameters.degree()
                ),
            ));
        }
        Ok(())
    }
}
