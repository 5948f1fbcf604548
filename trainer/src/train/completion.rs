//! How training ended: with a result, or interrupted at a step from which it can go on.

use std::path::PathBuf;

use crate::train::events::Phase;

/// A result, or where training was interrupted before there was one.
#[derive(Debug, Clone, PartialEq)]
pub enum Completion<T> {
    /// Training is complete.
    Done(T),
    /// Training was stopped; resuming goes on with the next step.
    Interrupted(Interruption),
}

/// Where training was interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interruption {
    /// Which network was being trained.
    pub phase: Phase,
    /// Complete epochs of that phase.
    pub epochs_done: usize,
    /// Complete steps of the epoch after those.
    pub steps_done: usize,
    /// The folder of the checkpoint that was written.
    pub checkpoint: PathBuf,
}

impl<T> Completion<T> {
    /// Goes on with the result if there is one; an interruption stays what it is.
    ///
    /// # Errors
    /// Whatever `next` returns.
    pub(crate) fn and_then<U, E>(self, next: impl FnOnce(T) -> Result<Completion<U>, E>) -> Result<Completion<U>, E> {
        match self {
            Self::Done(result) => next(result),
            Self::Interrupted(interruption) => Ok(Completion::Interrupted(interruption)),
        }
    }
}
