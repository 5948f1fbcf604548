//! What tenants are told of what fails below the server: whose fault it is, and words without paths
//! of this machine.

use std::path::PathBuf;

use beaa_base::Error as PathError;
use beaa_ir::Error as FileError;
use beaa_runtime::Error as RunError;

/// Whether the server's memory or disk failed, and not what was sent: the same may succeed later.
pub(crate) fn is_of_the_server(error: &RunError) -> bool {
    match error {
        RunError::Memory(_) | RunError::Stopped { .. } => true,
        RunError::File(FileError::Io { .. }) => true,
        RunError::File(FileError::File(error)) => {
            matches!(error, PathError::Io { .. } | PathError::Busy { .. } | PathError::NoSpace { .. })
        }
        _ => false,
    }
}

/// The error in words for a tenant, who has no use for paths of this machine: neither for those
/// that the error has as such, nor for those of `files` amid what was found.
pub(crate) fn words(error: &RunError, files: &[PathBuf]) -> String {
    let said = without_paths(error);
    files.iter().fold(said, |said, file| said.replace(&file.display().to_string(), "the file"))
}

fn without_paths(error: &RunError) -> String {
    match error {
        RunError::File(error) => of_file(error),
        RunError::WrongKind { found, expected, .. } => {
            format!("reading ciphertexts: found {found}, expected {expected}")
        }
        // Of the others, only those of secret keys name paths, and a server opens none.
        other => other.to_string(),
    }
}

fn of_file(error: &FileError) -> String {
    match error {
        FileError::Io { operation, source, .. } => format!("{operation}: {source}"),
        FileError::File(error) => of_path(error),
        other => other.to_string(),
    }
}

fn of_path(error: &PathError) -> String {
    match error {
        PathError::Io { operation, source, .. } => format!("{operation}: {source}"),
        PathError::Unfit { operation, found, expected, .. } | PathError::Refused { operation, found, expected, .. } => {
            format!("{operation}: found {found}, expected {expected}")
        }
        PathError::Busy { .. } => "writing: found another process that writes there, expected none".to_owned(),
        PathError::NoSpace { .. } => "writing: found too little space on the server's disk, expected enough".to_owned(),
        _ => "working on a file: found a failure of the server, expected none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn failing(kind: ErrorKind) -> PathError {
        PathError::Io { operation: "reading", path: PathBuf::from("/srv/beaa/x"), source: kind.into() }
    }

    #[test]
    fn no_path_of_the_server_is_told() {
        let path = || PathBuf::from("/srv/beaa/x");
        let (found, expected, remedy) = ("one", "another", "look");
        let (operation, texts) = ("reading", (found.to_owned(), expected.to_owned()));
        let unfit = PathError::Unfit { operation, path: path(), found: texts.0, expected: texts.1, remedy };
        let full = PathError::NoSpace { path: path(), needed: 2, free: 1 };
        let errors = [
            RunError::File(failing(ErrorKind::NotFound).into()),
            RunError::File(FileError::File(failing(ErrorKind::NotFound))),
            RunError::File(unfit.into()),
            RunError::File(full.into()),
            RunError::File(PathError::Busy { path: path() }.into()),
            RunError::WrongKind { path: path(), found, expected },
            RunError::File(FileError::malformed("reading", "a key in /srv/beaa/x", "images")),
        ];
        for error in errors {
            assert!(error.to_string().contains("/srv/beaa"), "{error}: nothing would be left out");
            let said = words(&error, &[path()]);
            assert!(!said.contains("/srv") && said.contains(": "), "{said}");
        }
    }

    #[test]
    fn want_of_memory_and_of_space_are_no_fault_of_the_client() {
        let short = beaa_memory::Need::new("checking", u64::MAX, "wait").check().unwrap_err();
        let full = PathError::NoSpace { path: PathBuf::new(), needed: 2, free: 1 };
        for error in
            [RunError::Memory(short), RunError::File(full.into()), RunError::File(failing(ErrorKind::Other).into())]
        {
            assert!(is_of_the_server(&error), "{error}");
        }
        let damaged = RunError::File(FileError::malformed("reading", "bytes", "a file"));
        assert!(!is_of_the_server(&damaged));
    }
}
