//! The arithmetic of tiles: integer-matrix products and squares of residues. Each path gives the same canonical
//! residues to the last bit; which one runs is decided once, by what the processor has. Must never allocate for a
//! tile; what a thread needs it keeps in [`ProductWorkspace`].

mod aligned;
pub(crate) mod bit_packing;
mod fma;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod op_count;
mod packed_weights;
mod peak;
mod portable;
mod row_grouping;
mod singleton_rows;

pub(crate) use aligned::Aligned;
pub use packed_weights::Panels;
pub use peak::Instruction;

use crate::ring::modulus::{Factor, Factors, Modulus};

/// Slots in a tile: the unit in which batches are stored and worked on. Four 512-bit vectors.
pub const TILE: usize = 32;

/// An arithmetic path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Plain integers, on any processor.
    Portable,
    /// Fused multiply-and-add of doubles: AVX2 with FMA, or NEON.
    Fma,
    /// AVX-512 with 52-bit multiply-and-add.
    Ifma,
}

impl Kernel {
    /// Every path, the slowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Fma, Self::Ifma];

    /// The fastest path that this processor has.
    pub fn detect() -> Self {
        Self::ALL.into_iter().rfind(|k| k.available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has the path.
    pub fn available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Fma => fma::field::available(),
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512ifma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Ifma => false,
        }
    }
}

/// Workspace for what one product needs while it is made; kept by a thread from tile to tile.
#[derive(Debug, Default)]
pub(crate) struct ProductWorkspace {
    x: Vec<[f64; TILE]>,
    sums: Vec<[f64; fma::product::GROUP]>,
    squares: Vec<u64>,
    /// One component of a product's inputs, and rows' sums, of paths on integers.
    tiles: Aligned,
    row_sums: Aligned,
}

/// What a product reads.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    Plain(&'a [u64]),
    /// The squares of these ciphertexts of two components.
    Square(&'a [u64]),
}

impl ProductWorkspace {
    fn reserve(&mut self, x: usize, sums: usize) {
        self.x.resize(self.x.len().max(x), [0.0; TILE]);
        self.sums.resize(self.sums.len().max(sums), [0.0; fma::product::GROUP]);
    }
}

/// How the rows of one product start and end.
pub(crate) struct Rows<'a> {
    /// Components of the input's ciphertexts; element `e`, component `c` is at `(e * components + c) * TILE`.
    pub(crate) input_components: usize,
    /// The same of the output's.
    pub(crate) output_components: usize,
    /// Residue added to component 0 of each row.
    pub(crate) bias: &'a [u64],
    /// Whether the product is added to what the output holds.
    pub(crate) accumulate: bool,
}

/// One tile of `output = panels * input (+ bias) (+ output)` modulo `q`; all residues canonical.
pub(crate) fn multiply(
    kernel: Kernel,
    q: Modulus,
    panels: &Panels,
    input: Input<'_>,
    rows: &Rows<'_>,
    scratch: &mut ProductWorkspace,
    output: &mut [u64],
) {
    if kernel == Kernel::Fma && panels.run(q).is_some() {
        return fma::product::multiply(q, panels, input, rows, scratch, output);
    }
    #[cfg(target_arch = "x86_64")]
    if kernel == Kernel::Ifma
        && let Some(run) = panels.signed_run(q)
    {
        return ifma::product::multiply(q, panels, input, rows, (scratch, run), output);
    }
    let input = match input {
        Input::Plain(input) => input,
        Input::Square(input) => {
            scratch.squares.resize(input.len() / 2 * 3, 0);
            square(kernel, q, input, &mut scratch.squares);
            &scratch.squares
        }
    };
    portable::multiply(q, panels, input, rows, output);
}

/// One tile of squares: two components in, three out; all residues canonical.
pub(crate) fn square(kernel: Kernel, q: Modulus, input: &[u64], output: &mut [u64]) {
    match kernel {
        Kernel::Fma => fma::poly_ops::square(q, input, output),
        #[cfg(target_arch = "x86_64")]
        Kernel::Ifma => ifma::poly_ops::square(q, input, output),
        _ => portable::square(q, input, output),
    }
}

/// `accumulator += a * b`, element by element; all residues canonical.
pub(crate) fn multiply_add(kernel: Kernel, q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
    match kernel {
        Kernel::Fma if accumulator.len().is_multiple_of(8) => fma::poly_ops::multiply_add(q, accumulator, a, b),
        #[cfg(target_arch = "x86_64")]
        Kernel::Ifma if accumulator.len().is_multiple_of(8) => ifma::poly_ops::multiply_add(q, accumulator, a, b),
        _ => portable::multiply_add(q, accumulator, a, b),
    }
}

/// Factors for each coefficient and for its mirror image, the coefficient N - j.
#[derive(Debug, Clone, Default)]
pub(crate) struct TwistFactors {
    pub(crate) direct: Factors,
    pub(crate) mirrored: Factors,
}

/// `a_j = own_j a_j + mirrored_j a_(N-j)` for `j > 0`, `a_0 = own_0 a_0`; all residues canonical.
pub(crate) fn twist(kernel: Kernel, q: Modulus, table: &TwistFactors, a: &mut [u64]) {
    match kernel {
        Kernel::Fma => fma::poly_ops::twist(q, table, a),
        #[cfg(target_arch = "x86_64")]
        Kernel::Ifma => ifma::poly_ops::twist(q, table, a),
        _ => portable::twist(q, table, a, 1),
    }
}

/// Residues modulo `p`, taken as integers of least absolute value, modulo `q`.
pub(crate) fn base_extend(kernel: Kernel, p: Modulus, q: Modulus, from: &[u64], to: &mut [u64]) {
    match kernel {
        Kernel::Fma if to.len().is_multiple_of(8) => fma::poly_ops::base_extend(p, q, from, to),
        #[cfg(target_arch = "x86_64")]
        Kernel::Ifma if to.len().is_multiple_of(8) => ifma::poly_ops::base_extend(p, q, from, to),
        _ => portable::base_extend(p, q, from, to),
    }
}

/// `x = (x - y) factor`; all residues canonical.
pub(crate) fn mod_down_step(kernel: Kernel, q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
    match kernel {
        Kernel::Fma if x.len().is_multiple_of(8) => fma::poly_ops::mod_down_step(q, x, y, factor),
        #[cfg(target_arch = "x86_64")]
        Kernel::Ifma if x.len().is_multiple_of(8) => ifma::poly_ops::mod_down_step(q, x, y, factor),
        _ => portable::mod_down_step(q, x, y, factor),
    }
}

/// `x = x factor + y`, where `y` are residues modulo `p` taken as integers of least absolute value; all canonical.
pub(crate) fn scale_add_extended(kernel: Kernel, (p, q): (Modulus, Modulus), x: &mut [u64], factor: Factor, y: &[u64]) {
    match kernel {
        Kernel::Fma if x.len().is_multiple_of(8) => fma::poly_ops::scale_add_extended((p, q), x, factor, y),
        #[cfg(target_arch = "x86_64")]
        Kernel::Ifma if x.len().is_multiple_of(8) => ifma::poly_ops::scale_add_extended((p, q), x, factor, y),
        _ => portable::scale_add_extended((p, q), x, factor, y),
    }
}

#[cfg(test)]
mod tests;
