//! Internal crate of beaa, for tests alone: every reader of files that may come from anybody, with
//! files that are changed on purpose. The fuzz targets (`fuzz/`) and the bounded campaign
//! (`hostile/tests`) share the readers, the good files and the mutations.
//!
//! A reader gets a file and does with it what a command would: reads it, writes what it read, uses
//! it where that is cheap. It may refuse the file; it may not panic, abort, hang or take memory
//! beyond [`ADDRESS_SPACE`]. What it accepts and writes must be read again as the same.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod campaign;
mod child;
mod faulty;
mod files;
mod limits;
mod made_files;
pub mod mutate;
mod random;
mod reader;
mod readers;
mod scratch;
pub mod seeds;
mod training_run;

pub use child::{limit_work, read_numbers};
pub use faulty::{FAULTY, at_fault};
pub use limits::{ADDRESS_SPACE, Limits};
pub use made_files::make_all as make_good_files;
pub use random::Choices;
pub use reader::{Good, Reader};
pub use readers::READERS;
pub use scratch::Scratch;
