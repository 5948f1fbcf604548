//! Names of classes as configured: a list, a file with one name a line, or nothing.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bounded_reader::BoundedReader;
use crate::error::Error;

/// No list of class names is longer than this, in bytes.
const LONGEST: u64 = 1 << 16;

/// Where the names of the classes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Classes {
    /// The names, in the order of the labels.
    Names(Vec<String>),
    /// A text file, one name a line, in the order of the labels; empty lines are passed over.
    File(PathBuf),
}

impl Classes {
    /// The names that are stated; none where none are.
    pub(crate) fn stated(classes: Option<&Self>) -> Result<Vec<String>, Error> {
        Self::resolve(classes, &[])
    }

    /// The names; without any, the labels themselves in digits, as many as occur in `labels`.
    pub(crate) fn resolve(classes: Option<&Self>, labels: &[u8]) -> Result<Vec<String>, Error> {
        match classes {
            Some(Self::Names(names)) => Ok(names.clone()),
            Some(Self::File(path)) => read(path),
            None => {
                let n = labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
                Ok((0..n).map(|class| class.to_string()).collect())
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<String>, Error> {
    let mut input = BoundedReader::open(path)?;
    let text = input.at_most(LONGEST)?;
    input.end()?;
    let text = String::from_utf8(text).map_err(|_| Error::BadName { file: path.to_owned() })?;
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    match names.len() {
        0 => Err(Error::BadName { file: path.to_owned() }),
        found @ 257.. => Err(Error::TooManyClasses { file: path.to_owned(), found }),
        _ => Ok(names),
    }
}
