//! Measured figures as tables, as plots, and as sections of a page.

mod page;
mod plots;
mod tables;

pub use page::fill_page;
pub use plots::{backend_plots, packing_plots, plots};
pub use tables::{Table, backend_tables, check_table, kernel_tables, network_tables, packing_tables, sweep_tables};
