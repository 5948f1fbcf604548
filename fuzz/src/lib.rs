//! What every fuzz target is: a reader of hostile/ behind libFuzzer, with the mutations that know
//! the structure of its files beside libFuzzer's.

pub use beaa_hostile::{Choices, READERS, Reader, Scratch};
pub use libfuzzer_sys;

use std::sync::OnceLock;

/// Reads a file; what is wrong with it does not matter here.
pub fn read(reader: &Reader, bytes: &[u8]) {
    static SCRATCH: OnceLock<Scratch> = OnceLock::new();
    let scratch = SCRATCH.get_or_init(|| {
        beaa_hostile::limit_work();
        Scratch::new().expect("a folder for files")
    });
    let _ = (reader.read)(scratch, bytes);
}

/// Changes a file in place, by its structure every other time. Returns its new length.
pub fn mutate(reader: &Reader, data: &mut [u8], size: usize, seed: u32) -> Option<usize> {
    let choices = &mut Choices::new(u64::from(seed), reader.name, size as u64);
    if choices.one_in(2) {
        return None;
    }
    let mut file = data[..size].to_vec();
    let other = file.clone();
    beaa_hostile::mutate::change(reader.structure, &mut file, &other, choices);
    let length = file.len().min(data.len());
    data[..length].copy_from_slice(&file[..length]);
    Some(length)
}

/// Makes a fuzz target of the reader with this name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        static READER: std::sync::LazyLock<&'static $crate::Reader> = std::sync::LazyLock::new(|| {
            $crate::READERS.iter().find(|r| r.name == $name).expect("a reader of this name")
        });

        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::read(&READER, bytes));

        $crate::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
            $crate::mutate(&READER, data, size, seed)
                .unwrap_or_else(|| $crate::libfuzzer_sys::fuzzer_mutate(data, size, most))
        });
    };
}
