//! The parts of an error: for callers that show them apart, as Python does.

use crate::Error;

/// What an error says, in parts. [`Error`]'s message holds all of it; a part that it does not speak
/// of is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// What was being done.
    pub operation: Option<String>,
    /// What was found.
    pub found: Option<String>,
    /// What was expected in its place.
    pub expected: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Error {
    /// Takes the message apart: what was being done, what was found, what was expected, what to do.
    ///
    /// ```
    /// let error = beaa::Program::load("tests/data/v2/secret.key").unwrap_err();
    /// let parts = error.explanation();
    /// assert_eq!(parts.operation.as_deref(), Some("reading a file"));
    /// assert!(parts.found.is_some_and(|found| found.starts_with("a secret key file in ")));
    /// assert_eq!(parts.expected.as_deref(), Some("a program file"));
    /// assert!(parts.remedy.is_some_and(|remedy| remedy.starts_with("check that the file is ")));
    /// ```
    pub fn explanation(&self) -> Explanation {
        let text = |s: &str| Some(s.to_owned());
        let (operation, found, expected, remedy) = match self {
            Self::Io { operation, path, source } => {
                (text(&format!("{operation} {}", path.display())), text(&source.to_string()), None, None)
            }
            Self::Version { kind, found, oldest, newest, remedy } => {
                let expected = format!("format version {oldest} to {newest}");
                (
                    text(&format!("reading {kind} file")),
                    text(&format!("format version {found}")),
                    Some(expected),
                    text(remedy),
                )
            }
            Self::Unsupported { parts } => {
                let each =
                    |f: fn(&crate::UnsupportedPart) -> String| parts.iter().map(f).collect::<Vec<_>>().join("; ");
                let found = each(|p| format!("`{}` ({})", p.name, p.found));
                let expected = "parts of a network that can be evaluated under encryption";
                (None, Some(found), text(expected), Some(each(|p| format!("`{}`: {}", p.name, p.remedy))))
            }
            Self::Memory { operation, needed, allowed, remedy } => {
                let [needed, allowed] = [needed, allowed].map(|n| format!("{n} bytes of memory"));
                (text(operation), Some(needed), Some(format!("at most {allowed}")), text(remedy))
            }
            Self::Stopped { operation } => (text(operation), text("an end that was asked for"), None, None),
            other => return of_message(&other.to_string()),
        };
        Explanation { operation, found, expected, remedy }
    }
}

/// Takes apart `OPERATION: found FOUND, expected EXPECTED; REMEDY`, the form of all messages; what
/// stands in front of `, expected` is what was found, whatever the verb.
fn of_message(message: &str) -> Explanation {
    let text = |s: &str| Some(s.trim().to_owned()).filter(|s| !s.is_empty());
    let (head, expected, remedy) = match message.split_once(", expected ") {
        Some((head, rest)) => match rest.split_once("; ") {
            Some((expected, remedy)) => (head, text(expected), text(remedy)),
            None => (head, text(rest), None),
        },
        None => match message.rsplit_once("; ") {
            Some((head, remedy)) => (head, None, text(remedy)),
            None => (message, None, None),
        },
    };
    let (operation, found) = match head.strip_prefix("found ") {
        Some(found) => (None, text(found)),
        None => match head.split_once(": found ").or_else(|| head.split_once(": ")) {
            Some((operation, found)) => (text(operation), text(found)),
            None => (None, text(head)),
        },
    };
    Explanation { operation, found, expected, remedy }
}
