//! Ctrl-C. Work that saves as it goes is asked to finish its step and save; all other work ends at
//! once, without an incomplete file, since its outputs appear only when they are whole. A second
//! Ctrl-C always ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::console::Console;
use crate::exit::Exit;

/// What the handler and the work know of each other.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    /// Becomes true with the first Ctrl-C.
    pub(crate) stop: Arc<AtomicBool>,
    saving: Arc<AtomicUsize>,
}

/// While it lives, the first Ctrl-C only sets the flag.
#[derive(Debug)]
pub(crate) struct Saving(Arc<AtomicUsize>);

impl Interrupt {
    /// Begins to listen.
    pub(crate) fn listen(console: &Console) -> Self {
        let found = Self { stop: Arc::new(AtomicBool::new(false)), saving: Arc::new(AtomicUsize::new(0)) };
        let (handler, words) = (found.clone(), console.clone());
        let installed = ctrlc::set_handler(move || {
            let again = handler.stop.swap(true, Ordering::Relaxed);
            if handler.saving.load(Ordering::Relaxed) > 0 && !again {
                words.note("finishing the current step; press Ctrl-C again to stop at once");
                return;
            }
            // Held to the end: no output appears any more.
            let _abandoned = beaa_base::output::abandon();
            // Somebody may have been asked for a passphrase.
            beaa_secrets::restore_terminal();
            words.interrupted("stopped at once; no incomplete file is left");
            std::process::exit(Exit::Interrupted as i32);
        });
        if let Err(error) = installed {
            tracing::warn!("Ctrl-C will stop at once, without saving: {error}");
        }
        found
    }

    /// Says that the work looks at the flag and saves where it is.
    pub(crate) fn saving(&self) -> Saving {
        self.saving.fetch_add(1, Ordering::Relaxed);
        Saving(Arc::clone(&self.saving))
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
