//! Ciphertexts in memory of a device: limb, then ciphertext, then component, then slot, so that
//! whole polynomials lie together and dropped limbs are the last ones.

use std::sync::Arc;

use crate::{Device, Memory, Result, Ring, View};

/// How large a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) limbs: usize,
    pub(crate) components: usize,
    pub(crate) len: usize,
}

impl Shape {
    pub(crate) fn words(self, degree: usize) -> usize {
        self.limbs * self.components * self.len * degree
    }
}

/// Ciphertexts of the same limbs and components.
#[derive(Debug)]
pub struct DeviceValue<M> {
    memory: Arc<M>,
    shape: Shape,
    degree: usize,
}

impl<M> Clone for DeviceValue<M> {
    fn clone(&self) -> Self {
        Self { memory: Arc::clone(&self.memory), ..*self }
    }
}

impl<M: Memory> DeviceValue<M> {
    /// Memory for ciphertexts, all zero.
    pub(crate) fn allocate<D: Device<Memory = M>>(ring: &Ring<'_, D>, shape: Shape) -> Result<Self> {
        let degree = ring.degree();
        let memory = Arc::new(ring.device.allocate(shape.words(degree))?);
        Ok(Self { memory, shape, degree })
    }

    /// Ciphertexts that lie in `memory`: `[limb][ciphertext][component][N]`.
    pub(crate) fn of_memory<D: Device<Memory = M>>(ring: &Ring<'_, D>, memory: M, shape: Shape) -> Self {
        assert_eq!(memory.words(), shape.words(ring.degree()), "words of {shape:?}");
        Self { memory: Arc::new(memory), shape, degree: ring.degree() }
    }

    /// The same ciphertexts without their last limbs, which stay in memory.
    ///
    /// # Panics
    /// When there are fewer.
    #[must_use]
    pub fn first_limbs(&self, limbs: usize) -> Self {
        assert!((1..=self.shape.limbs).contains(&limbs), "{limbs} of {} limbs", self.shape.limbs);
        Self { shape: Shape { limbs, ..self.shape }, ..self.clone() }
    }

    /// The number of ciphertexts.
    pub fn len(&self) -> usize {
        self.shape.len
    }

    /// Whether there is no ciphertext, which is never the case.
    pub fn is_empty(&self) -> bool {
        self.shape.len == 0
    }

    /// The limbs of every ciphertext.
    pub fn limbs(&self) -> usize {
        self.shape.limbs
    }

    /// The components of every ciphertext: 2 or 3.
    pub fn components(&self) -> usize {
        self.shape.components
    }

    /// Whole ciphertexts as items.
    pub fn elements(&self) -> View<'_, M> {
        View { item_stride: self.shape.components * self.degree, ..self.polynomials() }
    }

    /// Components as items, one after the other.
    pub fn polynomials(&self) -> View<'_, M> {
        View::dense(&*self.memory, self.shape.len * self.shape.components, self.degree)
    }
}
