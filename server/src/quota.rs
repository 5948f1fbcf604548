//! How many of something each tenant may have at a time: connections, streams of events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Error, RefusalKind, Result};

/// What each tenant has of one thing.
pub(crate) struct Quota {
    what: &'static str,
    kind: RefusalKind,
    most: usize,
    held: Mutex<HashMap<i64, usize>>,
}

/// One of them, which is given back with the value.
pub(crate) struct Held {
    quota: Arc<Quota>,
    tenant: i64,
}

impl Quota {
    /// At most so many of `what` for each tenant; more are refused with `kind`.
    pub(crate) fn new(what: &'static str, kind: RefusalKind, most: usize) -> Arc<Self> {
        Arc::new(Self { what, kind, most, held: Mutex::default() })
    }

    /// One more for a tenant.
    ///
    /// # Errors
    /// A refusal when it has as many as it may.
    pub(crate) fn hold(self: &Arc<Self>, tenant: i64) -> Result<Held> {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(tenant).or_insert(0);
        if *count >= self.most {
            return Err(Error::refused(
                self.kind,
                format!("serving a tenant: found {} {}, expected no more", self.most, self.what),
                "end some of them first, or ask the operator for more",
            ));
        }
        *count += 1;
        Ok(Held { quota: Arc::clone(self), tenant })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.quota.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.tenant);
            }
        }
    }
}

/// Which tenant a connection is counted for: that of its latest request.
#[derive(Default)]
pub(crate) struct ConnectionTenant(Mutex<Option<Held>>);

impl ConnectionTenant {
    /// Counts the connection for a tenant, unless it is already.
    ///
    /// # Errors
    /// A refusal when the tenant has as many connections as it may.
    pub(crate) fn count(&self, connections: &Arc<Quota>, tenant: i64) -> Result<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_none_or(|held| held.tenant != tenant) {
            *held = Some(connections.hold(tenant)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_has_its_share_and_gives_it_back() {
        let quota = Quota::new("connections", RefusalKind::TooMany, 2);
        let first = quota.hold(1).unwrap();
        let connection = ConnectionTenant::default();
        connection.count(&quota, 1).unwrap();
        connection.count(&quota, 1).unwrap();
        assert!(quota.hold(1).is_err(), "a third");
        // A proxy sends requests of several tenants over one connection.
        connection.count(&quota, 2).unwrap();
        let again = quota.hold(1).unwrap();
        assert!(quota.hold(1).is_err());
        drop((first, again, connection));
        assert!(quota.held.lock().unwrap().is_empty());
    }
}
