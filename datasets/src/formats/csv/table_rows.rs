//! The rows that were read of a table.

/// The rows of a table.
pub(crate) struct TableRows {
    /// `[row][chosen column]`.
    pub(crate) numbers: Vec<f32>,
    /// One for each row, without blanks around it; empty if none were asked for.
    pub(crate) labels: Vec<String>,
    /// The line in the file of each row, from 1 on.
    pub(crate) lines: Vec<u64>,
}
