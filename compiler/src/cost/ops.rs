//! What one operation costs in predicted seconds of one core: a pure function of the operation,
//! where it runs, and the rates of a machine. The one account of it: the planner compares plans by
//! it, the forecast adds it up.

use beaa_ir::ckks::{MapSize, PackedMap, switching_digits};

use crate::cost::machine::{Machine, Rates};

/// A vector of numbers becomes a polynomial in so many times the time of a transform: an estimate.
const ENCODING_IN_TRANSFORMS: f64 = 6.0;

/// A step of a change of base takes so many times the time of a product with a key's half: measured
/// with one to four special primes.
const CONVERSION_IN_KEYS: f64 = 0.35;

/// Where a weight meets its input is found in so many times the time of a residue that is moved: an
/// estimate.
const LOOKUP_IN_GATHERS: f64 = 100.0;

/// One operation on a vector of ciphertexts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SizedOp {
    /// `products`: sum over the terms of entries times components. What the planner knows of a map.
    Linear { products: usize },
    /// The same with what the matrix looks like: per slot and limb, products as the kernel makes
    /// them, the mean over limbs, `loads` inputs read for rows that share them, and `edges`
    /// residues converted, inputs and results.
    Matrix { products: f64, loads: usize, edges: usize },
    /// A linear map by rotations.
    Rotations(RotationCounts),
    /// Vectors of constants of a linear map by rotations, the same for so many images, encoded once
    /// for all runs, and the weights that are looked up for them.
    Constants { vectors: usize, images: usize, weights: usize },
    /// Squares of so many ciphertexts.
    Square { len: usize },
    /// Relinearisations of so many ciphertexts.
    Relinearise { len: usize, boundary: Boundary },
    /// Rescaled ciphertexts, of so many components.
    Rescale { len: usize, components: usize, boundary: Boundary },
    /// Multiplications by one integer.
    ScaleUp { len: usize, components: usize },
    /// A copy without the last limbs.
    DropLimbs,
    /// Fresh ciphertexts unpacked, their uniform halves expanded.
    Expand { len: usize },
    /// Results packed.
    Pack { len: usize, components: usize },
    /// Ciphertexts read from memory or written to it by a pointwise part.
    Stream { len: usize, components: usize },
}

/// Rotations and products of a linear map on packed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RotationCounts {
    /// Ciphertexts decomposed to be rotated by baby steps.
    pub(crate) decomposed: usize,
    /// Rotations by baby steps other than 0, of all inputs.
    pub(crate) babies: usize,
    /// Products of a rotated ciphertext and a vector of constants.
    pub(crate) products: usize,
    /// Sums of products, one for each giant step of each output.
    pub(crate) sums: usize,
    /// Those of them that are rotated.
    pub(crate) giants: usize,
    /// Ciphertexts of the result.
    pub(crate) outputs: usize,
    /// Rotations of each of them that are added to it.
    pub(crate) folds: usize,
    /// Images for which constants are the same.
    pub(crate) images: usize,
}

impl RotationCounts {
    /// Those of a program's map.
    pub(crate) fn of(size: MapSize, map: &PackedMap) -> Self {
        let (folds, images) = (map.folds.len(), map.images);
        let MapSize { decomposed, outputs, diagonals, sums, giants, rotations, .. } = size;
        let babies = rotations - giants - outputs * folds;
        Self { decomposed, babies, products: diagonals, sums, giants, outputs, folds, images }
    }
}

/// What a relinearisation or a rescaling does at its two ends: several in a row pass ciphertexts on
/// as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Boundary {
    /// Gathers ciphertexts from tiles.
    pub(crate) gathers: bool,
    /// Is the last one: carries what was dropped to the limbs that stay, and scatters these into
    /// tiles.
    pub(crate) scatters: bool,
}

/// Where an operation runs: limbs are those of its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OpContext {
    pub(crate) degree: usize,
    pub(crate) limbs: usize,
    pub(crate) special: usize,
}

/// Predicted seconds on one core of the reference machine, for all slots: what plans are compared
/// by, so that a model compiles to the same program everywhere.
pub(crate) fn seconds(sized: SizedOp, context: OpContext) -> f64 {
    seconds_of(&Machine::reference(), sized, context)
}

