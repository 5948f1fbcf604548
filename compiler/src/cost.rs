//! What one operation costs, in products, transforms and predicted seconds of one core. The planner compares with it and
//! the report prints it: they must never count differently.

/// Integer products a core makes in a second with the blocked kernel, as measured within whole runs of a CryptoNets-size
/// network at N = 8192 on one core of a 2.3 GHz Sapphire Rapids; other machines differ, mostly alike for all constants.
const PRODUCTS_PER_SECOND: f64 = 8.0e9;
/// Seconds of a transform, divided by `N log2 N`, with the gathering, lifting and scattering around it: measured likewise.
const TRANSFORM: f64 = 7.0e-10;
/// Seconds of a modular multiplication of two residues.
const RESIDUE: f64 = 1.0e-9;

/// One operation on a vector of ciphertexts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// `products`: sum over the terms of entries times components.
    Linear { products: usize },
    /// Squares of so many ciphertexts.
    Square { len: usize },
    /// Relinearisations of so many.
    Relinearise { len: usize },
    /// Rescaled ciphertexts, of so many components.
    Rescale { len: usize, components: usize },
    /// Multiplications by one integer.
    ScaleUp { len: usize, components: usize },
    /// A copy without the last limbs.
    DropLimbs,
}

/// Where an operation runs: limbs are those of its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    pub(crate) degree: usize,
    pub(crate) limbs: usize,
    pub(crate) special: usize,
}

/// Predicted seconds on one core, for all slots.
pub(crate) fn seconds(work: Work, place: Place) -> f64 {
    let (n, limbs, special) = (place.degree as f64, place.limbs as f64, place.special as f64);
    let transform = TRANSFORM * n * n.log2();
    match work {
        Work::Linear { products } => products as f64 * limbs * n / PRODUCTS_PER_SECOND,
        Work::Square { len } => len as f64 * 3.0 * limbs * n * RESIDUE,
        Work::Relinearise { len } => {
            // Every limb of the third component is a digit, carried to all other limbs; a special prime is divided out again.
            let transforms = limbs + limbs * (limbs - 1.0 + special) + 2.0 * special * (1.0 + limbs);
            let inner = 2.0 * limbs * (limbs + special) * n * RESIDUE;
            len as f64 * (transforms * transform + inner)
        }
        Work::Rescale { len, components } => {
            (len * components) as f64 * (limbs * transform + (limbs - 1.0) * n * RESIDUE)
        }
        Work::ScaleUp { len, components } => (len * components) as f64 * limbs * n * RESIDUE,
        Work::DropLimbs => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_grows_with_everything() {
        let place = Place { degree: 8192, limbs: 3, special: 0 };
        let more = [Place { limbs: 4, ..place }, Place { degree: 16384, ..place }];
        for work in [
            Work::Linear { products: 100 },
            Work::Square { len: 10 },
            Work::Relinearise { len: 10 },
            Work::Rescale { len: 10, components: 2 },
            Work::ScaleUp { len: 10, components: 2 },
        ] {
            assert!(more.iter().all(|&m| seconds(work, m) > seconds(work, place)), "{work:?}");
        }
        let relin = Work::Relinearise { len: 1 };
        assert!(seconds(relin, Place { special: 1, ..place }) > seconds(relin, place));
    }
}
