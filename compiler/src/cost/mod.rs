//! What a program costs: the rates of a machine, the cost of an operation, of a layer and of a run,
//! as numbers and as text.

pub(crate) mod coverage;
pub(crate) mod forecast;
pub(crate) mod machine;
pub(crate) mod memory;
pub(crate) mod ops;
pub(crate) mod report;
pub(crate) mod text;
