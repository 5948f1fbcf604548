//! What tells workers apart.

/// Who works, and on which machine: workers of one machine share its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerId {
    /// The worker.
    pub name: String,
    /// Its machine, as it runs now.
    pub host: String,
}
