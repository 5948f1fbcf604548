//! Where the server is and the token for it, kept for the user alone.

use std::path::Path;

use beaa_base::output::{Care, write};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Most bytes of a login's file.
const MOST: u64 = 1 << 20;

/// A server, and the token for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Its address, such as `https://beaa.example.org`.
    pub server: String,
    /// The token that the operator gave.
    pub token: String,
    /// Certificates in PEM that are trusted in place of the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// Whether other machines are spoken to without TLS.
    #[serde(default)]
    pub plain_http: bool,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({})", self.server)
    }
}

impl Login {
    /// A login whose address and token can be used.
    ///
    /// # Errors
    /// [`Error::Address`] for an address that is none, that has a name or a password in it, or that
    /// would send the token in clear to another machine; [`Error::Malformed`] for a token that is
    /// no single word.
    pub fn new(server: &str, token: &str, authorities: Option<String>, plain_http: bool) -> Result<Self> {
        let login = Self {
            server: server.trim_end_matches('/').to_owned(),
            token: token.trim().to_owned(),
            authorities,
            plain_http,
        };
        login.check()?;
        Ok(login)
    }

    /// Reads a login.
    ///
    /// # Errors
    /// When there is none, others than the user can read it, or it is damaged.
    pub fn load(path: &Path) -> Result<Self> {
        let operation = "reading the login";
        let file = beaa_base::input::open(operation, path)?;
        beaa_base::input::check_private(operation, "a token", path, &file)?;
        let bytes = beaa_base::input::read(operation, path, MOST)?;
        let login: Self = serde_json::from_slice(&bytes).map_err(|error| Error::Notes {
            operation,
            path: path.to_path_buf(),
            found: error.to_string(),
            expected: "what `beaa remote login` writes",
            remedy: "log in again",
        })?;
        login.check()?;
        Ok(login)
    }

    /// Writes the login, readable by the user alone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::Notes {
            operation: "writing the login",
            path: path.to_path_buf(),
            found: error.to_string(),
            expected: "a login as JSON",
            remedy: "log in again",
        })?;
        Ok(write(path, &text, Care::Secret)?)
    }

    /// Whether a proxy of the environment may stand between: only where TLS goes through it, and
    /// never to this machine itself. Any other proxy would see the token.
    pub(crate) fn may_take_proxy(&self) -> bool {
        self.address().is_some_and(|(scheme, host)| scheme == "https" && !is_here(host))
    }

    /// Scheme and host.
    fn address(&self) -> Option<(&str, &str)> {
        let (scheme @ ("http" | "https"), rest) = self.server.split_once("://")? else { return None };
        let host = rest.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(rest, |(host, _)| host);
        Some((scheme, host))
    }

    fn check(&self) -> Result<()> {
        let refuse = |expected, remedy| Err(Error::Address { found: self.server.clone(), expected, remedy });
        let Some((scheme, host)) = self.address() else {
            return refuse("`https://HOST` or `https://HOST:PORT`", "ask the operator for the address");
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return refuse("a host, perhaps with a port, and nothing else", "leave out paths, names and passwords");
        }
        if scheme == "http" && !is_here(host) && !self.plain_http {
            return refuse(
                "`https://`, since the token would travel in clear",
                "use https, or --plain-http in a network where nobody else listens",
            );
        }
        if self.token.is_empty() || !self.token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Error::Malformed {
                operation: "reading the token",
                found: "no single word".to_owned(),
                expected: "the token that `beaa serve token` printed",
            });
        }
        Ok(())
    }
}

/// Whether a host is this machine itself.
fn is_here(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_sent_in_clear_to_nobody_else() {
        let login = |server: &str| Login::new(server, "beaa_x", None, false);
        for good in ["https://a.example", "https://a.example:8443/", "http://127.0.0.1:1", "http://[::1]:80"] {
            assert!(login(good).is_ok(), "{good}");
        }
        for bad in
            ["a.example", "http://a.example", "ftp://a", "https://u:p@a", "https://a/b", "https://", "https://a b"]
        {
            assert!(matches!(login(bad), Err(Error::Address { .. })), "{bad}");
        }
        assert!(Login::new("http://a.example", "beaa_x", None, true).is_ok());
        assert!(Login::new("https://a.example", "two words", None, false).is_err());
    }

    #[test]
    fn only_tls_to_other_machines_goes_through_a_proxy() {
        let takes = |server: &str| Login::new(server, "beaa_x", None, true).unwrap().may_take_proxy();
        assert!(takes("https://a.example") && takes("https://a.example:8443"));
        for server in ["http://127.0.0.1:1", "http://a.example", "https://localhost:8443", "https://[::1]:8443"] {
            assert!(!takes(server), "{server}");
        }
    }

    #[test]
    fn logins_are_kept_for_the_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login.json");
        let login = Login::new("https://a.example", "beaa_x\n", None, false).unwrap();
        login.save(&path).unwrap();
        assert_eq!(Login::load(&path).unwrap(), login);
        assert!(!format!("{login:?}").contains("beaa_x"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert!(Login::load(&path).unwrap_err().to_string().contains("chmod 600"));
        }
    }
}
