//! The path for any processor, and the definition of what the others compute.

use super::layout::{DOUBLES_COLUMN_COST, LANES, PANEL_ROWS, TILE, WeightForm};
use super::packed_weights::RowBlock;
use super::path::{
    ArithmeticPath, BaseChange, BaseTerm, PairProduct, ProductInput, ProductWorkspace, TileProduct, TwistFactors,
};
use super::permutation::Permutation;
use crate::ring::modulus::{Factor, Modulus};

/// Needs no proof: every processor has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl ArithmeticPath for Portable {
    // Measured with doubles on AVX2: few rows wait for loads or for their sums, many fill the
    // multipliers.
    fn column_cost(self) -> [f64; PANEL_ROWS] {
        DOUBLES_COLUMN_COST
    }

    fn weight_form(self) -> WeightForm {
        WeightForm::Integer
    }

    fn multiply(self, q: Modulus, product: &TileProduct<'_>, workspace: &mut ProductWorkspace, output: &mut [u64]) {
        multiply(self, q, product, workspace, output);
    }

    fn square(self, q: Modulus, input: &[u64], output: &mut [u64]) {
        for (x, y) in input.chunks_exact(2 * TILE).zip(output.chunks_exact_mut(3 * TILE)) {
            let (x0, x1) = x.split_at(TILE);
            let (y0, rest) = y.split_at_mut(TILE);
            let (y1, y2) = rest.split_at_mut(TILE);
            for ((((&a, &b), y0), y1), y2) in x0.iter().zip(x1).zip(y0).zip(y1).zip(y2) {
                let cross = q.mul(a, b);
                (*y0, *y1, *y2) = (q.mul(a, a), q.add(cross, cross), q.mul(b, b));
            }
        }
    }

    fn multiply_add(self, q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
        for ((s, &x), &y) in accumulator.iter_mut().zip(a).zip(b) {
            *s = q.reduce_u128(u128::from(x) * u128::from(y) + u128::from(*s));
        }
    }

    fn add_products(self, q: Modulus, terms: &[PairProduct<'_>], sums: [&mut [u64]; 2]) {
        // Products are below 2^100.
        assert!(terms.len() < 1 << 27, "{} products in 128 bits", terms.len());
        for (half, sums) in sums.into_iter().enumerate() {
            for (tile, sums) in sums.as_chunks_mut::<TILE>().0.iter_mut().enumerate() {
                let mut wide = sums.map(u128::from);
                for term in terms {
                    let [factor, values] = [term.factor, term.values[half]].map(|x| &x.as_chunks::<TILE>().0[tile]);
                    for ((w, &x), &y) in wide.iter_mut().zip(factor).zip(values) {
                        *w += u128::from(x) * u128::from(y);
                    }
                }
                *sums = wide.map(|w| q.reduce_u128(w));
            }
        }
    }

    fn permute(self, permutation: &Permutation, values: &[u64], out: &mut [u64]) {
        permute(permutation, values, out);
    }

    fn twist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
        factors.scale_alone(q, a);
        twist_from(1, q, factors, a);
    }

    fn untwist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
        factors.scale_alone(q, a);
        untwist_from(1, q, factors, a);
    }

    fn base_extend(self, change: BaseChange, from: &[u64], to: &mut [u64]) {
        let BaseChange { from: p, to: q } = change;
        for (o, &c) in to.iter_mut().zip(from) {
            *o = q.reduce_i64(p.centre(c));
        }
    }

    fn scale(self, q: Modulus, x: &mut [u64], factor: Factor) {
        for x in x {
            *x = q.mul_factor(*x, factor);
        }
    }

    fn mod_down_step(self, q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x = q.mul_factor(q.sub(*x, y), factor);
        }
    }

    fn base_combine(self, q: Modulus, terms: &[BaseTerm<'_>], out: &mut [u64]) {
        out.fill(0);
        for BaseTerm { from, factor, residues } in terms {
            let factor = q.factor(*factor);
            for (out, &x) in out.iter_mut().zip(*residues) {
                *out = q.add(*out, q.mul_factor(q.reduce_i64(from.centre(x)), factor));
            }
        }
    }
}

/// The permutation for every path without instructions for it.
pub(crate) fn permute(permutation: &Permutation, values: &[u64], out: &mut [u64]) {
    let values = values.as_chunks::<LANES>().0;
    let sources = permutation.vectors.iter().zip(&permutation.lanes);
    for (out, (&vector, lanes)) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(sources) {
        let vector = &values[vector as usize];
        *out = lanes.map(|lane| vector[usize::from(lane) % LANES]);
    }
}

