//! The plan: scales, primes, bits of weights and places of relinearisations, searched until the simulated error fits.

pub(crate) mod accuracy_target;
pub(crate) mod alternatives;
pub(crate) mod graph_summary;
pub(crate) mod level_plan;
pub(crate) mod noise;
pub(crate) mod primes;
pub(crate) mod refine;
pub(crate) mod search;
pub(crate) mod simulate_noise;
