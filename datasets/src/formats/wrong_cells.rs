//! Numbers of a file that are none, or not allowed: how many, and the first.

use std::path::Path;

use crate::error::Error;

/// So many are shown.
const SHOWN: usize = 6;

/// A cell as messages show it: one line, not too long.
pub(crate) fn shortened(cell: &str) -> String {
    const MOST: usize = 40;
    let shown: String = cell.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if cell.chars().count() > MOST { shown + "…" } else { shown }
}

/// What was found so far.
#[derive(Default)]
pub(crate) struct WrongCells {
    count: usize,
    shown: Vec<String>,
}

impl WrongCells {
    /// One more; `text` says where it is and what it is.
    #[cold]
    pub(crate) fn add(&mut self, text: impl Fn() -> String) {
        if self.shown.len() < SHOWN {
            self.shown.push(text());
        }
        self.count += 1;
    }

    /// An error if there are any; `what` says what they are, as in "no number".
    pub(crate) fn check(&self, path: &Path, what: &str, expected: &str, remedy: &str) -> Result<(), Error> {
        if self.count == 0 {
            return Ok(());
        }
        let more = self.count - self.shown.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let cells =
            if self.count == 1 { "1 cell that is".to_owned() } else { format!("{} cells that are", self.count) };
        Err(Error::table(path, "", format!("{cells} {what}: {}{more}", self.shown.join("; ")), expected, remedy))
    }
}
