//! Training of one network: the loop, its optimiser, its checkpoints, its measurements and its
//! events.

pub(crate) mod checkpoint;
pub(crate) mod completion;
pub(crate) mod evaluate;
pub(crate) mod events;
pub(crate) mod optim;
pub(crate) mod optimiser_record;
pub(crate) mod student;
pub(crate) mod teacher;
pub(crate) mod train_loop;
