//! Readers with a known fault each, by which the campaign shows that it would find one.

use anyhow::Result;

use crate::limits::ADDRESS_SPACE;
use crate::mutate::Structure;
use crate::reader::{Good, Reader};
use crate::scratch::Scratch;

/// One for each way to fail.
pub const FAULTY: &[Reader] = &[
    reader("faulty-panic", |_, bytes| {
        assert!(!at_fault(bytes), "a fault made on purpose");
        Ok(())
    }),
    reader("faulty-memory", |_, bytes| {
        let size = if at_fault(bytes) { ADDRESS_SPACE as usize + 1 } else { 1 };
        let block = std::hint::black_box(vec![1_u8; size]);
        anyhow::ensure!(block.len() == 1, "the block of {} bytes is there", block.len());
        Ok(())
    }),
    reader("faulty-stack", |_, bytes| {
        anyhow::ensure!(deeper(bytes, 0) == 0, "a depth beyond the first");
        Ok(())
    }),
    reader("faulty-hang", |_, bytes| {
        while at_fault(bytes) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(())
    }),
    // Damaged files are to be refused; this one takes all.
    Reader { checked: true, ..reader("faulty-checksum", |_, _| Ok(())) },
];

const fn reader(name: &'static str, read: fn(&Scratch, &[u8]) -> Result<()>) -> Reader {
    Reader { name, structure: Structure::Bytes, checked: false, good: Good::Fixed(&[b"a good file"]), read, inputs: 0 }
}

/// Whether a faulty reader fails on these bytes: about one input in a hundred.
pub fn at_fault(bytes: &[u8]) -> bool {
    blake3::hash(bytes).as_bytes()[0] < 3
}

/// Calls itself for ever on a faulty file.
fn deeper(bytes: &[u8], depth: u64) -> u64 {
    if !at_fault(bytes) {
        return depth;
    }
    let below = deeper(std::hint::black_box(bytes), depth + 1);
    std::hint::black_box(below) + 1
}
