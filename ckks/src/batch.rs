//! Vectors of ciphertexts, stored so that kernels stream them: limb, then tile of slots, then
//! ciphertext, then component. All residues are values of the transform, canonical.

use beaa_memory::Words;
use rayon::prelude::*;

use crate::error::operand;
use crate::kernel::TILE;
use crate::workspaces::Workspaces;
use crate::{Error, Parameters, Result};

/// Elements converted at once between whole polynomials and tiles: bounds the extra memory.
pub const CHUNK: usize = 32;

/// Ciphertexts of the same limbs and components. A batch remembers its primes.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    degree: usize,
    /// One prime for each limb.
    moduli: Vec<u64>,
    components: usize,
    len: usize,
    /// `[limb][tile][element][component][TILE]`.
    data: Words,
}

/// How large a batch is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchShape {
    pub(crate) limbs: usize,
    pub(crate) components: usize,
    pub(crate) len: usize,
}

impl BatchShape {
    /// Words of the elements that are filled at the same time.
    pub(crate) fn flat_words(self, parameters: &Parameters) -> usize {
        CHUNK.min(self.len) * self.components * self.limbs * parameters.degree()
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ciphertexts of {} components and {} limbs, N = {}",
            self.len,
            self.components,
            self.limbs(),
            self.degree
        )
    }
}

impl Batch {
    /// Builds a batch from whole polynomials: `fill` writes ciphertext `element` as
    /// `[component][limb][N]` values. Elements are filled in parallel, a few at a time.
    ///
    /// # Errors
    /// When the parameters have not as many limbs, there is no ciphertext, or `fill` fails.
    pub fn build(
        parameters: &Parameters,
        limbs: usize,
        components: usize,
        len: usize,
        fill: impl Fn(usize, &mut [u64]) -> Result<()> + Sync,
    ) -> Result<Self> {
        let shape = BatchShape { limbs, components, len };
        Self::build_with(parameters, shape, || (), |(), element, out| fill(element, out))
    }

    /// Builds a batch with a workspace for `fill`, of which there are only as many as are used at
    /// the same time.
    pub(crate) fn build_with<W: Send>(
        parameters: &Parameters,
        shape: BatchShape,
        workspace: impl Fn() -> W + Sync,
        fill: impl Fn(&mut W, usize, &mut [u64]) -> Result<()> + Sync,
    ) -> Result<Self> {
        let batch = Self::unset(parameters, shape)?;
        let workspaces = Workspaces::new(workspace);
        let mut flats = Words::unset(shape.flat_words(parameters));
        batch.fill(&mut flats, |element, out| workspaces.with(|workspace| fill(workspace, element, out)))
    }

    /// Fills all elements as [`Self::build`] does, in memory of [`BatchShape::flat_words`] words,
    /// whatever they hold.
    pub(crate) fn fill(
        mut self,
        flats: &mut [u64],
        fill: impl Fn(usize, &mut [u64]) -> Result<()> + Sync,
    ) -> Result<Self> {
        let words = self.components * self.limbs() * self.degree;
        for first in (0..self.len).step_by(CHUNK) {
            let flats = &mut flats[..CHUNK.min(self.len - first) * words];
            flats.par_chunks_exact_mut(words).enumerate().try_for_each(|(i, flat)| fill(first + i, flat))?;
            self.scatter(first, flats);
        }
        Ok(self)
    }

    /// A batch whose residues are anything, for those who write all of them.
    pub(crate) fn unset(parameters: &Parameters, shape: BatchShape) -> Result<Self> {
        let words = Self::words_of(parameters, shape)?;
        Ok(Self::of(parameters, shape, Words::unset(words)))
    }

    fn of(parameters: &Parameters, shape: BatchShape, data: Words) -> Self {
        let BatchShape { limbs, components, len } = shape;
        let moduli = parameters.literal().moduli[..limbs].to_vec();
        Self { degree: parameters.degree(), moduli, components, len, data }
    }

    /// How many words a batch has.
    fn words_of(parameters: &Parameters, shape: BatchShape) -> Result<usize> {
        let BatchShape { limbs, components, len } = shape;
        parameters.check_limbs("building a batch", limbs)?;
        let degree = parameters.degree();
        let words = [limbs, components, len].iter().try_fold(degree, |n, &m| n.checked_mul(m));
        let Some(words) = words.filter(|&n| n > 0 && n <= isize::MAX.unsigned_abs() / 8) else {
            return Err(operand(
                "building a batch",
                format!("{len} ciphertexts of {components} components"),
                "at least one, and no more than memory holds",
            ));
        };
        Ok(words)
    }

