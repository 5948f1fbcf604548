//! Exit codes and the way an error is shown. The codes are a contract: `beaa --help` lists them.

use std::io::Write;
use std::process::ExitCode;

use beaa_base::printable::printable;
use beaa_evaluation::Fault;

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Success = 0,
    /// Something failed while running.
    Failure = 1,
    /// Wrong use of the command line or an option out of range.
    Usage = 2,
    /// An input is missing, damaged or does not fit.
    BadInput = 3,
    /// The verification did not hold, or answers are outside of what was promised.
    NotVerified = 4,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// An error that ends the command with this code.
    pub(crate) fn because(self, message: impl Into<String>) -> anyhow::Error {
        Stopped { exit: self, message: message.into() }.into()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Stopped {
    exit: Exit,
    message: String,
}

/// Prints the error with its causes to stderr and gives the exit code that fits.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let exit = classify(error);
    let mut stderr = std::io::stderr().lock();
    // Nowhere is left to complain when stderr is closed.
    let _ = stderr.write_all(printable(&text(error, exit)).as_bytes());
    exit.into()
}

/// The same for a file that an option names.
pub(crate) fn report_input(error: &beaa_base::Error) -> ExitCode {
    // Nowhere is left to complain when stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "error: {}", printable(&error.to_string()));
    of_path(error).into()
}

/// The code of the first cause that has one.
pub(crate) fn classify(error: &anyhow::Error) -> Exit {
    error.chain().find_map(of_cause).unwrap_or(Exit::Failure)
}

/// `error: ...`, then each cause that says something new.
fn text(error: &anyhow::Error, exit: Exit) -> String {
    let start = if exit == Exit::Interrupted { "interrupted" } else { "error" };
    let mut messages: Vec<String> = Vec::new();
    for message in error.chain().map(ToString::to_string) {
        // The file at work is often named again by what went wrong with it.
        if messages.last().is_some_and(|before| message.starts_with(before.as_str())) {
            messages.pop();
        }
        if !messages.iter().any(|before| before.contains(&message)) {
            messages.push(message);
        }
    }
    format!("{start}: {}\n", messages.join("\n  cause: "))
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if let Some(stopped) = cause.downcast_ref::<Stopped>() {
        return Some(stopped.exit);
    }
    if let Some(beaa_datasets::Error::Memory(_)) = cause.downcast_ref() {
        return Some(Exit::Failure);
    }
    if cause.is::<beaa_datasets::Error>() || cause.is::<beaa_compiler::MachineError>() {
        return Some(Exit::BadInput);
    }
    if let Some(fault) = cause.downcast_ref::<Fault>() {
        return Some(of_fault(fault));
    }
    if let Some(error) = cause.downcast_ref::<beaa_base::Error>() {
        return Some(of_path(error));
    }
    if let Some(error) = cause.downcast_ref::<beaa_ir::Error>() {
        return Some(of_file(error));
    }
    if let Some(error) = cause.downcast_ref::<beaa_import::Error>() {
        return Some(of_import(error));
    }
    if let Some(error) = cause.downcast_ref::<beaa_runtime::Error>() {
        return of_runtime(error);
    }
    if let Some(error) = cause.downcast_ref::<beaa_remote::Error>() {
        return of_remote(error);
    }
    #[cfg(feature = "command")]
    if let Some(exit) = of_work(cause) {
        return exit;
    }
    cause.downcast_ref::<beaa_compiler::Error>().and_then(of_compiler)
}

