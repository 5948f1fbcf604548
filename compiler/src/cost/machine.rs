//! The rates of a machine, from which times are predicted: built-in ones for the instructions that
//! a processor has, or those that `beaa bench calibrate` measured and wrote to a file. A
//! [`Machine`] holds positive, finite rates only.

use std::path::{Path, PathBuf};

use beaa_base::json;
use beaa_base::text::read_text;
use beaa_ckks::Kernel;
use serde::{Deserialize, Serialize};

/// A machine file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "reading the rates of a machine{}: found {found}, expected {expected}; measure them anew with `beaa bench \
     calibrate`",
    at(path.as_deref())
)]
pub struct MachineError {
    /// The file, if they came from one.
    pub path: Option<PathBuf>,
    /// What is wrong.
    pub found: String,
    /// What was expected.
    pub expected: &'static str,
}

fn at(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |p| format!(" from {}", p.display()))
}

/// Seconds of one core for one of each; rates are those inside whole runs, not of loops alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// A product of a residue and a weight, rows sharing their inputs.
    pub product: f64,
    /// A residue read by a group of rows of a matrix that share it.
    pub load: f64,
    /// A residue of a linear layer's input arranged for the kernel, or of its result reduced and
    /// written.
    pub edge: f64,
    /// A residue of a square, or scaled.
    pub square: f64,
    /// A residue of a pointwise part read from memory or written to it.
    pub stream: f64,
    /// A transform with the lifting around it, divided by `N log2 N`.
    pub transform: f64,
    /// A residue multiplied by the evaluation key's and added up.
    pub key: f64,
    /// A residue moved between tiles and polynomials.
    pub gather: f64,
    /// A residue position of a fresh ciphertext: one residue unpacked, one drawn from the seed.
    pub expand: f64,
    /// A residue of a result packed.
    pub pack: f64,
}

/// Seconds of one core for the two halves of a bootstrapping, from which times of the `tfhe`
/// backend are predicted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapRates {
    /// A blind rotation, several sharing a pass over the key, by digits of the decomposition: 1, 2,
    /// 3.
    pub rotation: [f64; 3],
    /// A key switching, several sharing a pass over the key.
    pub switch: f64,
}

impl BootstrapRates {
    /// The rates of the machine that docs/tfhe.md names.
    pub const REFERENCE: Self = Self { rotation: [0.0171, 0.0263, 0.0353], switch: 0.0005 };
}

/// The rates as anybody may write them, with what they are of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineLiteral {
    /// Processor and arithmetic path, for people.
    pub name: String,
    /// Rates of one core.
    pub rates: Rates,
    /// How much faster so many threads are than one, in whole runs: `(threads, factor)`.
    pub speed_up: (usize, f64),
    /// Rates of one core for the `tfhe` backend; absent where a build without it measured.
    #[serde(default, rename = "lookup", skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<BootstrapRates>,
}

/// Checked rates.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    literal: MachineLiteral,
    source: RateSource,
}

/// Where rates come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RateSource {
    /// Of no processor in particular, the same everywhere.
    Reference,
    /// Built in, of a processor with the same instructions.
    Instructions,
    Measured,
}

/// Says whether so many threads can be `factor` times as fast as one; beyond that something else
/// used the processor while one of both was measured.
pub fn plausible_speed_up(threads: usize, factor: f64) -> bool {
    threads > 0 && (0.1..=1.5 * threads as f64).contains(&factor)
}

impl TryFrom<MachineLiteral> for Machine {
    type Error = MachineError;

    fn try_from(literal: MachineLiteral) -> Result<Self, MachineError> {
        let r = &literal.rates;
        let positive = [r.product, r.stream, r.transform, r.key, r.gather, r.expand, r.pack, r.square];
        // These may be lost in the noise of the others.
        let not_negative = [r.load, r.edge];
        let sane = |v: &f64, least: f64| (least..1.0).contains(v);
        let (threads, factor) = literal.speed_up;
        let lookups = literal.bootstrap.iter().flat_map(|l| l.rotation.into_iter().chain([l.switch]));
        let fits = lookups.into_iter().all(|v| sane(&v, 1e-15))
            && positive.iter().all(|v| sane(v, 1e-15))
            && not_negative.iter().all(|v| sane(v, 0.0));
        if !fits {
            let found = format!("{:?}", literal.rates);
            return Err(MachineError { path: None, found, expected: "positive seconds below 1" });
        }
        if !plausible_speed_up(threads, factor) {
            let found = format!("speed-up {factor} with {threads} threads");
            return Err(MachineError { path: None, found, expected: "0.1 to one and a half times the threads" });
        }
        Ok(Self { literal, source: RateSource::Measured })
    }
}

impl Machine {
    /// What plans are made with, so that a model compiles to the same program everywhere: estimates
    /// for a core with AVX2, not measurements.
    pub fn reference() -> Self {
        let rates = Rates {
            product: 1.25e-10,
            load: 5.0e-11,
            edge: 1.0e-9,
            square: 1.0e-9,
            stream: 5.0e-10,
            transform: 7.0e-10,
            key: 1.0e-9,
            gather: 1.0e-9,
            expand: 5.0e-9,
            pack: 1.0e-9,
        };
        let literal = MachineLiteral { name: "built-in rates".into(), rates, speed_up: (2, 1.8), bootstrap: None };
        Self { literal, source: RateSource::Reference }
    }

    /// What times are predicted with where nothing was measured: the rates of one processor for the
    /// instructions that this one has. Others with the same instructions differ, mostly alike for
    /// all rates; `beaa bench calibrate` measures one.
    pub fn of_this_processor() -> Self {
        let (name, rates) = built_in(Kernel::detect());
        let name = format!("built-in rates of processors with {name}");
        let literal = MachineLiteral { name, rates, ..Self::reference().literal };
        Self { literal, source: RateSource::Instructions }
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// A [`MachineError`] for a file that cannot be read, is no JSON of rates, or holds rates that
    /// no machine has.
    pub fn load(path: &Path) -> Result<Self, MachineError> {
        let wrong = |found: String| MachineError {
            path: Some(path.to_path_buf()),
            found,
            expected: "rates as `beaa bench calibrate` writes them",
        };
        let text = read_text("reading rates", path).map_err(|e| wrong(e.to_string()))?;
        let literal: MachineLiteral = json::parse(&text).map_err(|e| wrong(e.to_string()))?;
        Self::try_from(literal).map_err(|e| MachineError { path: Some(path.to_path_buf()), ..e })
    }

    /// The literal that these came from.
    pub fn literal(&self) -> &MachineLiteral {
        &self.literal
    }

    /// The seconds of one core for each operation.
    pub fn rates(&self) -> &Rates {
        &self.literal.rates
    }

    /// The seconds of one core for the halves of a bootstrapping: measured if they were, else those
    /// of the reference.
    pub fn bootstrap(&self) -> BootstrapRates {
        self.literal.bootstrap.unwrap_or(BootstrapRates::REFERENCE)
    }

    /// Whether the rates were measured, rather than built in.
    pub fn calibrated(&self) -> bool {
        self.source == RateSource::Measured
    }

    /// The path for which rows are arranged when a run is timed.
    pub(crate) fn kernel(&self) -> Kernel {
        match self.source {
            RateSource::Reference => Kernel::Portable,
            RateSource::Instructions | RateSource::Measured => Kernel::detect(),
        }
    }
}

/// What processors with a path are called, and their rates: as `beaa bench calibrate` found them on
/// one core of an Intel Xeon of family 6, model 207, with that path. Streaming, which is what is
/// left when all else is subtracted, is that of the second for all: it is the same memory.
fn built_in(kernel: Kernel) -> (&'static str, Rates) {
    match kernel {
        Kernel::Portable => (
            "no wide multiplications",
            Rates {
                product: 3.5e-10,
                load: 0.0,
                edge: 2.2e-9,
                square: 3.2e-9,
                stream: 2.8e-10,
                transform: 4.7e-10,
                key: 3.8e-9,
                gather: 4.8e-9,
                expand: 5.6e-9,
                pack: 5.8e-9,
            },
        ),
        Kernel::Fma(_) => (
            "fused multiplications of doubles",
            Rates {
                product: 4.1e-11,
                load: 0.0,
                edge: 4.2e-10,
                square: 3.2e-10,
                stream: 2.8e-10,
                transform: 3.1e-10,
                key: 1.3e-9,
                gather: 2.1e-9,
                expand: 5.7e-9,
                pack: 5.4e-9,
            },
        ),
        #[cfg(target_arch = "x86_64")]
        Kernel::Ifma(_) | Kernel::Vnni(_) => (
            "AVX-512 IFMA",
            Rates {
                product: 1.5e-11,
                load: 1.2e-11,
                edge: 2.8e-10,
                square: 3.1e-10,
                stream: 2.8e-10,
                transform: 1.9e-10,
                key: 9.6e-10,
                gather: 2.0e-9,
                expand: 2.5e-9,
                pack: 5.8e-9,
            },
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip_and_nonsense_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("machine.json");
        let literal = Machine::reference().literal().clone();
        std::fs::write(&path, serde_json::to_string(&literal).unwrap()).unwrap();
        let machine = Machine::load(&path).unwrap();
        assert_eq!(machine.literal(), &literal);
        assert!(machine.calibrated() && !Machine::reference().calibrated());
        assert!(!Machine::of_this_processor().calibrated());
        for kernel in Kernel::available() {
            let literal = MachineLiteral { rates: built_in(kernel).1, ..literal.clone() };
            assert!(Machine::try_from(literal).is_ok(), "{kernel:?}");
        }
        for text in ["", "{}", r#"{"name": "x"}"#] {
            std::fs::write(&path, text).unwrap();
            let message = Machine::load(&path).unwrap_err().to_string();
            assert!(message.contains("machine.json") && message.contains("calibrate"), "{message}");
        }
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 2.0] {
            let mut literal = literal.clone();
            literal.rates.product = bad;
            assert!(Machine::try_from(literal.clone()).is_err(), "{bad}");
        }
        let bootstrap = Some(BootstrapRates { switch: 0.0, ..BootstrapRates::REFERENCE });
        assert!(Machine::try_from(MachineLiteral { bootstrap, ..literal.clone() }).is_err());
        for bad in [(0, 1.0), (2, 0.0), (2, 9.0), (2, f64::NAN)] {
            assert!(Machine::try_from(MachineLiteral { speed_up: bad, ..literal.clone() }).is_err(), "{bad:?}");
        }
    }
}
