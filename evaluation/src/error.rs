//! The faults of whoever gave settings and inputs. Errors of other crates pass through as they are,
//! with context.

/// Whose fault it is that work cannot go on; a cause in the chain of an [`anyhow::Error`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The caller asked for something that is not there or out of range.
    #[error("{0}")]
    Setting(String),
    /// A file or a data set is missing, damaged or does not fit.
    #[error("{0}")]
    Input(String),
    /// The user stopped the work; what was finished is saved.
    #[error("{0}")]
    Interrupted(String),
}

/// An error that blames a setting.
pub fn bad_setting(message: impl Into<String>) -> anyhow::Error {
    Fault::Setting(message.into()).into()
}

/// An error that blames an input.
pub fn bad_input(message: impl Into<String>) -> anyhow::Error {
    Fault::Input(message.into()).into()
}

/// An error that says the user stopped the work.
pub fn interrupted(message: impl Into<String>) -> anyhow::Error {
    Fault::Interrupted(message.into()).into()
}
