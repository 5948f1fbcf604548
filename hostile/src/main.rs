//! Reads changed files: the process that the campaign starts, watches and outlives, and a way to
//! read one file again by hand.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use beaa_hostile::campaign::{self, named};
use beaa_hostile::{Limits, READERS, Scratch, make_good_files, read_numbers};

const USAGE: &str = "usage: beaa-hostile numbers READER SEED FROM TO   (reads changed files, for the campaign)
       beaa-hostile campaign FACTOR                 (so many times the inputs of the test)
       beaa-hostile read READER FILE...             (reads files again)
       beaa-hostile seeds                           (makes the good files of fuzz/seeds anew)
       beaa-hostile list                            (names the readers)";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["numbers", reader, seed, from, to] => {
            let range = from.parse()?..to.parse()?;
            read_numbers(named(reader)?, seed.parse()?, range, std::io::stdout())
        }
        ["campaign", factor] => {
            let program = std::env::current_exe()?;
            let report = campaign::run(&program, &campaign::tasks(factor.parse()?), &Limits::default())?;
            println!("{report}");
            if report.failures.is_empty() { Ok(()) } else { bail!("{} inputs failed", report.failures.len()) }
        }
        ["read", reader, files @ ..] => {
            let (reader, scratch) = (named(reader)?, Scratch::new()?);
            for file in files {
                let bytes = std::fs::read(Path::new(file)).with_context(|| format!("reading {file}"))?;
                match (reader.read)(&scratch, &bytes) {
                    Ok(()) => println!("{file}: accepted"),
                    Err(error) => println!("{file}: refused: {error:#}"),
                }
            }
            Ok(())
        }
        ["seeds"] => make_good_files(),
        ["list"] => {
            READERS.iter().for_each(|reader| println!("{}", reader.name));
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}
