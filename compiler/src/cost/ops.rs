//! What one operation costs in predicted seconds of one core: a pure function of the operation, where it runs, and the rates
//! of a machine. The planner compares with it and the report prints it: they must never count differently.

use crate::cost::machine::Machine;

/// One operation on a vector of ciphertexts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// `products`: sum over the terms of entries times components. What the planner knows of a map.
    Linear { products: usize },
    /// The same with what the matrix looks like: per slot and limb, `loads` inputs read for rows that share them, and
    /// `edges` residues converted, inputs and results.
    Matrix { products: usize, loads: usize, edges: usize },
    /// Squares of so many ciphertexts.
    Square { len: usize },
    /// Relinearisations of so many.
    Relinearise { len: usize, ends: Ends },
    /// Rescaled ciphertexts, of so many components.
    Rescale { len: usize, components: usize, ends: Ends },
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

/// What a relinearisation or a rescaling does beside its own work: several in a row pass ciphertexts on as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ends {
    /// Gathers ciphertexts from tiles.
    pub(crate) reads: bool,
    /// Is the last one: carries what was dropped to the limbs that stay, and scatters these into tiles.
    pub(crate) writes: bool,
}

/// Where an operation runs: limbs are those of its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    pub(crate) degree: usize,
    pub(crate) limbs: usize,
    pub(crate) special: usize,
}

/// Predicted seconds on one core of the reference machine, for all slots: what plans are compared by, so that a model
/// compiles to the same program everywhere.
pub(crate) fn seconds(work: Work, place: Place) -> f64 {
    seconds_on(&Machine::reference(), work, place)
}

/// Predicted seconds on one core of `machine`, for all slots.
pub(crate) fn seconds_on(machine: &Machine, work: Work, place: Place) -> f64 {
    let m = machine.rates();
    let (n, limbs, special) = (place.degree as f64, place.limbs as f64, place.special as f64);
    let transform = m.transform * n * n.log2();
    // One pass over the residues of so many polynomials of one limb each.
    let passes = |count: f64, rate: f64| count * n * rate;
    let on = |flag: bool| if flag { 1.0 } else { 0.0 };
    match work {
        Work::Linear { products } => passes(products as f64 * limbs, m.product),
        Work::Matrix { products, loads, edges } => {
            let of = |count: usize, rate: f64| passes(count as f64 * limbs, rate);
            of(products, m.product) + of(loads, m.load) + of(edges, m.edge)
        }
        Work::Square { len } => passes(len as f64 * 3.0 * limbs, m.square),
        Work::Relinearise { len, ends } => {
            // Every limb of the third component is a digit, carried to all other limbs; a special prime is divided out again.
            let transforms = limbs + limbs * (limbs - 1.0 + special) + 2.0 * special * (1.0 + limbs);
            let inner = passes(2.0 * limbs * (limbs + special), m.key);
            let moved = passes(limbs * (3.0 * on(ends.reads) + 2.0 * on(ends.writes)), m.gather);
            len as f64 * (transforms * transform + inner + moved)
        }
        Work::Rescale { len, components, ends } => {
            let moved = passes(limbs * on(ends.reads) + (limbs - 1.0) * on(ends.writes), m.gather);
            let transforms = 1.0 + (limbs - 1.0) * on(ends.writes);
            (len * components) as f64 * (transforms * transform + moved)
        }
        Work::ScaleUp { len, components } => passes((len * components) as f64 * limbs, m.square),
        Work::DropLimbs => 0.0,
        Work::Expand { len } => passes(len as f64 * limbs, m.expand),
        Work::Pack { len, components } => passes((len * components) as f64 * limbs, m.pack),
        Work::Stream { len, components } => passes((len * components) as f64 * limbs, m.stream),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Ends = Ends { reads: true, writes: true };

    #[test]
    fn cost_grows_with_everything() {
        let place = Place { degree: 8192, limbs: 3, special: 0 };
        let more = [Place { limbs: 4, ..place }, Place { degree: 16384, ..place }];
        for work in [
            Work::Linear { products: 100 },
            Work::Matrix { products: 100, loads: 20, edges: 10 },
            Work::Square { len: 10 },
            Work::Relinearise { len: 10, ends: BOTH },
            Work::Rescale { len: 10, components: 2, ends: BOTH },
            Work::ScaleUp { len: 10, components: 2 },
            Work::Expand { len: 10 },
            Work::Pack { len: 10, components: 2 },
            Work::Stream { len: 10, components: 2 },
        ] {
            assert!(more.iter().all(|&m| seconds(work, m) > seconds(work, place)), "{work:?}");
        }
        let relin = Work::Relinearise { len: 1, ends: BOTH };
        assert!(seconds(relin, Place { special: 1, ..place }) > seconds(relin, place));
    }
}
