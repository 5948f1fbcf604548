//! The path of 52-bit integer multiply-and-add: AVX-512 IFMA.
#![expect(unsafe_code, reason = "calls functions of special instructions, for which the token is the proof")]

mod base_combine;
pub(crate) mod pack;
mod pair_products;
mod poly_ops;
pub(in crate::kernel) mod product;
pub(in crate::kernel) mod reduce;
mod token;
pub(crate) mod unpack;

pub use token::Ifma;
pub(crate) use token::Vbmi;

use super::layout::{PANEL_ROWS, TILE, WeightForm};
use super::path::{
    ArithmeticPath, BaseChange, BaseTerm, PairProduct, ProductWorkspace, TileProduct, TileProducts, TwistFactors,
};
use super::permutation::Permutation;
use super::portable;
use crate::ring::modulus::{Factor, Modulus};

impl ArithmeticPath for Ifma {
    // Measured with AVX-512 IFMA.
    fn column_cost(self) -> [f64; PANEL_ROWS] {
        [2.9, 4.5, 6.5, 8.5, 10.5, 12.5]
    }

    fn weight_form(self) -> WeightForm {
        WeightForm::Integer
    }

    fn multiply(self, q: Modulus, product: &TileProduct<'_>, workspace: &mut ProductWorkspace, output: &mut [u64]) {
        // Pairs of columns are another path's.
        let paired = !product.panels.paired().groups().is_empty();
        match product.panels.signed_reduction_interval(q).filter(|_| !paired) {
            // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the
            // function enables.
            Some(interval) => unsafe { product::multiply(q, product, interval, workspace, output) },
            None => portable::multiply(self, q, product, workspace, output),
        }
    }

    fn square(self, q: Modulus, input: &[u64], output: &mut [u64]) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the function
        // enables.
        unsafe { poly_ops::square(q, input, output) }
    }

    fn multiply_add(self, q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the function
        // enables.
        unsafe { poly_ops::multiply_add(q, accumulator, a, b) }
    }

    fn add_products(self, q: Modulus, terms: &[PairProduct<'_>], sums: [&mut [u64]; 2]) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the function
        // enables.
        unsafe { pair_products::add_products(q, terms, sums) }
    }

    fn add_tile_products(self, q: Modulus, products: TileProducts<'_>, sums: &mut [u64; 2 * TILE]) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the function
        // enables.
        unsafe { pair_products::add_tile_products(q, products, sums) }
    }

    fn permute(self, permutation: &Permutation, values: &[u64], out: &mut [u64]) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, more than the function
        // enables.
        unsafe { poly_ops::permute(permutation, values, out) }
    }

    fn twist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the function
        // enables.
        unsafe { poly_ops::twist(q, factors, a) }
    }

    fn untwist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the function
        // enables.
        unsafe { poly_ops::untwist(q, factors, a) }
    }

    fn base_extend(self, change: BaseChange, from: &[u64], to: &mut [u64]) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the function
        // enables.
        unsafe { poly_ops::base_extend(change, from, to) }
    }

    fn scale(self, q: Modulus, x: &mut [u64], factor: Factor) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the function
        // enables.
        unsafe { poly_ops::scale(q, x, factor) }
    }

    fn mod_down_step(self, q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the function
        // enables.
        unsafe { poly_ops::mod_down_step(q, x, y, factor) }
    }

    fn base_combine(self, q: Modulus, terms: &[BaseTerm<'_>], out: &mut [u64]) {
        // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the function
        // enables.
        unsafe { base_combine::base_combine(q, terms, out) }
    }
}
