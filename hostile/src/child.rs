//! The process that reads: it says on its standard output which input comes next before it touches
//! it, so that whoever watches knows which one it was when the process dies or hangs.

use std::io::Write;
use std::ops::Range;

use anyhow::{Context as _, Result};

use crate::reader::Reader;
use crate::scratch::Scratch;
use crate::seeds::Seeds;

/// Bytes that one piece of work may take, by what a command computes before it starts.
const WORK: u64 = 256 << 20;

/// All is there, the first input comes next.
pub(crate) const READY: u8 = b'r';
/// Before the number of an input.
pub(crate) const NEXT: u8 = b'n';
/// Before the numbers of inputs that were accepted and of those that were refused.
pub(crate) const DONE: u8 = b'd';

/// Reads the inputs with these numbers, one after the other, and says to `progress` which.
///
/// # Errors
/// If there is no folder for files, or nobody listens.
///
/// # Panics
/// As the reader does, and if it takes a file of which one bit was flipped.
pub fn read_numbers(reader: &Reader, seed: u64, numbers: Range<u64>, mut progress: impl Write) -> Result<()> {
    limit_work();
    let scratch = Scratch::new()?;
    let seeds = Seeds::of(reader)?;
    let (mut accepted, mut refused) = (0_u64, 0_u64);
    // At once: what is still in a buffer when the process aborts is never heard.
    let mut say = |kind, numbers| progress.write_all(&message(kind, numbers)).and_then(|()| progress.flush());
    say(READY, [0, 0]).context("saying that all is there")?;
    for number in numbers {
        say(NEXT, [number, 0]).context("saying which input comes next")?;
        let input = seeds.input(reader, seed, number);
        match (reader.read)(&scratch, &input.bytes) {
            Ok(()) => {
                assert!(!input.damaged, "a file of which one bit was flipped is accepted");
                accepted += 1;
            }
            Err(error) => {
                assert!(!format!("{error:#}").is_empty(), "a message without a word");
                refused += 1;
            }
        }
    }
    say(DONE, [accepted, refused]).context("saying how many inputs were accepted")
}

/// Sets what a piece of work of this process may say that it needs before it is refused.
pub fn limit_work() {
    beaa_memory::limit(WORK);
}

/// Bytes of a message.
pub(crate) const MESSAGE: usize = 17;

fn message(kind: u8, numbers: [u64; 2]) -> [u8; MESSAGE] {
    let mut message = [kind; MESSAGE];
    message[1..9].copy_from_slice(&numbers[0].to_le_bytes());
    message[9..].copy_from_slice(&numbers[1].to_le_bytes());
    message
}
