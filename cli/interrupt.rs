//! Ctrl-C. The first asks the running step to finish and save, the second stops at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::console::Console;
use crate::exit::Exit;

/// A flag that becomes true with the first Ctrl-C.
pub(crate) fn listen(console: &Console) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let (flag, words) = (Arc::clone(&stop), console.clone());
    let installed = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
        words.note("finishing the current step; press Ctrl-C again to stop at once");
    });
    if let Err(error) = installed {
        tracing::warn!("Ctrl-C will stop at once, without saving: {error}");
    }
    stop
}
