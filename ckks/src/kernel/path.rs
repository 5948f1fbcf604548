//! What every arithmetic path computes, and the operands that they share. [`super::Kernel`] checks
//! lengths once; the paths then rely on them. [`super::portable`] defines the results, to which the
//! others are equal to the last bit.

use super::aligned::Aligned;
use super::layout::{PANEL_ROWS, SLOT_GROUP, TILE, WeightForm};
use super::packed_weights::Panels;
use super::paired_rows::PairNorms;
use super::permutation::Permutation;
use crate::ring::modulus::{Factor, Factors, Modulus};

/// An arithmetic path: an implementor exists only where the processor has its instructions.
pub(crate) trait ArithmeticPath: Copy {
    /// Cycles that a column of a panel of 1, 2, ... rows takes, about. Only ratios matter.
    fn column_cost(self) -> [f64; PANEL_ROWS];

    /// What a product of a pair of columns costs modulo `q`, as a share of one that is made column
    /// by column; `None` where the path does not multiply pairs.
    fn paired_cost(self, _q: u64, _norms: &PairNorms) -> Option<f64> {
        None
    }

    /// How many products of its multiply instruction the path takes for one of a residue modulo `q`
    /// and a weight.
    fn products_of_residue(self, _q: u64) -> usize {
        1
    }

    /// The form in which the path wants its weights.
    fn weight_form(self) -> WeightForm;

    /// One tile of a product, written to `output`: `[row][component][TILE]`.
    fn multiply(self, q: Modulus, product: &TileProduct<'_>, workspace: &mut ProductWorkspace, output: &mut [u64]);

    /// Squares of ciphertexts: `[element][2][TILE]` in, `[element][3][TILE]` out.
    fn square(self, q: Modulus, input: &[u64], output: &mut [u64]);

    /// `accumulator += a * b`, element by element.
    fn multiply_add(self, q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]);

    /// `sums[c] += sum over terms of factor * values[c]`, element by element, for both halves.
    fn add_products(self, q: Modulus, terms: &[PairProduct<'_>], sums: [&mut [u64]; 2]);

    /// `sums += sum over constants of constant * pair`, for one tile of both halves:
    /// `[component][TILE]`.
    fn add_tile_products(self, q: Modulus, products: TileProducts<'_>, sums: &mut [u64; 2 * TILE]) {
        // Constants of a whole tile are multiplied where they lie.
        let numbers = 0..products.columns.len();
        let is_whole = products.width == TILE;
        let spread: Vec<[u64; TILE]> =
            if is_whole { Vec::new() } else { numbers.clone().map(|number| products.factor(number)).collect() };
        let mut terms: Vec<PairProduct<'_>> = Vec::with_capacity(numbers.len());
        for number in numbers {
            let factor = if is_whole { products.words(number) } else { &spread[number][..] };
            let (first, second) = products.pair(number).split_at(TILE);
            terms.push(PairProduct { factor, values: [first, second] });
        }
        let (first, second) = sums.split_at_mut(TILE);
        self.add_products(q, &terms, [first, second]);
    }

    /// Copies to each value of `out` the one that the permutation says.
    fn permute(self, permutation: &Permutation, values: &[u64], out: &mut [u64]);

    /// Coefficients of the ring to those of the polynomial that is transformed: for `0 < j < N/2`
    /// with `v = i a_(N-j)`, `a_j = (a_j - v) first_j` and `a_(N-j) = (a_j + v) second_j`; `a_0`
    /// and the middle one are multiplied by factors of their own.
    fn twist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]);

    /// The way back: with `u = a_j first_j` and `w = a_(N-j) second_j`, `a_j = u + w` and `a_(N-j)
    /// = i (u - w)`.
    fn untwist(self, q: Modulus, factors: &TwistFactors, a: &mut [u64]);

    /// Residues modulo one prime, taken as integers of least absolute value, modulo another.
    fn base_extend(self, change: BaseChange, from: &[u64], to: &mut [u64]);

