//! Where the measured rates of this machine are kept.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_compiler::Machine;
use beaa_evaluation::files;
use clap::Args;

use crate::outputs::{Files, OutputKind, Replace};

/// What `beaa bench calibrate` writes.
const RATES: OutputKind = OutputKind::Json("file of rates", &["name", "rates"]);

/// Which rates predictions use.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Rates {
    /// Predict with the rates in this file; by default those that `beaa bench calibrate` measured,
    /// if it ever did, else built-in ones for the instructions that this processor has.
    #[arg(long, env = "BEAA_MACHINE", value_name = "FILE", help_heading = "Prediction")]
    machine: Option<PathBuf>,
}

impl Rates {
    /// The file that the user names.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.machine.as_deref()
    }

    /// Where rates are read from and written to; `None` where the system has no place for them.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        let default = || directories::ProjectDirs::from("", "", "beaa").map(|d| d.cache_dir().join("machine.json"));
        self.machine.clone().or_else(default)
    }

    /// The rates of the file; the built-in ones if there is none and none was named.
    pub(crate) fn load(&self) -> Result<Machine> {
        match self.path() {
            Some(path) if self.machine.is_some() || path.exists() => Ok(Machine::load(&path)?),
            _ => Ok(Machine::of_this_processor()),
        }
    }

    /// Writes measured rates and says where.
    pub(crate) fn save(&self, machine: &Machine, force: bool) -> Result<PathBuf> {
        let path = self.path().context(
            "writing the rates of this machine: the system has no folder for them; name a file with --machine",
        )?;
        Files::default().writes("--machine", path.as_path(), RATES, 0).check(&Replace { force })?;
        files::write_json(&path, machine.literal())?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_must_be_there_and_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let rates = Rates { machine: Some(folder.path().join("sub/machine.json")) };
        assert!(rates.load().is_err());
        let reference = Machine::reference();
        let path = rates.save(&reference, false).unwrap();
        assert_eq!(Some(path), rates.path());
        let loaded = rates.load().unwrap();
        assert_eq!(loaded.literal(), reference.literal());
        assert!(loaded.calibrated());
    }
}
