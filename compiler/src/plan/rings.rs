//! Which rings a network is planned on, and which of them is the cheapest for all images together:
//! one large ring that holds them in one batch, or a smaller one that takes several.

use beaa_ckks::security;
use beaa_ir::ckks::switching_digits;
use beaa_ir::stats::residue_bits;

use crate::options::Options;
use crate::plan::graph_summary::GraphSummary;
use crate::plan::level_plan::LevelPlan;

/// Bytes that count as much as one second of one core: a line of a gigabit each second. Clients
/// encrypt and decrypt what is sent as well, which takes them longer the more it is.
pub(crate) const BYTES_PER_SECOND: f64 = 125e6;
/// More batches are worth their trouble where they save at least this share of the cost.
const LEAST_SAVING: f64 = 0.05;

/// A ring degree, and the most bits of modulus that it may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ring {
    pub(crate) degree: usize,
    pub(crate) allowed: u32,
}

/// The rings to plan on.
#[derive(Debug, Clone)]
pub(crate) struct Rings {
    /// Images that are run together.
    images: usize,
    /// Positions of an image in each ciphertext.
    block: usize,
    /// From the smallest that holds all images on, else the largest there is.
    pub(crate) holding: Vec<Ring>,
    /// Those that take more batches, the largest first.
    pub(crate) smaller: Vec<Ring>,
}

impl Rings {
    /// Those that the security asked for allows.
    pub(crate) fn new(options: &Options) -> Self {
        let ring = |degree| Some(Ring { degree, allowed: options.max_log_qp(degree)? });
        let all: Vec<Ring> = security::DEGREES.into_iter().filter_map(ring).collect();
        let first = all.iter().position(|r| r.degree >= options.batch).unwrap_or(all.len() - 1);
        let (smaller, holding) = all.split_at(first);
        let smaller = smaller.iter().rev().copied().collect();
        Self { images: options.batch, block: 1, holding: holding.to_vec(), smaller }
    }

    /// One ring alone, with so many positions of an image in each ciphertext.
    pub(crate) fn single(ring: Ring, images: usize, block: usize) -> Self {
        Self { images, block, holding: vec![ring], smaller: Vec::new() }
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = Ring> {
        self.smaller.iter().rev().chain(&self.holding).copied()
    }

    /// Batches that the images take.
    pub(crate) fn batches(&self, degree: usize) -> usize {
        self.images.div_ceil(degree / self.block)
    }

    /// Whether a smaller ring leaves so many slots less unused that it may be cheaper.
    pub(crate) fn may_save(&self, degree: usize, than: usize) -> bool {
        let slots = |degree: usize| (degree * self.batches(degree)) as f64;
        slots(degree) <= (1.0 - LEAST_SAVING) * slots(than)
    }

    /// Whether a plan is so much cheaper than another with fewer batches that it is taken instead.
    pub(crate) fn is_cheaper(&self, plan: &LevelPlan, than: &LevelPlan, summary: &GraphSummary) -> bool {
        self.cost(plan, summary) <= (1.0 - LEAST_SAVING) * self.cost(than, summary)
    }

    /// What all images cost, in seconds: of one core, and of the line that carries key, images and
    /// answers.
    pub(crate) fn cost(&self, plan: &LevelPlan, summary: &GraphSummary) -> f64 {
        let bits: f64 = plan.moduli.iter().map(width).sum();
        let polynomial_bytes = plan.degree as f64 / 8.0;
        let switches = plan.steps.iter().any(|s| s.op.switches_keys());
        let special: f64 = plan.special.iter().map(width).sum();
        let key_bits = |limbs: usize| {
            let bits: f64 = plan.moduli[..limbs].iter().map(width).sum();
            switching_digits(limbs, plan.special.len()) as f64 * (bits + special)
        };
        let keys = if switches { plan.key_limbs() } else { Vec::new() };
        let key = keys.into_iter().map(key_bits).sum::<f64>() * polynomial_bytes;
        let upload = summary.ciphertexts(0) as f64 * bits * polynomial_bytes;
        let sent = upload + answer_bytes(plan, summary);
        self.batches(plan.degree) as f64 * (plan.seconds + sent / BYTES_PER_SECOND) + key / BYTES_PER_SECOND
    }
}

/// Bytes of the answers to one batch.
pub(crate) fn answer_bytes(plan: &LevelPlan, summary: &GraphSummary) -> f64 {
    let (limbs, components) = plan.output;
    let bits: f64 = plan.moduli[..limbs].iter().map(width).sum();
    (summary.ciphertexts(summary.output) * components) as f64 * bits * plan.degree as f64 / 8.0
}

/// Bits that a residue modulo this prime takes.
fn width(q: &u64) -> f64 {
    f64::from(residue_bits(*q))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings(batch: usize) -> Rings {
        Rings::new(&Options { batch, ..Options::default() })
    }

    #[test]
    fn the_smallest_that_holds_all_comes_first_and_smaller_ones_follow() {
        let degrees = |rings: &[Ring]| rings.iter().map(|r| r.degree).collect::<Vec<_>>();
        let many = rings(10_000);
        assert_eq!(degrees(&many.holding), [16_384, 32_768]);
        assert_eq!(degrees(&many.smaller)[..2], [8192, 4096]);
        assert_eq!(degrees(&rings(100_000).holding), [32_768]);
        assert!(rings(1).smaller.is_empty());
        assert!(many.all().map(|r| r.degree).is_sorted() && many.all().count() == security::DEGREES.len());
    }

    #[test]
    fn rings_that_leave_as_many_slots_unused_are_not_tried() {
        let many = rings(10_000);
        assert!(many.may_save(4096, 16_384) && !many.may_save(8192, 16_384));
        assert!(!rings(4096).may_save(2048, 4096) && !rings(16_000).may_save(4096, 16_384));
    }
}
