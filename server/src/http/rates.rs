//! How many requests a tenant may send: some at once, and so many a second in the long run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::{Error, RefusalKind, Result};

/// Seconds for which a tenant that was quiet may send at once.
const BURST_SECONDS: f64 = 4.0;

/// What every tenant has left.
pub(super) struct Rates {
    per_second: f64,
    left: Mutex<HashMap<i64, Left>>,
}

struct Left {
    requests: f64,
    at: Instant,
}

impl Rates {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), left: Mutex::new(HashMap::new()) }
    }

    /// Counts a request of a tenant.
    ///
    /// # Errors
    /// [`RefusalKind::TooMany`] when it has none left.
    pub(super) fn count(&self, tenant: i64, now: Instant) -> Result<()> {
        let most = self.per_second * BURST_SECONDS;
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let left = all.entry(tenant).or_insert(Left { requests: most, at: now });
        let since = now.saturating_duration_since(left.at).as_secs_f64();
        left.requests = (left.requests + since * self.per_second).min(most);
        left.at = now;
        if left.requests < 1.0 {
            return Err(Error::refused(
                RefusalKind::TooMany,
                format!("counting requests: found more than {} a second, expected no more", self.per_second),
                "wait a second, and send fewer",
            ));
        }
        left.requests -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_tenant_cannot_use_up_what_others_may_send() {
        let (rates, start) = (Rates::new(10), Instant::now());
        let sent = (0..1000).filter(|_| rates.count(1, start).is_ok()).count();
        assert_eq!(sent, 40);
        assert!(rates.count(2, start).is_ok());
        assert!(rates.count(1, start + Duration::from_millis(50)).is_err());
        assert!(rates.count(1, start + Duration::from_millis(150)).is_ok());
    }
}