    /// `x = x factor`, element by element.
    fn scale(self, q: Modulus, x: &mut [u64], factor: Factor);

    /// `x = (x - y) factor`: one step of dividing by a prime, of which `factor` is the inverse.
    fn mod_down_step(self, q: Modulus, x: &mut [u64], y: &[u64], factor: Factor);

    /// `out = sum over terms of factor * residues`, where residues are extended as by
    /// [`Self::base_extend`].
    fn base_combine(self, q: Modulus, terms: &[BaseTerm<'_>], out: &mut [u64]);
}

/// Residues modulo another prime, with a factor modulo the one that they are summed for.
#[derive(Clone, Copy)]
pub(crate) struct BaseTerm<'a> {
    pub(crate) from: Modulus,
    pub(crate) factor: u64,
    pub(crate) residues: &'a [u64],
}

/// A factor for both halves of a pair, as keys and ciphertexts are.
#[derive(Clone, Copy)]
pub(crate) struct PairProduct<'a> {
    pub(crate) factor: &'a [u64],
    pub(crate) values: [&'a [u64]; 2],
}

/// Constants for one tile, each with the pair that it multiplies. The values of a constant that
/// repeats are equal in runs: one word stands for each run, or as much of it as a tile has.
#[derive(Clone, Copy)]
pub(crate) struct TileProducts<'a> {
    /// `[constant][width]`.
    pub(crate) constants: &'a [u64],
    /// A power of two, at most [`TILE`].
    pub(crate) width: usize,
    /// For each constant the number of its pair, less `first`, modulo 2^64.
    pub(crate) columns: &'a [u32],
    pub(crate) first: usize,
    /// `[pair][component][TILE]`.
    pub(crate) pairs: &'a [[u64; 2 * TILE]],
}

impl<'a> TileProducts<'a> {
    /// Asserts that every constant has its words.
    pub(crate) fn check(&self) {
        assert!(self.width.is_power_of_two() && self.width <= TILE, "{} words of a tile", self.width);
        assert_eq!(self.constants.len(), self.columns.len() * self.width, "words of constants");
    }

    /// What a constant multiplies.
    #[inline(always)]
    pub(crate) fn pair(&self, number: usize) -> &'a [u64; 2 * TILE] {
        &self.pairs[self.first.wrapping_add(self.columns[number] as usize)]
    }

    /// The words of a constant.
    #[inline(always)]
    pub(crate) fn words(&self, number: usize) -> &'a [u64] {
        &self.constants[number * self.width..(number + 1) * self.width]
    }

    /// A constant's values in the whole tile.
    #[inline(always)]
    pub(crate) fn factor(&self, number: usize) -> [u64; TILE] {
        let words = self.words(number);
        std::array::from_fn(|i| words[i * self.width / TILE])
    }
}

/// From residues modulo one prime to residues modulo another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BaseChange {
    pub(crate) from: Modulus,
    pub(crate) to: Modulus,
}

/// Factors of a twist, or of the way back. Half of them follow from the others by `i`: tables are
/// read once for each polynomial, and are larger than it.
#[derive(Debug, Clone)]
pub(crate) struct TwistFactors {
    /// For `j < N / 2`; number 0 is for `a_0`.
    pub(crate) first: Factors,
    /// For `N - j`; number 0 is nothing's.
    pub(crate) second: Factors,
    /// For `a_(N/2)`.
    pub(crate) middle: Factor,
    /// A square root of -1.
    pub(crate) i: Factor,
}

impl TwistFactors {
    /// Asserts that these are the factors of so many coefficients.
    pub(crate) fn check(&self, coefficients: usize) {
        let pairs = [self.first.len(), self.second.len()];
        assert_eq!(pairs, [coefficients / 2; 2], "factors for {coefficients} coefficients");
    }

    /// Multiplies the two coefficients that have no mirror image.
    pub(crate) fn scale_alone(&self, q: Modulus, a: &mut [u64]) {
        let middle = a.len() / 2;
        a[0] = q.mul_factor(a[0], self.first.get(0));
        a[middle] = q.mul_factor(a[middle], self.middle);
    }
}

