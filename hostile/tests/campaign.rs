//! Changed files for every reader, each in a process that may die: nothing panics, aborts, hangs or
//! takes more memory than it may, nothing damaged is accepted, and a reader that does is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use beaa_hostile::campaign::{self, Fault, LEAST_INPUTS, Task};
use beaa_hostile::seeds::Seeds;
use beaa_hostile::{FAULTY, Limits, READERS, Scratch, at_fault};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_beaa-hostile"))
}

#[test]
fn every_good_file_is_read() {
    let scratch = Scratch::new().unwrap();
    let mut refused = Vec::new();
    for reader in READERS {
        for (name, bytes) in Seeds::of(reader).unwrap().files() {
            if let Err(error) = (reader.read)(&scratch, bytes) {
                refused.push(format!("{}: {name}: {error:#}", reader.name));
            }
        }
    }
    // Two networks of the import's tests are there to be refused.
    refused.retain(|line| !line.contains("import/unsupported."));
    assert!(
        refused.is_empty(),
        "make the good files anew with `cargo run --release -p beaa-hostile -- seeds`:\n{}",
        refused.join("\n")
    );
}

/// `BEAA_HOSTILE=10` reads ten times as many.
#[test]
fn no_changed_file_does_harm() {
    let factor = std::env::var("BEAA_HOSTILE").map_or(1, |factor| factor.parse().expect("a number in BEAA_HOSTILE"));
    let report = campaign::run(program(), &campaign::tasks(factor), &Limits::default()).unwrap();
    println!("{report}");
    assert!(report.failures.is_empty(), "{report}");
    if cfg!(feature = "tfhe") {
        assert!(report.inputs() >= LEAST_INPUTS * factor, "{report}");
    }
    for (reader, accepted, refused, _) in &report.readers {
        assert!(*accepted > 0 && *refused > 0, "{reader} is not tested by these inputs: {report}");
    }
}

#[test]
fn a_reader_that_fails_is_found_with_its_input() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { time: Duration::from_secs(10), kept: folder.path().to_owned(), ..Limits::default() };
    for reader in FAULTY {
        let seeds = Seeds::of(reader).unwrap();
        let fails = |number: &u64| {
            let input = seeds.input(reader, campaign::SEED, *number);
            if reader.checked { input.damaged } else { at_fault(&input.bytes) }
        };
        let expected: Vec<u64> = (0..1000).filter(fails).take(2).collect();
        let task = Task { reader: reader.name, numbers: 0..expected[1] + 1 };
        let report = campaign::run(program(), &[task], &limits).unwrap();
        let found: Vec<u64> = report.failures.iter().map(|f| f.number).collect();
        assert_eq!(found, expected, "{}: {report}", reader.name);
        for failure in &report.failures {
            let kept = std::fs::read(&failure.file).unwrap();
            assert_eq!(kept, seeds.input(reader, campaign::SEED, failure.number).bytes);
            match (reader.name, &failure.fault) {
                ("faulty-panic", Fault::Ended(how)) => assert!(how.contains("a fault made on purpose"), "{how}"),
                ("faulty-memory", Fault::Ended(how)) => assert!(how.contains("memory allocation of"), "{how}"),
                ("faulty-stack", Fault::Ended(how)) => assert!(how.contains("overflow"), "{how}"),
                ("faulty-checksum", Fault::Ended(how)) => assert!(how.contains("bit was flipped"), "{how}"),
                ("faulty-hang", Fault::TooLong) => {}
                (name, fault) => panic!("{name}: {fault:?}"),
            }
        }
        assert_eq!(report.inputs() + report.failures.len() as u64, expected[1] + 1);
    }
}

#[test]
fn readers_have_names_of_their_own_and_the_fuzz_script_finds_them() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/readers/mod.rs");
    let source = std::fs::read_to_string(source).unwrap();
    // As `fuzz/run` does, which cannot ask.
    let listed: Vec<&str> =
        source.lines().filter_map(|l| l.split_once("reader(\"")?.1.split_once('"')).map(|(name, _)| name).collect();
    for reader in READERS {
        let alike = READERS.iter().filter(|other| other.name == reader.name).count();
        assert_eq!(alike, 1, "readers called {}", reader.name);
        assert!(listed.contains(&reader.name), "{}", reader.name);
    }
}
