//! How many threads a command uses: what the user wants, what the environment says, and what the
//! machine can use at all.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result};

use crate::console::Console;

/// More threads than this are no number of threads.
const MOST: usize = 1 << 16;
/// Threads for each core at most: more only wait for each other, and each takes memory.
const PER_CORE: usize = 2;
/// What the library that runs the threads reads, where nobody says otherwise.
const POOL: &str = "RAYON_NUM_THREADS";

/// A number of threads on the command line or in BEAA_THREADS.
pub(crate) fn parse(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.trim().parse::<usize>().ok().filter(|n| *n <= MOST).and_then(NonZeroUsize::new);
    number.ok_or_else(|| format!("found `{text}`, expected a number of threads from 1 to {MOST}"))
}

/// Starts the threads: as many as `wanted`, as the pool's own variable says, or as there are cores.
pub(crate) fn start(wanted: Option<NonZeroUsize>, console: &Console) -> Result<()> {
    // The cores that this process may use; control groups count.
    let cores = available_parallelism().context("counting the cores of the machine")?.get();
    let (threads, capped) = choose(wanted, std::env::var(POOL).ok().as_deref(), cores);
    if let Some(wanted) = capped {
        console.note(format_args!(
            "using {threads} threads instead of {wanted}: this process may use {cores} cores, and more than {PER_CORE} \
             threads for each only wait for each other"
        ));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build_global().with_context(|| format!("starting {threads} threads"))
}

/// The threads to start, and what was wanted if that is more.
fn choose(wanted: Option<NonZeroUsize>, pool: Option<&str>, cores: usize) -> (usize, Option<usize>) {
    // As the pool reads it: 0 and what is no number stand for the default.
    let of_pool = pool.and_then(|text| text.parse().ok().and_then(NonZeroUsize::new));
    let Some(wanted) = wanted.or(of_pool).map(NonZeroUsize::get) else { return (cores, None) };
    let most = cores.saturating_mul(PER_CORE);
    if wanted > most { (most, Some(wanted)) } else { (wanted, None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_number_of_threads_are_refused() {
        assert_eq!(parse("3").unwrap().get(), 3);
        for text in ["0", "-1", "abc", "", "1.5", "100000000000", "65537"] {
            assert!(parse(text).unwrap_err().contains("expected a number of threads from 1"), "{text}");
        }
    }

    #[test]
    fn no_more_threads_than_the_cores_can_use() {
        let wanted = |n| NonZeroUsize::new(n);
        assert_eq!(choose(None, None, 4), (4, None));
        assert_eq!(choose(wanted(1), None, 4), (1, None));
        assert_eq!(choose(wanted(8), None, 4), (8, None));
        assert_eq!(choose(wanted(5000), None, 4), (8, Some(5000)));
        assert_eq!(choose(None, Some("5000"), 4), (8, Some(5000)));
        assert_eq!(choose(wanted(2), Some("5000"), 4), (2, None), "the command's own option wins");
        assert_eq!(choose(None, Some("0"), 4), (4, None));
        assert_eq!(choose(None, Some("many"), 4), (4, None));
    }
}