/// One tile of `panels * input`, plus a bias, plus what the output holds already.
#[derive(Clone, Copy)]
pub(crate) struct TileProduct<'a> {
    pub(crate) panels: &'a Panels,
    pub(crate) input: ProductInput<'a>,
    /// Components of the product; element `e`, component `c` of a plain input is at `(e *
    /// components + c) * TILE`.
    pub(crate) input_components: usize,
    /// Components of the output's ciphertexts, at least those of the product.
    pub(crate) output_components: usize,
    /// Residue added to component 0 of each row.
    pub(crate) bias: Option<&'a [u64]>,
    /// Whether the product is added to what the output holds.
    pub(crate) accumulates: bool,
}

/// What a product reads.
#[derive(Clone, Copy)]
pub(crate) enum ProductInput<'a> {
    /// Ciphertexts as they are.
    Plain(&'a [u64]),
    /// The squares of these ciphertexts of two components.
    Square(&'a [u64]),
}

impl TileProduct<'_> {
    /// Stops unless every length fits every other.
    pub(crate) fn check(&self, output: &[u64]) {
        let (rows, columns) = (self.panels.rows(), self.panels.columns());
        let (words, stored) = match self.input {
            ProductInput::Plain(words) => (words, self.input_components),
            ProductInput::Square(words) => {
                assert_eq!(self.input_components, 3, "components of a square");
                (words, 2)
            }
        };
        assert_eq!(words.len(), columns * stored * TILE, "words of a product's input");
        assert_eq!(output.len(), rows * self.output_components * TILE, "words of a product's output");
        assert!(
            self.input_components <= self.output_components,
            "{} components do not fit {}",
            self.input_components,
            self.output_components
        );
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), rows, "biases of a product");
        }
    }

    /// The bias of a row, 0 without one.
    pub(crate) fn bias_of(&self, row: u32) -> u64 {
        self.bias.map_or(0, |bias| bias[row as usize])
    }

    /// Where a tile of the output is.
    pub(crate) fn output_range(&self, row: u32, component: usize) -> std::ops::Range<usize> {
        let start = (row as usize * self.output_components + component) * TILE;
        start..start + TILE
    }

    /// Writes what has no product: rows without weights hold their bias, components that the input
    /// lacks are zero.
    pub(crate) fn write_rows_without_product(&self, output: &mut [u64]) {
        if self.accumulates {
            return;
        }
        for &row in self.panels.empty_rows() {
            for component in 0..self.output_components {
                let value = if component == 0 { self.bias_of(row) } else { 0 };
                output[self.output_range(row, component)].fill(value);
            }
        }
        if self.input_components < self.output_components {
            for row in output.chunks_exact_mut(self.output_components * TILE) {
                row[self.input_components * TILE..].fill(0);
            }
        }
    }
}

/// What one product needs while it is computed; kept by a thread from tile to tile.
#[derive(Debug, Default)]
pub(crate) struct ProductWorkspace {
    /// One component of the inputs as doubles.
    pub(crate) doubles: Vec<[f64; TILE]>,
    /// Sums of rows as doubles.
    pub(crate) double_sums: Vec<[f64; SLOT_GROUP]>,
    /// Squares of the inputs, for paths that do not square on the way.
    pub(crate) squares: Vec<u64>,
    /// One component of the inputs, and sums of rows, as integers.
    pub(crate) tiles: Aligned,
    pub(crate) row_sums: Aligned,
    /// Sums of rows for each piece of the inputs.
    pub(crate) piece_sums: Aligned,
}

impl ProductWorkspace {
    pub(crate) fn reserve_doubles(&mut self, inputs: usize, sums: usize) {
        self.doubles.resize(self.doubles.len().max(inputs), [0.0; TILE]);
        self.double_sums.resize(self.double_sums.len().max(sums), [0.0; SLOT_GROUP]);
    }
}