/// Predicted seconds on one core of `machine`, for all slots.
pub(crate) fn seconds_of(machine: &Machine, sized: SizedOp, context: OpContext) -> f64 {
    let m = machine.rates();
    let (n, limbs, special) = (context.degree as f64, context.limbs as f64, context.special as f64);
    let transform = m.transform * n * n.log2();
    // One pass over the residues of so many polynomials of one limb each.
    let passes = |count: f64, rate: f64| count * n * rate;
    let on = |flag: bool| f64::from(u8::from(flag));
    match sized {
        SizedOp::Linear { products } => passes(products as f64 * limbs, m.product),
        SizedOp::Matrix { products, loads, edges } => {
            let of = |count: f64, rate: f64| passes(count * limbs, rate);
            of(products, m.product) + of(loads as f64, m.load) + of(edges as f64, m.edge)
        }
        SizedOp::Rotations(counts) => {
            let RotationCounts { decomposed, babies, products, sums, giants, outputs, folds, images } = counts;
            let switching = KeySwitching::new(m, context);
            let decomposition = switching.decomposition;
            // Keys and constants are read from memory, these once for all images.
            let keys = passes(2.0 * switching.products, m.stream);
            let switch = switching.inner + keys + passes(2.0 * (limbs + special), m.gather);
            let division = 2.0 * (switching.remainder + switching.carry);
            let divisions = sums + if giants > 0 { outputs } else { 0 };
            // Two components, each product in two halves.
            let multiplied = passes(products as f64 * (limbs + special), 4.0 * m.product + m.stream / images as f64);
            let steps = decomposed as f64 * decomposition + babies as f64 * switch + multiplied;
            steps
                + divisions as f64 * division
                + (giants + outputs * folds) as f64 * (decomposition + switch)
                + (outputs * folds) as f64 * division
        }
        SizedOp::Constants { vectors, images, weights } => {
            let period = n / images as f64;
            let transform = m.transform * period * period.log2().max(1.0);
            let limb = transform + period * m.gather;
            let encoding = ENCODING_IN_TRANSFORMS * transform + (limbs + special) * limb;
            vectors as f64 * encoding + weights as f64 * LOOKUP_IN_GATHERS * m.gather
        }
        SizedOp::Square { len } => passes(len as f64 * 3.0 * limbs, m.square),
        SizedOp::Relinearise { len, boundary } => {
            let switching = KeySwitching::new(m, context);
            // The third component is decomposed; what is divided out again, and by what else, is
            // carried to the limbs that stay once.
            let division = 2.0 * (switching.remainder + on(boundary.scatters) * switching.carry);
            let moved = passes(limbs * (3.0 * on(boundary.gathers) + 2.0 * on(boundary.scatters)), m.gather);
            len as f64 * (switching.decomposition + switching.inner + division + moved)
        }
        SizedOp::Rescale { len, components, boundary } => {
            let moved = passes(limbs * on(boundary.gathers) + (limbs - 1.0) * on(boundary.scatters), m.gather);
            let transforms = 1.0 + (limbs - 1.0) * on(boundary.scatters);
            (len * components) as f64 * (transforms * transform + moved)
        }
        SizedOp::ScaleUp { len, components } => passes((len * components) as f64 * limbs, m.square),
        SizedOp::DropLimbs => 0.0,
        SizedOp::Expand { len } => passes(len as f64 * limbs, m.expand),
        SizedOp::Pack { len, components } => passes((len * components) as f64 * limbs, m.pack),
        SizedOp::Stream { len, components } => passes((len * components) as f64 * limbs, m.stream),
    }
}

/// Seconds of the parts of switching keys, for one polynomial.
struct KeySwitching {
    /// From limbs to digits modulo every prime.
    decomposition: f64,
    /// Products of digits and a half of their keys, in polynomials of one limb.
    products: f64,
    /// The products with both halves.
    inner: f64,
    /// What a polynomial is modulo the special primes.
    remainder: f64,
    /// That taken from each limb.
    carry: f64,
}

impl KeySwitching {
    fn new(m: &Rates, OpContext { degree, limbs, special }: OpContext) -> Self {
        let n = degree as f64;
        let transform = m.transform * n * n.log2();
        let conversion = CONVERSION_IN_KEYS * m.key * n;
        // From residues modulo so many primes to digits to their base, and on to another prime.
        let further = (special.max(1) - 1) as f64 * conversion;
        let products = (switching_digits(limbs, special) * (limbs + special)) as f64;
        let (limbs, special) = (limbs as f64, special as f64);
        Self {
            decomposition: products * (transform + further),
            products,
            inner: 2.0 * products * n * m.key,
            remainder: special * (transform + further),
            carry: if special > 0.0 { limbs * (transform + further) } else { 0.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Boundary = Boundary { gathers: true, scatters: true };

    #[test]
    fn cost_grows_with_everything() {
        let context = OpContext { degree: 8192, limbs: 3, special: 0 };
        let more = [OpContext { limbs: 4, ..context }, OpContext { degree: 16384, ..context }];
        for sized in [
            SizedOp::Linear { products: 100 },
            SizedOp::Matrix { products: 100.0, loads: 20, edges: 10 },
            SizedOp::Square { len: 10 },
            SizedOp::Relinearise { len: 10, boundary: BOTH },
            SizedOp::Rescale { len: 10, components: 2, boundary: BOTH },
            SizedOp::ScaleUp { len: 10, components: 2 },
            SizedOp::Expand { len: 10 },
            SizedOp::Pack { len: 10, components: 2 },
            SizedOp::Stream { len: 10, components: 2 },
        ] {
            assert!(more.iter().all(|&m| seconds(sized, m) > seconds(sized, context)), "{sized:?}");
        }
        let relin = SizedOp::Relinearise { len: 1, boundary: BOTH };
        assert!(seconds(relin, OpContext { special: 1, ..context }) > seconds(relin, context));
    }
}
