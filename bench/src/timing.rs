//! Repeated timing on a chosen number of threads. Machines are shared, so the least of several runs
//! is what the code costs.
#![expect(unsafe_code, reason = "one system call that fills a structure of ours")]

use std::time::Instant;

use serde::Serialize;

use crate::Result;
use crate::error::setting;

/// Of so many runs the fastest counts for nothing.
const RUNS_FOR_ONE_LEFT_OUT: usize = 1000;

/// How often, and how long, to repeat what is timed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repetitions {
    /// Repeats until these seconds are spent ...
    pub(crate) seconds: f64,
    /// ... and at least so often.
    pub(crate) least: usize,
}

impl Repetitions {
    /// Suits something that takes microseconds to milliseconds.
    pub(crate) fn small(quick: bool) -> Self {
        if quick { Self { seconds: 0.03, least: 3 } } else { Self { seconds: 0.3, least: 7 } }
    }

    /// Suits something that takes a second.
    pub(crate) fn large(quick: bool) -> Self {
        if quick { Self { seconds: 0.0, least: 1 } } else { Self { seconds: 5.0, least: 3 } }
    }
}

/// Seconds that the same work took, several times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TimeSample {
    /// The least seconds, one run in a thousand left out.
    pub minimum: f64,
    /// The median of the seconds.
    pub median: f64,
    /// How often the work was done.
    pub runs: usize,
}

impl TimeSample {
    /// Summarises times in seconds, of which there is at least one.
    pub(crate) fn of(mut times: Vec<f64>) -> Self {
        assert!(!times.is_empty(), "work was timed at least once");
        times.sort_by(f64::total_cmp);
        // Virtual machines take what was stolen from them off a thread's time, now and then of the
        // wrong run, which then took none.
        let least = times.len() / RUNS_FOR_ONE_LEFT_OUT;
        Self { minimum: times[least], median: times[times.len() / 2], runs: times.len() }
    }
}

/// Does the work once and says how many wall-clock seconds it took.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed().as_secs_f64())
}

/// Processor seconds of this thread so far: what work on one thread takes, however many others want
/// the core. Where the system does not tell, the seconds since the first call.
pub(crate) fn processor() -> f64 {
    static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    #[cfg(unix)]
    {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointer is to a structure of this type on this stack frame, which outlives
        // the call.
        if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) } == 0 {
            return now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9;
        }
    }
    FIRST.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// Repeats all of `works` in turn, so that a slow spell of the machine hits each alike, and returns
/// a sample for each. Times are processor seconds of this thread: work on other threads would not
/// be counted.
pub(crate) fn alternate(
    repetitions: Repetitions,
    works: &mut [&mut dyn FnMut() -> Result<()>],
) -> Result<Vec<TimeSample>> {
    let mut times = vec![Vec::new(); works.len()];
    let started = Instant::now();
    let mut round = 0;
    while round < repetitions.least.max(1) || started.elapsed().as_secs_f64() < repetitions.seconds {
        for (work, times) in works.iter_mut().zip(&mut times) {
            let before = processor();
            work()?;
            times.push(processor() - before);
        }
        round += 1;
    }
    Ok(times.into_iter().map(TimeSample::of).collect())
}

/// Repeats `work` on this thread; times are its processor seconds.
pub(crate) fn sample(repetitions: Repetitions, mut work: impl FnMut() -> Result<()>) -> Result<TimeSample> {
    Ok(alternate(repetitions, &mut [&mut work])?[0])
}

/// Runs `work` on a pool of so many threads.
pub(crate) fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|e| setting("starting threads", e, format!("{threads} threads")))?.install(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_ordered() {
        assert_eq!(TimeSample::of(vec![3.0, 1.0, 2.0]), TimeSample { minimum: 1.0, median: 2.0, runs: 3 });
        let many = (0..2000).map(|i| f64::from(i % 1000)).collect();
        assert_eq!(TimeSample::of(many), TimeSample { minimum: 1.0, median: 500.0, runs: 2000 });
    }

    #[test]
    fn work_is_repeated_in_turn_on_the_number_of_threads() {
        let order = std::cell::RefCell::new(String::new());
        let mut a = || {
            order.borrow_mut().push('a');
            Ok(())
        };
        let mut b = || {
            order.borrow_mut().push('b');
            Ok(())
        };
        let samples = alternate(Repetitions { seconds: 0.0, least: 2 }, &mut [&mut a, &mut b]).unwrap();
        assert_eq!((samples[0].runs, samples[1].runs, order.borrow().as_str()), (2, 2, "abab"));
        let before = processor();
        let busy = (0..2_000_000_u64).fold(1_u64, |a, b| std::hint::black_box(a.wrapping_mul(b | 1)));
        assert!(processor() > before, "{busy}");
        assert_eq!(on_threads(3, || Ok(rayon::current_num_threads())).unwrap(), 3);
    }
}
