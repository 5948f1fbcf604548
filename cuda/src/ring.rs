//! The ring on a device: constants of all primes, and the tables of their transforms.

use std::ops::Range;

use beaa_ckks::{Modulus, Parameters, TransformRoots};

use crate::kernel::WORDS;
use crate::prime::{constants, factor, inverse, power, product};
use crate::{Argument, Device, Error, Result};

/// The degrees for which there are kernels.
const DEGREES: [usize; 5] = [2048, 4096, 8192, 16384, 32768];

/// Words that an operation takes at a time for what lies between its steps: 256 MiB.
pub(crate) const WORKSPACE: usize = 1 << 25;

/// Parameters with their tables in memory of a device.
#[derive(Debug)]
pub struct Ring<'d, D: Device> {
    pub(crate) device: &'d D,
    pub(crate) parameters: Parameters,
    /// Of all primes, the special ones last.
    pub(crate) primes: Vec<u64>,
    /// Words that an operation takes at a time for what lies between its steps, about.
    pub(crate) workspace: usize,
    constants: D::Memory,
    roots: D::Memory,
    inverse_roots: D::Memory,
    twist: D::Memory,
    untwist: D::Memory,
}

/// Which primes the limbs of a buffer are modulo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limbs {
    /// The first so many primes, in order.
    pub ordinary: usize,
    /// The number of the prime of the next limb.
    pub next: usize,
    /// How many more limbs there are, modulo the primes from that one on.
    pub more: usize,
}

impl Limbs {
    /// The first primes and no other.
    pub fn first(count: usize) -> Self {
        Self { ordinary: count, next: 0, more: 0 }
    }

    /// A single prime.
    pub fn one(number: usize) -> Self {
        Self::range(number..number + 1)
    }

    /// Primes of these numbers and no other.
    pub fn range(numbers: Range<usize>) -> Self {
        Self { ordinary: 0, next: numbers.start, more: numbers.len() }
    }

    /// The numbers of their primes.
    pub(crate) fn numbers(self) -> impl Iterator<Item = usize> {
        (0..self.ordinary).chain(self.next..self.next + self.more)
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.ordinary + self.more
    }
}

impl<'d, D: Device> Ring<'d, D> {
    /// Computes the tables and copies them to the device.
    ///
    /// # Errors
    /// When there are no kernels for the degree, or the device fails.
    pub fn new(device: &'d D, parameters: &Parameters) -> Result<Self> {
        let degree = parameters.degree();
        if !DEGREES.contains(&degree) {
            return Err(Error::Unsupported {
                operation: "preparing a graphics card",
                found: format!("ring degree {degree}"),
                expected: format!("one of {DEGREES:?}"),
            });
        }
        let mut words = Tables::default();
        for (modulus, roots) in parameters.transform_roots() {
            words.add(degree, modulus, roots);
        }
        Ok(Self {
            device,
            parameters: parameters.clone(),
            primes: parameters.transform_roots().map(|(q, _)| q.value()).collect(),
            workspace: WORKSPACE,
            constants: device.upload(&words.constants)?,
            roots: device.upload(&words.roots)?,
            inverse_roots: device.upload(&words.inverse_roots)?,
            twist: device.upload(&words.twist)?,
            untwist: device.upload(&words.untwist)?,
        })
    }

    /// The ring with another bound on what operations take beside operands and results, about so
    /// many words: the same bits, in larger or smaller portions.
    #[must_use]
    pub fn with_workspace(self, words: usize) -> Self {
        Self { workspace: words, ..self }
    }

    /// The ring degree N.
    pub fn degree(&self) -> usize {
        self.parameters.degree()
    }

    /// The first limbs and the special primes: those in which keys are switched.
    pub(crate) fn switching(&self, limbs: usize) -> Limbs {
        let special = self.special();
        Limbs { ordinary: limbs, next: special.start, more: special.len() }
    }

    /// The numbers of the special primes.
    pub(crate) fn special(&self) -> Range<usize> {
        self.parameters.max_limbs()..self.primes.len()
    }

    /// Limbs of a digit.
    pub(crate) fn digit_width(&self) -> usize {
        self.special().len().max(1)
    }

    /// The factors of a kernel that multiplies by an integer, which is known modulo each prime.
    pub(crate) fn factors(&self, limbs: Limbs, modulo: impl Fn(u64) -> u64) -> Result<D::Memory> {
        let factors: Vec<u64> = limbs.numbers().map(|i| self.primes[i]).flat_map(|q| factor(modulo(q), q)).collect();
        self.device.upload(&factors)
    }

    /// Bits of the residues of a limb.
    pub(crate) fn bits(&self, limb: usize) -> u32 {
        u64::BITS - self.primes[limb].leading_zeros()
    }

    /// Blocks for one polynomial.
    pub(crate) fn blocks(&self) -> usize {
        self.degree() / WORDS
    }

    /// The argument of a kernel whose buffers have these limbs.
    pub(crate) fn argument(&self, limbs: Limbs) -> Argument {
        use crate::Memory as _;
        assert!(limbs.numbers().all(|number| number < self.primes.len()), "{limbs:?} of {} primes", self.primes.len());
        let Limbs { ordinary, next, .. } = limbs;
        let tables = [&self.constants, &self.roots, &self.inverse_roots, &self.twist, &self.untwist];
        let [constants, roots, inverse_roots, twist, untwist] = tables.map(|t| t.address());
        let [ordinary, next] = [ordinary, next].map(|number| number as u64);
        Argument::new([self.degree() as u64, constants, roots, inverse_roots, twist, untwist, ordinary, next])
    }
}

/// The words of `Ring` of `kernels/base.cuh`, prime after prime.
#[derive(Default)]
struct Tables {
    constants: Vec<u64>,
    roots: Vec<u64>,
    inverse_roots: Vec<u64>,
    twist: Vec<u64>,
    untwist: Vec<u64>,
}

impl Tables {
    fn add(&mut self, degree: usize, modulus: Modulus, roots: TransformRoots) {
        let q = modulus.value();
        self.constants.extend(constants(q));
        for (root, table) in
            [(roots.negacyclic, &mut self.roots), (inverse(roots.negacyclic, q), &mut self.inverse_roots)]
        {
            let powers = powers(root, degree, q);
            let bits = degree.ilog2();
            let reversed = (0..degree).map(|i| powers[i.reverse_bits() >> (usize::BITS - bits)]);
            table.extend(reversed.flat_map(|p| factor(p, q)));
        }
        // As the processor's engine has them: `z^-j` and `-z^N z^-j`, then `z^j / 2N` and
        // `-z^-j / 2N`; coefficient 0 has no image.
        let (z, half) = (roots.twist, inverse(2 * degree as u64, q));
        let minus_i = q - power(z, degree as u64, q);
        let (forth, back) = (powers(z, degree, q), powers(inverse(z, q), degree, q));
        for j in 0..degree {
            let [twist, untwist] = if j == 0 {
                [[1, 0], [product(2, half, q), 0]]
            } else {
                [[back[j], product(minus_i, back[j], q)], [product(forth[j], half, q), q - product(back[j], half, q)]]
            };
            self.twist.extend(twist.into_iter().flat_map(|v| factor(v, q)));
            self.untwist.extend(untwist.into_iter().flat_map(|v| factor(v, q)));
        }
    }
}

/// The powers 0 to `count - 1` of a root.
fn powers(root: u64, count: usize, q: u64) -> Vec<u64> {
    std::iter::successors(Some(1), |&p| Some(product(p, root, q))).take(count).collect()
}
