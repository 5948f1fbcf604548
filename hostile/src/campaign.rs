//! The campaign: inputs by number, each read in a process that is watched. One that panics, aborts,
//! takes too long or too much memory is a failure; its bytes are kept, and the campaign goes on
//! behind it.

use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};

use crate::child::{DONE, MESSAGE, READY};
use crate::faulty::FAULTY;
use crate::limits::Limits;
use crate::reader::Reader;
use crate::readers::READERS;
use crate::seeds::Seeds;

/// Inputs of the whole campaign, at least, with a factor of 1.
pub const LEAST_INPUTS: u64 = 100_000;
/// Another seed makes other inputs.
pub const SEED: u64 = 1;
/// Inputs that one process reads, at most: a few tasks for each core.
const TOGETHER: u64 = 2500;
/// How many times the time of an input a process may take to start.
const STARTING: u32 = 10;
/// Failures of one task after which it is given up.
const ENOUGH: usize = 3;

/// Inputs of one reader, by number.
#[derive(Debug, Clone)]
pub struct Task {
    /// Name of the reader.
    pub reader: &'static str,
    /// Its inputs.
    pub numbers: Range<u64>,
}

/// The reader of this name, a faulty one too.
///
/// # Errors
/// If there is none.
pub fn named(name: &str) -> Result<&'static Reader> {
    let mut all = READERS.iter().chain(FAULTY);
    all.find(|reader| reader.name == name).ok_or_else(|| anyhow!("a reader {name:?}: found none; `list` names them"))
}

/// The tasks of a campaign with `factor` times the usual number of inputs.
pub fn tasks(factor: u64) -> Vec<Task> {
    let of = |reader: &'static Reader| {
        let all = u64::from(reader.inputs) * factor;
        (0..all).step_by(TOGETHER as usize).map(move |from| {
            let numbers = from..all.min(from + TOGETHER);
            Task { reader: reader.name, numbers }
        })
    };
    READERS.iter().flat_map(of).collect()
}

/// How an input failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The process ended: by a panic, an assertion, an abort, a signal.
    Ended(String),
    /// It was not done in time.
    TooLong,
}

/// An input that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Of which reader.
    pub reader: &'static str,
    /// Its number.
    pub number: u64,
    /// How.
    pub fault: Fault,
    /// Its bytes.
    pub file: PathBuf,
}

/// What came out, reader by reader and input by input.
#[derive(Debug, Default)]
pub struct Report {
    /// Accepted, refused, and seconds of all processes, for each reader.
    pub readers: Vec<(&'static str, u64, u64, f64)>,
    /// All that failed.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Inputs that were read to an end.
    pub fn inputs(&self) -> u64 {
        self.readers.iter().map(|r| r.1 + r.2).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:24} {:>9} {:>9} {:>8}", "reader", "accepted", "refused", "seconds")?;
        for (name, accepted, refused, seconds) in &self.readers {
            writeln!(f, "{name:24} {accepted:>9} {refused:>9} {seconds:>8.1}")?;
        }
        for Failure { reader, number, fault, file } in &self.failures {
            let how = match fault {
                Fault::Ended(how) => how,
                Fault::TooLong => "not done in time",
            };
            writeln!(
                f,
                "{reader}, input {number}: {how}\n  read it again: beaa-hostile read {reader} {}",
                file.display()
            )?;
        }
        write!(f, "{} inputs", self.inputs())
    }
}

