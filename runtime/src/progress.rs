//! How long work tells its progress. Must never decide how it is shown.

/// Is told of the steps of one piece of work at a time.
pub trait Progress: Sync {
    /// A piece of work of `steps` steps begins.
    fn begin(&self, what: &str, steps: u64);
    /// `steps` more steps are done; called from any thread.
    fn advance(&self, steps: u64);
    /// The piece of work is done.
    fn end(&self);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _steps: u64) {}
    fn advance(&self, _steps: u64) {}
    fn end(&self) {}
}
