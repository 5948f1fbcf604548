//! From a teacher to a student: fitted quadratics, what activations see, the losses.

pub(crate) mod activation_stats;
pub(crate) mod check_teacher;
pub(crate) mod ensemble;
pub(crate) mod loss;
pub(crate) mod objective;
pub(crate) mod quadratic_fit;
pub(crate) mod student;