/// The code of what training, serving and measuring found; none if it is another error.
#[cfg(feature = "command")]
fn of_work(cause: &(dyn std::error::Error + 'static)) -> Option<Option<Exit>> {
    if let Some(error) = cause.downcast_ref::<beaa_trainer::Error>() {
        return Some(of_training(error));
    }
    if let Some(error) = cause.downcast_ref::<beaa_server::Error>() {
        return Some(of_server(error));
    }
    cause.downcast_ref::<beaa_bench::Error>().map(of_bench)
}

fn of_fault(fault: &Fault) -> Exit {
    match fault {
        Fault::Setting(_) => Exit::Usage,
        Fault::Input(_) => Exit::BadInput,
        Fault::Interrupted(_) => Exit::Interrupted,
        _ => Exit::Failure,
    }
}

/// An input that is not there or cannot be one is wrong; that the system fails is a failure.
fn of_path(error: &beaa_base::Error) -> Exit {
    use beaa_base::Error;
    match error {
        Error::Io { operation, source, .. } => of_io(operation, source),
        Error::Unfit { .. } => Exit::BadInput,
        Error::Refused { .. } => Exit::Usage,
        _ => Exit::Failure,
    }
}

fn of_io(operation: &str, source: &std::io::Error) -> Exit {
    let missing = source.kind() == std::io::ErrorKind::NotFound && !operation.starts_with("writing");
    if missing { Exit::BadInput } else { Exit::Failure }
}

fn of_file(error: &beaa_ir::Error) -> Exit {
    match error {
        beaa_ir::Error::Io { operation, source, .. } => of_io(operation, source),
        beaa_ir::Error::File(error) => of_path(error),
        _ => Exit::BadInput,
    }
}

fn of_import(error: &beaa_import::Error) -> Exit {
    match error {
        beaa_import::Error::File(error) => of_file(error),
        _ => Exit::BadInput,
    }
}

#[cfg(feature = "command")]
fn of_training(error: &beaa_trainer::Error) -> Option<Exit> {
    use beaa_trainer::Error;
    match error {
        Error::Config { .. } | Error::Syntax { .. } | Error::Data { .. } | Error::Checkpoint { .. } => {
            Some(Exit::BadInput)
        }
        Error::Dataset(_) => Some(Exit::BadInput),
        Error::NoDevice { .. } => Some(Exit::Usage),
        Error::Model(error) => Some(of_file(error)),
        Error::File(error) => Some(of_path(error)),
        _ => None,
    }
}

fn of_runtime(error: &beaa_runtime::Error) -> Option<Exit> {
    use beaa_runtime::Error;
    match error {
        Error::File(error) => Some(of_file(error)),
        Error::Memory(_) | Error::Device(_) => Some(Exit::Failure),
        Error::Stopped { .. } => Some(Exit::Interrupted),
        // All others are about keys, images and ciphertexts that came from files.
        _ => Some(Exit::BadInput),
    }
}

fn of_remote(error: &beaa_remote::Error) -> Option<Exit> {
    use beaa_remote::Error;
    match error {
        Error::Address { .. } => Some(Exit::Usage),
        Error::Refused { problem, .. } if problem.status < 500 => Some(Exit::BadInput),
        Error::File(error) => Some(of_path(error)),
        Error::Io { operation, source, .. } => Some(of_io(operation, source)),
        Error::WrongHash { .. } | Error::TooLarge { .. } | Error::Notes { .. } | Error::Malformed { .. } => {
            Some(Exit::BadInput)
        }
        _ => None,
    }
}

#[cfg(feature = "command")]
fn of_server(error: &beaa_server::Error) -> Option<Exit> {
    use beaa_server::Error;
    match error {
        Error::Setting(_) => Some(Exit::Usage),
        Error::Refused(_) => Some(Exit::BadInput),
        Error::File(error) => Some(of_file(error)),
        Error::Output(error) => Some(of_path(error)),
        Error::Runtime(error) => of_runtime(error),
        _ => None,
    }
}

/// What is measured fails as it would anywhere else.
#[cfg(feature = "command")]
fn of_bench(error: &beaa_bench::Error) -> Option<Exit> {
    use beaa_bench::Error;
    match error {
        Error::Compiler(error) => of_compiler(error),
        Error::Runtime(error) => of_runtime(error),
        Error::File(error) => Some(of_file(error)),
        Error::Wrong { .. } | Error::OtherBits => Some(Exit::NotVerified),
        _ => None,
    }
}

fn of_compiler(error: &beaa_compiler::Error) -> Option<Exit> {
    use beaa_compiler::Error;
    match error {
        Error::Option { .. } => Some(Exit::Usage),
        Error::Unsupported { .. } | Error::Size { .. } | Error::UnknownRange { .. } | Error::Overflow { .. } => {
            Some(Exit::BadInput)
        }
        Error::Program(error) => Some(of_file(error)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn codes_survive_context() {
        let error = Err::<(), _>(Exit::NotVerified.because("off by one")).context("verifying").unwrap_err();
        assert_eq!(classify(&error), Exit::NotVerified);
        assert_eq!(classify(&anyhow::anyhow!("anything")), Exit::Failure);
        let missing = beaa_datasets::Error::UnknownSet { name: "x".into(), known: vec![] };
        assert_eq!(classify(&anyhow::Error::from(missing).context("opening")), Exit::BadInput);
    }

    #[test]
    fn causes_are_told_once() {
        let io = std::io::Error::other("disk on fire");
        let error = anyhow::Error::from(io).context("writing x: disk on fire").context("saving");
        assert_eq!(text(&error, Exit::Failure), "error: saving\n  cause: writing x: disk on fire\n");
        let error = anyhow::anyhow!("reading x: found a folder").context("reading x").context("importing");
        assert_eq!(text(&error, Exit::Failure), "error: importing\n  cause: reading x: found a folder\n");
    }
}
