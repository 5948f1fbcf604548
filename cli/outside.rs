//! Images outside of what a program promises, one line each as long as there are few.

use beaa_runtime::{Outside, Reason};

use crate::context::Context;

/// Images that are named one by one.
pub(crate) const MOST_LINES: usize = 10;

/// The image's name, or its position in the batch.
pub(crate) fn name(names: &[String], image: usize) -> String {
    names.get(image).map_or_else(|| format!("image {image}"), |name| format!("image {image} ({name})"))
}

/// Says how many more there are than were named.
pub(crate) fn say_rest(count: usize, context: &Context) {
    if count > MOST_LINES {
        context.console.warn(format_args!("  and {} more", count - MOST_LINES));
    }
}

/// Why an answer is worth nothing. Without its value, which is nobody's business: it may have been
/// made to tell the key.
pub(crate) fn reason(outside: &Outside) -> String {
    match outside.reason {
        Reason::Range(range) => {
            format!("output {} is not in {:.3} to {:.3}", outside.output, range.min, range.max)
        }
        Reason::NoNumber => format!("output {} is no number", outside.output),
        Reason::Copy => format!("output {} differs from that of the same image in another slot", outside.output),
    }
}
