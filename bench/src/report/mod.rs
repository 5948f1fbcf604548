//! Measured figures as tables, as plots, and as sections of a page.

mod packing_tables;
mod page;
mod plots;
mod tables;

pub use packing_tables::packing_tables;
pub use page::fill_page;
pub use plots::{backend_plots, packing_plot, plots};
pub use tables::{Table, backend_tables, card_tables, check_table, kernel_tables, network_tables, sweep_tables};