/// The product with plain integers, for weights and primes too large for another path, which only
/// squares.
pub(crate) fn multiply(
    path: impl ArithmeticPath,
    q: Modulus,
    product: &TileProduct<'_>,
    workspace: &mut ProductWorkspace,
    output: &mut [u64],
) {
    let input = match product.input {
        ProductInput::Plain(input) => input,
        ProductInput::Square(input) => {
            workspace.squares.resize(input.len() / 2 * 3, 0);
            path.square(q, input, &mut workspace.squares);
            &workspace.squares
        }
    };
    product.write_rows_without_product(output);
    let panels = product.panels;
    let rows = Rows { q, product, input };
    for group in panels.groups() {
        let offset = group.offset.cast_signed();
        for panel in &group.panels {
            for (lane, &row) in panel.rows.iter().enumerate() {
                let weights = panel.weights.iter().skip(lane).step_by(panel.rows.len());
                let terms = weights.map(|&w| panels.weight(w) - offset).zip(group.columns.iter().copied());
                rows.add(RowBlock { row, accumulates: group.accumulates }, terms, output);
            }
        }
    }
    for group in panels.paired().groups() {
        for panel in &group.panels {
            for (lane, &row) in panel.rows.iter().enumerate() {
                let terms = panels.paired().terms(group, panel, lane);
                rows.add(RowBlock { row, accumulates: false }, terms.into_iter(), output);
            }
        }
    }
    for segment in panels.singletons().segments() {
        let weights = segment.weights.iter().map(|&w| panels.weight(w));
        let terms = weights.zip(segment.columns.iter().copied());
        rows.add(RowBlock { row: segment.row, accumulates: segment.accumulates }, terms, output);
    }
}

/// What all rows of a product share.
struct Rows<'a> {
    q: Modulus,
    product: &'a TileProduct<'a>,
    input: &'a [u64],
}

impl Rows<'_> {
    /// Some of one row's terms, each a weight and its column.
    fn add(&self, block: RowBlock, terms: impl Iterator<Item = (i64, u32)> + Clone, output: &mut [u64]) {
        let Self { q, product, input } = *self;
        for component in 0..product.input_components {
            let tile = |column: u32| {
                let start = (column as usize * product.input_components + component) * TILE;
                &input[start..start + TILE]
            };
            let out = &mut output[product.output_range(block.row, component)];
            let bias = if component == 0 && !block.accumulates { product.bias_of(block.row) } else { 0 };
            let keep = product.accumulates || block.accumulates;
            if product.panels.fits_64_bits(q) {
                let mut sums = [0_i64; TILE];
                for (w, column) in terms.clone() {
                    for (s, &x) in sums.iter_mut().zip(tile(column)) {
                        *s += w * x.cast_signed();
                    }
                }
                finish(q, sums.map(|s| q.reduce_i64(s)), bias, keep, out);
            } else {
                let mut sums = [0_i128; TILE];
                for (w, column) in terms.clone() {
                    for (s, &x) in sums.iter_mut().zip(tile(column)) {
                        *s += i128::from(w) * i128::from(x);
                    }
                }
                finish(q, sums.map(|s| q.reduce_i128(s)), bias, keep, out);
            }
        }
    }
}

fn finish(q: Modulus, sums: [u64; TILE], bias: u64, keep: bool, out: &mut [u64]) {
    for (o, sum) in out.iter_mut().zip(sums) {
        let start = if keep { q.add(bias, *o) } else { bias };
        *o = q.add(sum, start);
    }
}

/// Twists the pairs from coefficient `first` on, 1 for all.
pub(crate) fn twist_from(first: usize, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
    let n = a.len();
    for j in first..n / 2 {
        let (x, v) = (a[j], q.mul_factor(a[n - j], factors.i));
        a[j] = q.mul_factor(q.sub(x, v), factors.first.get(j));
        a[n - j] = q.mul_factor(q.add(x, v), factors.second.get(j));
    }
}

/// As [`twist_from`], the way back.
pub(crate) fn untwist_from(first: usize, q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
    let n = a.len();
    for j in first..n / 2 {
        let u = q.mul_factor(a[j], factors.first.get(j));
        let w = q.mul_factor(a[n - j], factors.second.get(j));
        a[j] = q.add(u, w);
        a[n - j] = q.mul_factor(q.sub(u, w), factors.i);
    }
}
