//! The arithmetic of tiles and of polynomials modulo one prime: integer-matrix products, squares,
//! and the steps of the transform and of key switching. Each path gives the same canonical residues
//! to the last bit; which one runs is decided once, by what the processor has.
//!
//! A new instruction set is a folder here with a token and an [`ArithmeticPath`], and a variant of
//! [`Kernel`]; the tests then run it against the others.

mod aligned;
pub(crate) mod bit_packing;
pub(crate) mod fma;
#[cfg(target_arch = "x86_64")]
pub(crate) mod ifma;
mod layout;
mod op_count;
mod packed_weights;
mod paired_rows;
mod path;
mod permutation;
mod portable;
mod row_grouping;
mod shared_columns;
mod singleton_rows;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub(crate) use aligned::Aligned;
pub use fma::Fma;
#[cfg(target_arch = "x86_64")]
pub use ifma::Ifma;
pub use layout::TILE;
use layout::{LANES, PANEL_ROWS, WeightForm};
pub use packed_weights::Panels;
use paired_rows::PairNorms;
use path::ArithmeticPath;
pub(crate) use path::{
    BaseChange, BaseTerm, PairProduct, ProductInput, ProductWorkspace, TileProduct, TileProducts, TwistFactors,
};
pub(crate) use permutation::Permutation;
use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub use vnni::Vnni;

use crate::ring::modulus::{Factor, Modulus};

/// An arithmetic path of this processor. Paths of special instructions hold a token, which exists
/// only where the processor has them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Plain integers, on any processor.
    Portable,
    /// Fused multiply-and-add of doubles: AVX2 with FMA, or NEON.
    Fma(Fma),
    /// AVX-512 with 52-bit multiply-and-add.
    #[cfg(target_arch = "x86_64")]
    Ifma(Ifma),
    /// AVX-512 with 16-bit dot products, and 52-bit multiply-and-add for all else.
    #[cfg(target_arch = "x86_64")]
    Vnni(Vnni),
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Evaluates an expression with the path of a kernel: one copy of it for each.
macro_rules! with_path {
    ($kernel:expr, $path:ident => $body:expr) => {
        match $kernel {
            Kernel::Portable => {
                let $path = Portable;
                $body
            }
            Kernel::Fma($path) => $body,
            #[cfg(target_arch = "x86_64")]
            Kernel::Ifma($path) => $body,
            #[cfg(target_arch = "x86_64")]
            Kernel::Vnni($path) => $body,
        }
    };
}

impl Kernel {
    /// Returns every path that this processor has, the slowest first.
    pub fn available() -> Vec<Self> {
        let mut paths = vec![Self::Portable];
        paths.extend(Fma::try_new().map(Self::Fma));
        #[cfg(target_arch = "x86_64")]
        paths.extend(Ifma::try_new().map(Self::Ifma));
        #[cfg(target_arch = "x86_64")]
        paths.extend(Vnni::try_new().map(Self::Vnni));
        paths
    }

    /// Returns the fastest path that this processor has.
    pub fn detect() -> Self {
        Self::available().into_iter().next_back().unwrap_or(Self::Portable)
    }

