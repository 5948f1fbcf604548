//! The reader of hostile/ that `BEAA_READER` names, behind libFuzzer, with the mutations that know
//! the structure of its files beside libFuzzer's.
#![no_main]

use std::sync::{LazyLock, OnceLock};

use beaa_hostile::{Choices, READERS, Reader, Scratch};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

static READER: LazyLock<&'static Reader> = LazyLock::new(|| {
    let name = std::env::var("BEAA_READER").expect("BEAA_READER names a reader");
    READERS.iter().find(|r| r.name == name).unwrap_or_else(|| {
        let names: Vec<&str> = READERS.iter().map(|r| r.name).collect();
        panic!("BEAA_READER: found {name:?}, expected one of {}", names.join(", "))
    })
});

fuzz_target!(|bytes: &[u8]| read(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    mutate(data, size, seed).unwrap_or_else(|| fuzzer_mutate(data, size, most))
});

/// Reads a file; what is wrong with it does not matter here.
fn read(bytes: &[u8]) {
    static SCRATCH: OnceLock<Scratch> = OnceLock::new();
    let scratch = SCRATCH.get_or_init(|| {
        beaa_hostile::limit_work();
        Scratch::new().expect("a folder for files")
    });
    let _ = (READER.read)(scratch, bytes);
}

/// Changes a file in place, by its structure every other time. Returns its new length.
fn mutate(data: &mut [u8], size: usize, seed: u32) -> Option<usize> {
    let choices = &mut Choices::new(u64::from(seed), READER.name, size as u64);
    if choices.one_in(2) {
        return None;
    }
    let mut file = data[..size].to_vec();
    let other = file.clone();
    beaa_hostile::mutate::change(READER.structure, &mut file, &other, choices);
    let length = file.len().min(data.len());
    data[..length].copy_from_slice(&file[..length]);
    Some(length)
}
