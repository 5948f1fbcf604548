//! The path of fused multiply-and-add on doubles: AVX2 with FMA, or NEON. Weights are small and
//! residues below 2^50, so that every sum is an exact integer.

mod field;
mod poly_ops;
mod product;

use pulp::{Simd, WithSimd};

use super::layout::{DOUBLES_COLUMN_COST, PANEL_ROWS, WeightForm};
use super::path::{ArithmeticPath, BaseChange, BaseTerm, PairProduct, ProductWorkspace, TileProduct, TwistFactors};
use super::permutation::Permutation;
use super::portable;
use crate::ring::modulus::{Factor, Modulus};

#[cfg(target_arch = "x86_64")]
type Vectors = pulp::x86::V3;
#[cfg(target_arch = "aarch64")]
type Vectors = pulp::aarch64::Neon;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type Vectors = std::convert::Infallible;

/// Proof that the processor has fused multiply-and-add on vectors of doubles.
#[derive(Debug, Clone, Copy)]
pub struct Fma(Vectors);

impl PartialEq for Fma {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Fma {}

impl Fma {
    /// Returns the proof where the processor has the instructions.
    pub fn try_new() -> Option<Self> {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        return Vectors::try_new().map(Self);
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        None
    }

    fn run(self, op: impl WithSimd<Output = ()>) {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        Simd::vectorize(self.0, op);
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            let _ = op;
            match self.0 {}
        }
    }

    /// [`ArithmeticPath::twist`], or `back` again. The mirror images in order, so that one pass
    /// reads everything forwards.
    fn twist_pairs(self, q: Modulus, factors: &TwistFactors, a: &mut [u64], back: bool) {
        factors.scale_alone(q, a);
        let first = a[0];
        let (low, above) = a.split_at_mut(a.len() / 2);
        let mut high: Vec<u64> = above[..1].iter().chain(above[1..].iter().rev()).copied().collect();
        self.run(poly_ops::Twist { q, factors, low, high: &mut high, back });
        low[0] = first;
        above[1..].iter_mut().rev().zip(&high[1..]).for_each(|(to, &from)| *to = from);
    }
}

impl ArithmeticPath for Fma {
    fn column_cost(self) -> [f64; PANEL_ROWS] {
        DOUBLES_COLUMN_COST
    }

    fn weight_form(self) -> WeightForm {
        WeightForm::Double
    }

    fn multiply(self, q: Modulus, product: &TileProduct<'_>, workspace: &mut ProductWorkspace, output: &mut [u64]) {
        match product.panels.double_reduction_interval(q) {
            Some(interval) => self.run(product::Multiply::new(q, product, interval, workspace, output)),
            None => portable::multiply(self, q, product, workspace, output),
        }
    }

    fn square(self, q: Modulus, input: &[u64], output: &mut [u64]) {
        self.run(poly_ops::Square { q, input, output });
    }

    fn multiply_add(self, q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
        self.run(poly_ops::MultiplyAdd { q, accumulator, a, b });
    }

    fn add_products(self, q: Modulus, terms: &[PairProduct<'_>], sums: [&mut [u64]; 2]) {
        self.run(poly_ops::AddProducts { q, terms, sums });
    }

    fn permute(self, permutation: &Permutation, values: &[u64], out: &mut [u64]) {
        portable::permute(permutation, values, out);
    }

    fn twist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
        self.twist_pairs(q, factors, a, false);
    }

    fn untwist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
        self.twist_pairs(q, factors, a, true);
    }

    fn base_extend(self, change: BaseChange, from: &[u64], to: &mut [u64]) {
        self.run(poly_ops::BaseExtend { change, from, to });
    }

    fn scale(self, q: Modulus, x: &mut [u64], factor: Factor) {
        self.run(poly_ops::Scale { q, x, factor: factor.value() });
    }

    fn mod_down_step(self, q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
        self.run(poly_ops::ModDownStep { q, x, y, factor: factor.value() });
    }

    fn base_combine(self, q: Modulus, terms: &[BaseTerm<'_>], out: &mut [u64]) {
        self.run(poly_ops::BaseCombine { q, terms, out });
    }
}
