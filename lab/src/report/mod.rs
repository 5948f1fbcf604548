//! The demo's report: figures, tables, plots and the page that holds them.

pub mod html;
mod plots;
pub(crate) mod style;
mod summary;
pub mod tables;

pub use summary::{
    Accuracies, Agreement, DataFigures, Errors, MemoryFigures, ParameterFigures, PerImage, Sizes, StepTime, Summary,
};
