//! The worker processes of a server: each in a process of its own, so that a run that ends its
//! process ends nothing else. They end with the server, whatever ends it, since they read from it.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// How often the processes are looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// A worker that ended is started again after this time.
const BEFORE_RESTART: Duration = Duration::from_secs(1);
/// What workers get to give their jobs back when the server ends.
const TO_END: Duration = Duration::from_secs(10);

/// Worker processes that are started again when they end.
pub struct WorkerPool {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WorkerPool {
    /// Starts so many workers, each by the command that `command` makes.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn start(workers: usize, command: impl Fn() -> Command + Send + 'static) -> Result<Self> {
        let mut children = Vec::with_capacity(workers);
        for _ in 0..workers {
            children.push(Some(spawn(&command)?));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || look_after(children, &command, &told));
        Ok(Self { stop, thread: Some(thread) })
    }
}

/// Ends the workers, which give their jobs back first.
impl Drop for WorkerPool {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It only ends after its children.
            let _ = thread.join();
        }
    }
}

fn spawn(command: &impl Fn() -> Command) -> Result<Child> {
    let started = command().stdin(Stdio::piped()).spawn();
    started.map_err(|error| Error::Setting(format!("starting a worker: {error}; look at the limits of the system")))
}

fn look_after(mut children: Vec<Option<Child>>, command: &impl Fn() -> Command, stop: &AtomicBool) {
    let mut ended: Vec<Option<Instant>> = children.iter().map(|_| None).collect();
    while !stop.load(Ordering::Relaxed) {
        for (child, ended) in children.iter_mut().zip(&mut ended) {
            if let Some(running) = child
                && let Ok(Some(status)) = running.try_wait()
            {
                tracing::error!("a worker ended ({status}); its job runs again when its lease is over");
                (*child, *ended) = (None, Some(Instant::now()));
            }
            if child.is_none() && ended.is_none_or(|at| at.elapsed() >= BEFORE_RESTART) {
                match spawn(command) {
                    Ok(new) => *child = Some(new),
                    Err(error) => {
                        tracing::error!("{error}");
                        *ended = Some(Instant::now());
                    }
                }
            }
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    // The end of what they read tells them.
    let mut children: Vec<Child> = children.into_iter().flatten().collect();
    children.iter_mut().for_each(|child| drop(child.stdin.take()));
    let until = Instant::now() + TO_END;
    while Instant::now() < until && children.iter_mut().any(|child| matches!(child.try_wait(), Ok(None))) {
        std::thread::sleep(BETWEEN_LOOKS);
    }
    for child in &mut children {
        let _ = child.kill();
        let _ = child.wait();
    }
}
