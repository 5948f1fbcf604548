//! Refusals, as RFC 9457 has them (`application/problem+json`), with what helps.

use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// Why a request was refused, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Names the kind of problem, `urn:beaa:problem:KIND`; programs tell problems apart by it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words, the same each time.
    pub title: String,
    /// The status of the response.
    pub status: u16,
    /// What was being done, what was found, and what was expected.
    pub detail: String,
    /// What helps.
    pub remedy: String,
    /// Names the request in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

impl Problem {
    /// The kind without its prefix.
    pub fn short_kind(&self) -> &str {
        self.kind.strip_prefix(PREFIX).unwrap_or(&self.kind)
    }

    /// The name of a kind with its prefix.
    pub fn full_kind(kind: &str) -> String {
        format!("{PREFIX}{kind}")
    }
}

/// What all kinds begin with.
const PREFIX: &str = "urn:beaa:problem:";