/// Runs `tasks` in processes of `program`, as many at once as there are cores.
///
/// # Errors
/// If no process can be started, or inputs that failed cannot be kept.
pub fn run(program: &Path, tasks: &[Task], limits: &Limits) -> Result<Report> {
    std::fs::create_dir_all(&limits.kept).with_context(|| format!("creating {}", limits.kept.display()))?;
    let (open, report) = (Mutex::new(tasks.iter()), Mutex::new(Report::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || -> Result<()> {
        loop {
            let next = open.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(task) = next else { return Ok(()) };
            let (started, (counts, failures)) = (Instant::now(), watch(program, task, limits)?);
            let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
            let at = report.readers.iter().position(|r| r.0 == task.reader).unwrap_or_else(|| {
                report.readers.push((task.reader, 0, 0, 0.0));
                report.readers.len() - 1
            });
            let (_, accepted, refused, seconds) = &mut report.readers[at];
            *accepted += counts[0];
            *refused += counts[1];
            *seconds += started.elapsed().as_secs_f64();
            report.failures.extend(failures);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Reads the inputs of a task, in as many processes as it takes.
fn watch(program: &Path, task: &Task, limits: &Limits) -> Result<([u64; 2], Vec<Failure>)> {
    let reader = named(task.reader)?;
    let (mut from, mut counts, mut failures) = (task.numbers.start, [0; 2], Vec::new());
    while from < task.numbers.end && failures.len() < ENOUGH {
        let mut process = start(program, reader, from..task.numbers.end, limits)?;
        let messages = listen(&mut process);
        // Starting is not reading: several programs of this size may start at once.
        let (mut last, mut patience) = (from, STARTING * limits.time);
        let fault = loop {
            match messages.recv_timeout(patience) {
                Ok((DONE, numbers)) => {
                    counts = [counts[0] + numbers[0], counts[1] + numbers[1]];
                    break None;
                }
                Ok((READY, _)) => patience = limits.time,
                Ok((_, [number, _])) => last = number,
                Err(RecvTimeoutError::Timeout) => break Some(Fault::TooLong),
                Err(RecvTimeoutError::Disconnected) => break Some(Fault::Ended(String::new())),
            }
        };
        let Some(fault) = fault else {
            process.wait()?;
            break;
        };
        let fault = match fault {
            Fault::TooLong => {
                process.kill()?;
                process.wait()?;
                Fault::TooLong
            }
            Fault::Ended(_) => Fault::Ended(last_words(process)?),
        };
        // Those before it ended well; which were accepted died with the process.
        counts[1] += last - from;
        let file = limits.kept.join(format!("{}-{last}", task.reader));
        std::fs::write(&file, Seeds::of(reader)?.input(reader, SEED, last).bytes)?;
        failures.push(Failure { reader: task.reader, number: last, fault, file });
        from = last + 1;
    }
    Ok((counts, failures))
}

/// Starts a process with the limits. The shell's own command sets them, so no system call of ours
/// is needed; where it cannot, reading goes on without.
fn start(program: &Path, reader: &Reader, numbers: Range<u64>, limits: &Limits) -> Result<Child> {
    let kibibytes = limits.memory / 1024;
    Command::new("sh")
        .args(["-c", &format!("ulimit -c 0; ulimit -v {kibibytes}; exec \"$@\""), "sh"])
        .arg(program)
        .args(["numbers", reader.name, &SEED.to_string()])
        .args([numbers.start.to_string(), numbers.end.to_string()])
        // Threads take address space each, and two processes at once need no more.
        .envs([("RAYON_NUM_THREADS", "1"), ("MALLOC_ARENA_MAX", "1"), ("RUST_BACKTRACE", "0")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))
}

/// The messages of a process, as they come.
fn listen(process: &mut Child) -> Receiver<(u8, [u64; 2])> {
    let (sender, receiver) = channel();
    let mut output = process.stdout.take();
    std::thread::spawn(move || {
        let mut message = [0; MESSAGE];
        while let Some(output) = output.as_mut()
            && output.read_exact(&mut message).is_ok()
        {
            let (kind, [first, second]) =
                (message[0], [1, 9].map(|at| u64::from_le_bytes(std::array::from_fn(|i| message[at + i]))));
            if sender.send((kind, [first, second])).is_err() {
                return;
            }
        }
    });
    receiver
}

/// How a process ended, and the end of what it said.
fn last_words(mut process: Child) -> Result<String> {
    let mut said = Vec::new();
    if let Some(error) = process.stderr.take() {
        error.take(1 << 16).read_to_end(&mut said)?;
    }
    let status = process.wait()?;
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("note:")).collect();
    let end = lines.iter().skip(lines.len().saturating_sub(4)).copied().collect::<Vec<_>>().join("; ");
    Ok(format!("{status}: {end}"))
}
