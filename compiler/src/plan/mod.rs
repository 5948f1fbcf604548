//! The plan: scales, primes, bits of weights and positions of relinearisations, searched until the
//! simulated error fits.

pub(crate) mod accuracy_target;
pub(crate) mod agreement;
pub(crate) mod alternatives;
pub(crate) mod answers;
pub(crate) mod assign_levels;
pub(crate) mod confidence;
pub(crate) mod coverage;
pub(crate) mod graph_summary;
pub(crate) mod level_plan;
pub(crate) mod noise;
pub(crate) mod packed_summary;
pub(crate) mod packings;
pub(crate) mod primes;
pub(crate) mod refine;
pub(crate) mod rings;
pub(crate) mod search;
pub(crate) mod simulate_noise;
pub(crate) mod variables;
pub(crate) mod weight_bits;
pub(crate) mod worst_case;
