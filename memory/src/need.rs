//! What a piece of work needs, and the refusal when there is less.

use crate::limits::{Limit, LimitedBy};

/// What one piece of work will take at its worst moment, worked out from headers and shapes.
#[derive(Debug, Clone)]
#[must_use]
pub struct Need {
    operation: String,
    resident: u64,
    mapped: u64,
    remedy: &'static str,
}

/// Work that needs more memory than it may take. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{operation}: needs {} of memory, expected at most {}, {by}; {remedy}{}",
    bytes_text(*.needed), bytes_text(*.allowed), raise(*.by)
)]
pub struct Shortage {
    /// What was to be done.
    pub operation: String,
    /// Bytes that it would take.
    pub needed: u64,
    /// Bytes that it may take.
    pub allowed: u64,
    /// What limits them.
    pub by: LimitedBy,
    /// What makes it take less.
    pub remedy: &'static str,
}

impl Need {
    /// Work that takes so many `bytes`; `operation` is what is being done, `remedy` what would make
    /// it take less.
    pub fn new(operation: impl Into<String>, bytes: u64, remedy: &'static str) -> Self {
        Self { operation: operation.into(), resident: bytes, mapped: 0, remedy }
    }

    /// The same work, which also maps files of so many `bytes`: they take addresses, and memory
    /// only as long as nobody else wants it.
    pub fn mapping(self, bytes: u64) -> Self {
        Self { mapped: self.mapped.saturating_add(bytes), ..self }
    }

    /// Bytes of the work's own.
    pub fn resident(&self) -> u64 {
        self.resident
    }

    /// Refuses the work where less than it needs is left.
    ///
    /// # Errors
    /// [`Shortage`] with both numbers and what limits.
    pub fn check(&self) -> Result<(), Shortage> {
        self.check_against(Limit::resident(), Limit::addresses())
    }

    fn check_against(&self, resident: Option<Limit>, addresses: Option<Limit>) -> Result<(), Shortage> {
        let all = self.resident.saturating_add(self.mapped);
        let mut needs = [(self.resident, resident), (all, addresses)].into_iter();
        let short = needs.find_map(|(needed, limit)| limit.filter(|l| needed > l.bytes).map(|l| (needed, l)));
        let Some((needed, Limit { bytes: allowed, by })) = short else { return Ok(()) };
        Err(Shortage { operation: self.operation.clone(), needed, allowed, by, remedy: self.remedy })
    }
}

/// How the limit itself is raised.
fn raise(by: LimitedBy) -> &'static str {
    match by {
        LimitedBy::User => ", or allow more (--memory SIZE, BEAA_MEMORY)",
        LimitedBy::Machine => ", or free memory; --memory SIZE allows more than is free",
        LimitedBy::ControlGroup => ", or give the container more memory",
        LimitedBy::AddressSpace => ", or raise that limit",
    }
}

/// A number of bytes for people, as `6.40 GB`.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.2} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let limit = |bytes, by| Some(Limit { bytes, by });
        let need = Need::new("encrypting images", 6_400_000_000, "encrypt fewer").mapping(1_000_000_000);
        assert_eq!(need.check_against(None, None), Ok(()));
        assert_eq!(need.check_against(limit(6_400_000_000, LimitedBy::Machine), None), Ok(()));
        let short = need.check_against(limit(4_000_000_000, LimitedBy::User), None).unwrap_err();
        assert_eq!(
            short.to_string(),
            "encrypting images: needs 6.40 GB of memory, expected at most 4.00 GB, the limit that was set; encrypt \
             fewer, or allow more (--memory SIZE, BEAA_MEMORY)"
        );
        // What is mapped takes addresses only.
        let addresses = limit(7_000_000_000, LimitedBy::AddressSpace);
        assert_eq!(
            need.check_against(limit(6_500_000_000, LimitedBy::Machine), addresses).unwrap_err().needed,
            7_400_000_000
        );
        assert!(Need::new("x", u64::MAX, "").mapping(1).check_against(None, addresses).is_err(), "no overflow");
    }

    #[test]
    fn bytes_have_the_units_of_the_other_pages() {
        assert_eq!(bytes_text(999), "999 B");
        assert_eq!(bytes_text(6_400_000_000), "6.40 GB");
        assert_eq!(bytes_text(12_544_000_000_000), "12.54 TB");
    }
}
