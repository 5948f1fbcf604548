//! Parameters against the security tables: refused, warned of, or marked.

use anyhow::Result;
use beaa_ir::ckks::ParameterSet;
use beaa_lab::Reporter;
use beaa_runtime::ckks::{SecurityTable, Standing, standing};
use serde_json::{Value, json};

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
    json!({"promised_bits": parameters.security, "holds_by": table, "remark": describe(parameters)})
}
