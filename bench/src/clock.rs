//! Repeated timing on a chosen number of threads. Must never report one run where several were possible: machines are
//! shared, and the least of several runs is what the code costs.

use std::time::Instant;

use serde::Serialize;

use crate::Result;
use crate::error::setting;

/// How long to repeat.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Repeats until this much time is spent ...
    pub seconds: f64,
    /// ... but at least so often.
    pub least: usize,
}

impl Effort {
    /// For something that takes microseconds to milliseconds.
    pub fn small(quick: bool) -> Self {
        if quick { Self { seconds: 0.03, least: 3 } } else { Self { seconds: 0.3, least: 7 } }
    }

    /// For something that takes a second.
    pub fn large(quick: bool) -> Self {
        if quick { Self { seconds: 0.0, least: 1 } } else { Self { seconds: 5.0, least: 3 } }
    }
}

/// Wall-clock seconds of the same work, several times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// The least.
    pub minimum: f64,
    /// The middle one.
    pub median: f64,
    /// How often.
    pub runs: usize,
}

impl Sample {
    /// Of these times; zeros of none.
    pub fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |i: usize| times.get(i).copied().unwrap_or(0.0);
        Self { minimum: at(0), median: at(times.len() / 2), runs: times.len() }
    }
}

/// Seconds of one call.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed().as_secs_f64())
}

/// Repeats all of `works` in turn, so that a slow spell of the machine hits each alike.
pub(crate) fn alternate<const K: usize>(
    effort: Effort,
    mut works: [&mut dyn FnMut() -> Result<()>; K],
) -> Result<[Sample; K]> {
    let mut times: [Vec<f64>; K] = std::array::from_fn(|_| Vec::new());
    let started = Instant::now();
    let mut round = 0;
    while round < effort.least.max(1) || started.elapsed().as_secs_f64() < effort.seconds {
        for (work, times) in works.iter_mut().zip(&mut times) {
            let (result, seconds) = time(work);
            result?;
            times.push(seconds);
        }
        round += 1;
    }
    Ok(times.map(Sample::of))
}

/// Repeats `work`.
pub(crate) fn sample(effort: Effort, mut work: impl FnMut() -> Result<()>) -> Result<Sample> {
    alternate(effort, [&mut work]).map(|[sample]| sample)
}

/// Runs `work` on a pool of its own.
pub(crate) fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|e| setting("starting threads", e, format!("{threads} threads")))?.install(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_ordered() {
        assert_eq!(Sample::of(vec![3.0, 1.0, 2.0]), Sample { minimum: 1.0, median: 2.0, runs: 3 });
        assert_eq!(Sample::of(vec![]).runs, 0);
    }

    #[test]
    fn work_is_repeated_in_turn_on_the_threads_asked_for() {
        let order = std::cell::RefCell::new(String::new());
        let mut a = || {
            order.borrow_mut().push('a');
            Ok(())
        };
        let mut b = || {
            order.borrow_mut().push('b');
            Ok(())
        };
        let [first, second] = alternate(Effort { seconds: 0.0, least: 2 }, [&mut a, &mut b]).unwrap();
        assert_eq!((first.runs, second.runs, order.borrow().as_str()), (2, 2, "abab"));
        assert_eq!(on_threads(3, || Ok(rayon::current_num_threads())).unwrap(), 3);
    }
}
