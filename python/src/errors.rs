//! Errors of the library as exceptions of `beaa.errors`, with the same parts.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use beaa::{Error, Explanation};

/// The class of `beaa.errors` for an error.
fn class(error: &Error) -> &'static str {
    match error {
        Error::Io { .. } => "FileAccessError",
        Error::BadFile(_) => "BadFileError",
        Error::Version { .. } => "VersionError",
        Error::DataSet(_) => "DataSetError",
        Error::Unsupported { .. } => "UnsupportedError",
        Error::BadOption(_) => "OptionError",
        Error::NoProgram(_) => "NoProgramError",
        Error::Memory { .. } => "MemoryShortageError",
        Error::ImageSize { .. } | Error::Length { .. } | Error::NoImages | Error::BatchSize { .. } => "SizeError",
        Error::InputKind { .. } => "InputKindError",
        Error::OutOfRange { .. } | Error::ImageRange { .. } | Error::NoClass { .. } => "RangeError",
        Error::Mismatch(_) => "MismatchError",
        Error::Device(_) => "DeviceError",
        Error::Forged(_) => "ForgedError",
        Error::Passphrase(_) => "PassphraseError",
        Error::FromSeed { .. } => "SeedError",
        Error::Stopped { .. } => "StoppedError",
        // Whatever the library adds later is an error all the same.
        _ => "Error",
    }
}

/// The exception for an error of the library.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    raise(py, class(error), &error.to_string(), &error.explanation(), parts(error))
}

/// What is said of each part of a network that has no counterpart under encryption.
fn parts(error: &Error) -> Vec<(String, String, String)> {
    match error {
        Error::Unsupported { parts } => {
            parts.iter().map(|p| (p.name.clone(), p.found.clone(), p.remedy.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// An exception of `beaa.errors` that no error of the library is behind.
pub(crate) fn refusal(py: Python<'_>, class: &str, said: [&str; 4]) -> PyErr {
    let [operation, found, expected, remedy] = said;
    let message = format!("{operation}: found {found}, expected {expected}; {remedy}");
    let parts = [operation, found, expected, remedy].map(|s| Some(s.to_owned()));
    construct(py, class, &message, parts, Vec::new())
}

fn raise(
    py: Python<'_>,
    class: &str,
    message: &str,
    explanation: &Explanation,
    parts: Vec<(String, String, String)>,
) -> PyErr {
    let Explanation { operation, found, expected, remedy, .. } = explanation.clone();
    construct(py, class, message, [operation, found, expected, remedy], parts)
}

fn construct(
    py: Python<'_>,
    class: &str,
    message: &str,
    [operation, found, expected, remedy]: [Option<String>; 4],
    parts: Vec<(String, String, String)>,
) -> PyErr {
    let built = || -> PyResult<PyErr> {
        let class = py.import("beaa.errors")?.getattr(class)?.cast_into::<PyType>()?;
        let named = PyDict::new(py);
        named.set_item("operation", operation)?;
        named.set_item("found", found)?;
        named.set_item("expected", expected)?;
        named.set_item("remedy", remedy)?;
        if !parts.is_empty() {
            named.set_item("parts", parts)?;
        }
        Ok(PyErr::from_value(class.call((message,), Some(&named))?))
    };
    // The package is not whole: its own message still says what was wrong.
    built().unwrap_or_else(|_| PyRuntimeError::new_err(message.to_owned()))
}

/// Makes an exception of an error of the library.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception.
    ///
    /// # Errors
    /// The library's.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for beaa::Result<T> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| Python::attach(|py| exception(py, &error)))
    }
}
