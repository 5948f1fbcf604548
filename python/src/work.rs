//! Long work: on a thread of its own, without the interpreter's lock. The thread that called goes
//! on to look after signals, so that Ctrl-C ends the work, and shows the progress.

use std::panic::resume_unwind;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

use crate::errors::{OrRaise, refusal};

/// How often signals and progress are looked at.
const TICK: Duration = Duration::from_millis(50);

/// The process in which the threads of this library were started.
static PROCESS: OnceLock<u32> = OnceLock::new();

/// How far a piece of work is, and whether it should end.
#[derive(Default)]
pub(crate) struct Watch {
    stop: AtomicBool,
    name: Mutex<String>,
    done: AtomicU64,
    steps: AtomicU64,
}

impl beaa::Progress for Watch {
    fn begin(&self, what: &str, steps: u64) {
        what.clone_into(&mut self.name.lock().unwrap_or_else(PoisonError::into_inner));
        self.done.store(0, Ordering::Relaxed);
        self.steps.store(steps, Ordering::Relaxed);
    }

    fn advance(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
    }

    fn end(&self) {}

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Watch {
    /// Tells a callable what is done, and how many steps of how many.
    fn show(&self, py: Python<'_>, callback: Option<&Py<PyAny>>) -> PyResult<()> {
        let Some(callback) = callback else { return Ok(()) };
        let (done, steps) = (self.done.load(Ordering::Relaxed), self.steps.load(Ordering::Relaxed));
        if steps > 0 {
            let name = self.name.lock().unwrap_or_else(PoisonError::into_inner).clone();
            callback.call1(py, (name, done, steps))?;
        }
        Ok(())
    }
}

/// Does `work` and waits for it. `progress`, a callable, is told now and then what is done and how
/// many steps of how many. A signal that raises, as Ctrl-C does, has the work stopped.
///
/// # Errors
/// Those of `work`; what a signal or `progress` raises.
pub(crate) fn done<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Watch) -> beaa::Result<T> + Send,
) -> PyResult<T> {
    expect_no_fork(py)?;
    let callback = progress.map(|p| p.clone().unbind());
    let watch = Watch::default();
    let (result, raised) = py.detach(|| {
        thread::scope(|scope| {
            let (sender, receiver) = channel::<()>();
            let watch = &watch;
            let worker = scope.spawn(move || {
                let result = work(watch);
                drop(sender);
                result
            });
            let mut raised = None;
            while receiver.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                if raised.is_none() {
                    let looked =
                        Python::attach(|py| py.check_signals().and_then(|()| watch.show(py, callback.as_ref())));
                    raised = looked.err();
                    watch.stop.store(raised.is_some(), Ordering::Relaxed);
                }
            }
            (worker.join().unwrap_or_else(|panic| resume_unwind(panic)), raised)
        })
    });
    if let Some(error) = raised {
        return Err(error);
    }
    // Signals that came in the last moment.
    py.check_signals()?;
    let result = result.or_raise()?;
    watch.show(py, callback.as_ref())?;
    Ok(result)
}

/// Does `work`, which may go on for a while after it is stopped, and waits for it as [`done`] does.
/// After a signal that raises nobody waits any more: the work ends when it next looks at the watch.
///
/// # Errors
/// As [`done`].
pub(crate) fn done_or_left<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&Watch) -> beaa::Result<T> + Send + 'static,
) -> PyResult<T> {
    expect_no_fork(py)?;
    py.detach(|| {
        let (sender, receiver) = channel::<()>();
        let watch = Arc::new(Watch::default());
        let watched = Arc::clone(&watch);
        let worker = thread::spawn(move || {
            let result = work(&watched);
            drop(sender);
            result
        });
        while receiver.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            Python::attach(|py| py.check_signals()).inspect_err(|_| watch.stop.store(true, Ordering::Relaxed))?;
        }
        worker.join().unwrap_or_else(|panic| resume_unwind(panic)).or_raise()
    })
}

/// Refuses work in a process that was forked after the threads were started: they do not live
/// there, and nothing would ever be done. Whatever may start them comes through here: keys are read
/// and written by many threads where they have rotations, and the plan of a program counts them.
pub(crate) fn expect_no_fork(py: Python<'_>) -> PyResult<()> {
    if *PROCESS.get_or_init(process::id) == process::id() {
        return Ok(());
    }
    let found = "a process that was forked after the first encryption or run, without its threads";
    let remedy = "start processes with multiprocessing.get_context(\"spawn\")";
    Err(refusal(py, "ForkError", ["starting work", found, "the process itself, or one that was spawned", remedy]))
}
