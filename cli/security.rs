//! What is known to be insecure is refused, warned of, or marked: parameters against the security
//! tables, and what was made with a seed.

use std::path::Path;

use anyhow::Result;
use beaa_evaluation::Reporter;
use beaa_ir::ckks::ParameterSet;
use beaa_runtime::ckks::{SecurityTable, Standing, resists_quantum_attacks, standing};
use clap::Args;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;

/// Whether keys and ciphertexts that were made with a seed are taken.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct InsecureArgs {
    /// INSECURE: take keys and ciphertexts that were made with --seed. For tests and papers only.
    #[arg(long)]
    pub(crate) insecure: bool,
}

impl InsecureArgs {
    /// Refuses what was made with a seed, unless the user insists; `what` is there, in `path`.
    pub(crate) fn check(self, from_seed: bool, what: &str, path: &Path, context: &Context) -> Result<()> {
        match (from_seed, self.insecure) {
            (false, _) => Ok(()),
            (true, true) => {
                context.console.warn(format_args!("INSECURE: {} is {what} {SEEDED}", path.display()));
                Ok(())
            }
            (true, false) => Err(Exit::BadInput.because(format!(
                "reading {}: found {what} {SEEDED}; expected one with the system's randomness: make it again without \
                 --seed, or give --insecure in a test",
                path.display()
            ))),
        }
    }
}

/// What a seed means.
pub(crate) const SEEDED: &str = "made with --seed, so that whoever guesses the number can decrypt";

/// Refuses parameters below every table; warns of those that only a superseded table allows.
///
/// # Errors
/// When the parameters promise more security than any table allows them.
pub(crate) fn check(parameters: &ParameterSet, reporter: &dyn Reporter) -> Result<()> {
    if let Standing::Superseded { .. } = standing(parameters)? {
        reporter.warn(&describe(parameters));
    }
    Ok(())
}

/// What the tables say of the parameters, for people.
pub(crate) fn describe(parameters: &ParameterSet) -> String {
    let bits = parameters.security;
    match standing(parameters) {
        Ok(Standing::Current) if resists_quantum_attacks(parameters) => {
            format!("{bits} bits by {}, quantum attacks included", SecurityTable::IN_FORCE.name())
        }
        Ok(Standing::Current) => format!("{bits} bits by {}", SecurityTable::IN_FORCE.name()),
        Ok(Standing::Superseded { log_qp, allowed }) => format!(
            "{bits} bits by the superseded {} alone: log2(QP) = {log_qp} at N = {}, {} allows {allowed}; compile the \
             model again",
            SecurityTable::Standard2018.name(),
            parameters.degree,
            SecurityTable::IN_FORCE.name()
        ),
        Err(error) => format!("INSECURE, and refused by every other command: {error}"),
    }
}

/// The same for programs.
pub(crate) fn record(parameters: &ParameterSet) -> Value {
    let table = match standing(parameters) {
        Ok(Standing::Current) => Some(SecurityTable::IN_FORCE.name()),
        Ok(Standing::Superseded { .. }) => Some(SecurityTable::Standard2018.name()),
        Err(_) => None,
    };
    json!({
        "promised_bits": parameters.security, "holds_by": table, "quantum": resists_quantum_attacks(parameters),
        "remark": describe(parameters)
    })
}