    fn scatter(&mut self, first: usize, flats: &[u64]) {
        let (degree, limbs, components) = (self.degree, self.limbs(), self.components);
        let tiles = degree / TILE;
        self.data.par_chunks_mut(self.len * components * TILE).enumerate().for_each(|(block, data)| {
            let (limb, tile) = (block / tiles, block % tiles);
            let targets = data.chunks_exact_mut(TILE).skip(first * components);
            let sources = flats
                .chunks_exact(components * limbs * degree)
                .flat_map(|flat| (0..components).map(move |c| (flat, (c * limbs + limb) * degree + tile * TILE)));
            for (to, (flat, start)) in targets.zip(sources) {
                to.copy_from_slice(&flat[start..start + TILE]);
            }
        });
    }

    /// Takes up the words of a batch, in the order of [`Self::words`].
    ///
    /// # Errors
    /// When the parameters have not as many limbs, there is no ciphertext, or the words are not as
    /// many as these have or not below their primes.
    pub fn from_words(
        parameters: &Parameters,
        limbs: usize,
        components: usize,
        len: usize,
        words: Vec<u64>,
    ) -> Result<Self> {
        let shape = BatchShape { limbs, components, len };
        let expected = Self::words_of(parameters, shape)?;
        if words.len() != expected {
            return Err(operand("building a batch", format!("{} words", words.len()), format!("{expected} words")));
        }
        let mut limbs = words.chunks_exact(expected / limbs).zip(&parameters.literal().moduli);
        if !limbs.all(|(limb, q)| limb.par_iter().all(|w| w < q)) {
            return Err(operand("building a batch", "a word that is not below its prime", "canonical residues"));
        }
        Ok(Self::of(parameters, shape, words.into()))
    }

    /// Returns all residues: limb, then tile of [`TILE`] slots, then ciphertext, then component,
    /// then slot.
    pub fn words(&self) -> &[u64] {
        &self.data
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
        self.moduli.len()
    }

    /// Returns the components of every ciphertext: 2 or 3.
    pub fn components(&self) -> usize {
        self.components
    }

    /// Returns whether these are ciphertexts of such parameters.
    pub fn belongs_to(&self, parameters: &Parameters) -> bool {
        parameters.holds(self.degree, &self.moduli)
    }

    /// Copies the first `limbs` limbs to a new batch.
    ///
    /// # Errors
    /// When there are fewer, or none is wanted.
    pub fn first_limbs(&self, limbs: usize) -> Result<Self> {
        if limbs == 0 || limbs > self.limbs() {
            return Err(Error::Limbs { operation: "dropping limbs", found: limbs, allowed: 1..=self.limbs() });
        }
        let data = Words::copy_of(&self.data[..self.data.len() / self.limbs() * limbs]);
        Ok(Self { moduli: self.moduli[..limbs].to_vec(), data, ..*self })
    }

    /// Whether each ciphertext can be read without a key: all that multiplies the secret is one
    /// number, in every limb. What encryption hides has as many different numbers as slots.
    pub fn is_transparent(&self) -> bool {
        let mut part = vec![0; self.degree];
        let mut constant = |element, component, limb| {
            self.read(element, component, limb, &mut part);
            part.iter().all(|v| *v == part[0])
        };
        (0..self.len).all(|e| (1..self.components).all(|c| (0..self.limbs()).all(|l| constant(e, c, l))))
    }

    /// Copies one polynomial's N values to `out`.
    pub(crate) fn read(&self, element: usize, component: usize, limb: usize, out: &mut [u64]) {
        assert_eq!(out.len(), self.degree, "values of a polynomial");
        assert!(element < self.len && component < self.components, "({element}, {component}) of {self:?}");
        let block = self.block_len();
        let start = (element * self.components + component) * TILE;
        let tiles = self.degree / TILE;
        let limb = &self.data[limb * tiles * block..(limb + 1) * tiles * block];
        for (to, from) in out.chunks_exact_mut(TILE).zip(limb.chunks_exact(block)) {
            to.copy_from_slice(&from[start..start + TILE]);
        }
    }

    /// Words of one tile of one limb.
    pub(crate) fn block_len(&self) -> usize {
        self.len * self.components * TILE
    }

    /// The tile number `block`, counted through the limbs: `[element][component][TILE]`.
    pub(crate) fn block(&self, block: usize) -> &[u64] {
        let n = self.block_len();
        &self.data[block * n..(block + 1) * n]
    }

    pub(crate) fn data_mut(&mut self) -> &mut [u64] {
        &mut self.data
    }

    /// Refuses a batch of other parameters or another number of components.
    pub(crate) fn expect(&self, operation: &'static str, parameters: &Parameters, components: usize) -> Result<()> {
        if self.belongs_to(parameters) && self.components == components {
            return Ok(());
        }
        let found = format!("{self:?} modulo {:?}", self.moduli);
        Err(operand(operation, found, format!("{components} components, {}", parameters.ring())))
    }
}
