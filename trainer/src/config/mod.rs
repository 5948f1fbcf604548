//! The configuration of an experiment: as written, checked, and what makes a student cheaper.

mod check;
mod compression;
mod experiment;
mod layers;
mod literal;
mod phases;
mod problems;
mod rounds;

// All public names of these modules are the crate's: a new layer or setting is added in one place.
pub use check::*;
pub use compression::*;
pub use experiment::*;
pub use layers::*;
pub use literal::*;
pub use phases::*;
pub(crate) use rounds::Rounds;
