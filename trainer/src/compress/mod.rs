//! What makes a student cheaper while it learns: weights dropped, and weights rounded to integers.

pub(crate) mod masks;
pub(crate) mod quantise;
pub(crate) mod schedule;