    /// Returns the name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "Portable",
            Self::Fma(_) => "Fma",
            #[cfg(target_arch = "x86_64")]
            Self::Ifma(_) => "Ifma",
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(_) => "Vnni",
        }
    }

    /// Whether the path is one of AVX-512, of which others than products may use more.
    #[cfg(target_arch = "x86_64")]
    fn has_avx512(self) -> bool {
        matches!(self, Self::Ifma(_) | Self::Vnni(_))
    }

    fn column_cost(self) -> [f64; PANEL_ROWS] {
        with_path!(self, path => path.column_cost())
    }

    /// Returns how many products of the path's multiply instruction one of a residue modulo `q` and
    /// a weight takes, where rows share their columns.
    pub fn products_of_residue(self, q: u64) -> usize {
        with_path!(self, path => path.products_of_residue(q))
    }

    /// See [`ArithmeticPath::paired_cost`].
    fn paired_cost(self, q: u64, norms: &PairNorms) -> Option<f64> {
        with_path!(self, path => path.paired_cost(q, norms))
    }

    fn weight_form(self) -> WeightForm {
        with_path!(self, path => path.weight_form())
    }

    /// See [`ArithmeticPath::multiply`].
    pub(crate) fn multiply(
        self,
        q: Modulus,
        product: &TileProduct<'_>,
        workspace: &mut ProductWorkspace,
        output: &mut [u64],
    ) {
        product.check(output);
        with_path!(self, path => path.multiply(q, product, workspace, output));
    }

    /// See [`ArithmeticPath::square`].
    pub(crate) fn square(self, q: Modulus, input: &[u64], output: &mut [u64]) {
        assert!(
            input.len().is_multiple_of(2 * TILE),
            "{} words are not whole ciphertexts of two components",
            input.len()
        );
        assert_eq!(output.len(), input.len() / 2 * 3, "words of squares");
        with_path!(self, path => path.square(q, input, output));
    }

    /// See [`ArithmeticPath::multiply_add`].
    pub(crate) fn multiply_add(self, q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
        check_lengths(accumulator.len(), a.len());
        check_lengths(accumulator.len(), b.len());
        with_path!(self, path => path.multiply_add(q, accumulator, a, b));
    }

    /// See [`ArithmeticPath::add_products`].
    pub(crate) fn add_products(self, q: Modulus, terms: &[PairProduct<'_>], sums: [&mut [u64]; 2]) {
        let len = sums[0].len();
        assert!(len.is_multiple_of(TILE), "{len} residues are not whole tiles");
        assert_eq!(sums[1].len(), len, "operands of different length");
        for PairProduct { factor, values: [first, second] } in terms {
            assert_eq!([factor.len(), first.len(), second.len()], [len; 3], "operands of different length");
        }
        with_path!(self, path => path.add_products(q, terms, sums));
    }

    /// See [`ArithmeticPath::add_tile_products`].
    pub(crate) fn add_tile_products(self, q: Modulus, products: TileProducts<'_>, sums: &mut [u64; 2 * TILE]) {
        products.check();
        with_path!(self, path => path.add_tile_products(q, products, sums));
    }

    /// See [`ArithmeticPath::permute`].
    pub(crate) fn permute(self, permutation: &Permutation, values: &[u64], out: &mut [u64]) {
        check_lengths(values.len(), out.len());
        check_lengths(permutation.vectors.len() * LANES, out.len());
        with_path!(self, path => path.permute(permutation, values, out));
    }

    /// See [`ArithmeticPath::twist`].
    pub(crate) fn twist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
        factors.check(a.len());
        with_path!(self, path => path.twist(q, factors, a));
    }

    /// See [`ArithmeticPath::untwist`].
    pub(crate) fn untwist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
        factors.check(a.len());
        with_path!(self, path => path.untwist(q, factors, a));
    }

    /// See [`ArithmeticPath::base_extend`].
    pub(crate) fn base_extend(self, change: BaseChange, from: &[u64], to: &mut [u64]) {
        check_lengths(to.len(), from.len());
        with_path!(self, path => path.base_extend(change, from, to));
    }

    /// See [`ArithmeticPath::scale`].
    pub(crate) fn scale(self, q: Modulus, x: &mut [u64], factor: Factor) {
        assert!(x.len().is_multiple_of(LANES), "{} residues are not whole vectors of {LANES}", x.len());
        with_path!(self, path => path.scale(q, x, factor));
    }

    /// See [`ArithmeticPath::mod_down_step`].
    pub(crate) fn mod_down_step(self, q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
        check_lengths(x.len(), y.len());
        with_path!(self, path => path.mod_down_step(q, x, y, factor));
    }

    /// See [`ArithmeticPath::base_combine`].
    pub(crate) fn base_combine(self, q: Modulus, terms: &[BaseTerm<'_>], out: &mut [u64]) {
        assert!(out.len().is_multiple_of(TILE), "{} residues are not whole tiles", out.len());
        for BaseTerm { factor, residues, .. } in terms {
            assert_eq!(residues.len(), out.len(), "operands of different length");
            assert!(*factor < q.value(), "a factor that is not below {}", q.value());
        }
        with_path!(self, path => path.base_combine(q, terms, out));
    }
}

/// Stops unless two polynomials, or tiles, are equally long and whole vectors.
fn check_lengths(first: usize, second: usize) {
    assert_eq!(first, second, "operands of different length");
    assert!(first.is_multiple_of(LANES), "{first} residues are not whole vectors of {LANES}");
}

#[cfg(test)]
mod tests;
