//! The path of 16-bit dot products: AVX-512 VNNI. Everything but products of pairs is that of
//! AVX-512 IFMA, which processors with this path have.
#![expect(unsafe_code, reason = "calls functions of special instructions, for which the token is the proof")]

mod product;
mod split;
mod token;

use split::Pieces;

pub use token::Vnni;

use super::layout::{PANEL_ROWS, TILE, WeightForm};
use super::paired_rows::PairNorms;
use super::path::{
    ArithmeticPath, BaseChange, BaseTerm, PairProduct, ProductWorkspace, TileProduct, TileProducts, TwistFactors,
};
use super::permutation::Permutation;
use super::{ifma, portable};
use crate::ring::modulus::{Factor, Modulus};

/// Instructions of 52-bit products that a row takes for two columns of a tile.
const INSTRUCTIONS_BY_COLUMN: f64 = 8.0;

impl ArithmeticPath for Vnni {
    fn column_cost(self) -> [f64; PANEL_ROWS] {
        self.ifma().column_cost()
    }

    fn paired_cost(self, q: u64, norms: &PairNorms) -> Option<f64> {
        Some(Pieces::cheapest(q, norms)?.cost(norms) / INSTRUCTIONS_BY_COLUMN)
    }

    fn products_of_residue(self, q: u64) -> usize {
        let pieces = Pieces::cheapest(q, &PairNorms::default());
        pieces.unwrap_or_else(|| unreachable!("{q} is wider than {} pieces", split::MOST_PIECES)).count
    }

    fn weight_form(self) -> WeightForm {
        self.ifma().weight_form()
    }

    fn multiply(self, q: Modulus, product: &TileProduct<'_>, workspace: &mut ProductWorkspace, output: &mut [u64]) {
        let panels = product.panels;
        if panels.paired().groups().is_empty() {
            return self.ifma().multiply(q, product, workspace, output);
        }
        let others = !panels.groups().is_empty() || !panels.singletons().rows().is_empty();
        match panels.signed_reduction_interval(q) {
            // SAFETY: `self` proves that the processor has AVX-512 F and IFMA, all that the
            // function enables.
            Some(interval) if others => unsafe { ifma::product::multiply(q, product, interval, workspace, output) },
            _ if !others && panels.fits_64_bits(q) => product.write_rows_without_product(output),
            _ => return portable::multiply(self, q, product, workspace, output),
        }
        // SAFETY: `self` proves that the processor has AVX-512 F, BW, IFMA and VNNI, all that the
        // function enables.
        unsafe { product::multiply(q, product, workspace, output) }
    }

    fn square(self, q: Modulus, input: &[u64], output: &mut [u64]) {
        self.ifma().square(q, input, output);
    }

    fn multiply_add(self, q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
        self.ifma().multiply_add(q, accumulator, a, b);
    }

    fn add_products(self, q: Modulus, terms: &[PairProduct<'_>], sums: [&mut [u64]; 2]) {
        self.ifma().add_products(q, terms, sums);
    }

    fn add_tile_products(self, q: Modulus, products: TileProducts<'_>, sums: &mut [u64; 2 * TILE]) {
        self.ifma().add_tile_products(q, products, sums);
    }

    fn permute(self, permutation: &Permutation, values: &[u64], out: &mut [u64]) {
        self.ifma().permute(permutation, values, out);
    }

    fn twist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
        self.ifma().twist(q, factors, a);
    }

    fn untwist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
        self.ifma().untwist(q, factors, a);
    }

    fn base_extend(self, change: BaseChange, from: &[u64], to: &mut [u64]) {
        self.ifma().base_extend(change, from, to);
    }

    fn scale(self, q: Modulus, x: &mut [u64], factor: Factor) {
        self.ifma().scale(q, x, factor);
    }

    fn mod_down_step(self, q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
        self.ifma().mod_down_step(q, x, y, factor);
    }

    fn base_combine(self, q: Modulus, terms: &[BaseTerm<'_>], out: &mut [u64]) {
        self.ifma().base_combine(q, terms, out);
    }
}
