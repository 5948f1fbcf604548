//! What an operator sets, from a file in TOML; what is not in it has the value that
//! [`Settings::default`] says.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::database_url::DatabaseUrl;
use crate::store::{PostgresLocation, StoreDatabase};
use crate::{Error, Result};

/// The settings of a server and its workers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where to listen.
    pub listen: String,
    /// Certificate chain in PEM, the server's first; with it, connections are TLS.
    pub certificate: Option<PathBuf>,
    /// The certificate's private key in PEM.
    pub private_key: Option<PathBuf>,
    /// Whether connections without TLS are taken from other machines, too.
    pub plain_http: bool,
    /// The PostgreSQL database of the store; without it, it is SQLite in the store's folder.
    pub database: Option<DatabaseUrl>,
    /// Certificates in PEM of the authorities of PostgreSQL's certificate; with it, the connection
    /// is TLS.
    pub database_authorities: Option<PathBuf>,
    /// Whether connections to PostgreSQL on other machines may do without TLS.
    pub plain_database: bool,
    /// Most bytes of one chunk of an upload.
    pub chunk_bytes: u64,
    /// Most bytes of one upload.
    pub upload_bytes: u64,
    /// Bytes of the disk that uploads leave free.
    pub disk_reserve_bytes: u64,
    /// Most connections at a time.
    pub connections: usize,
    /// Most of them that one tenant may have.
    pub tenant_connections: usize,
    /// Jobs that one tenant may follow at a time.
    pub tenant_streams: usize,
    /// Requests that a tenant may send in a second, in the long run.
    pub requests_per_second: u32,
    /// Seconds without a byte of it after which a request, or an answer that nobody takes, is given
    /// up.
    pub idle_seconds: u64,
    /// Seconds that running requests get when the server ends.
    pub shutdown_seconds: u64,
    /// Seconds after which a worker that was not heard of counts as dead.
    pub lease_seconds: u64,
    /// Hours after which an upload that nobody went on with is forgotten.
    pub upload_hours: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8443".to_owned(),
            certificate: None,
            private_key: None,
            plain_http: false,
            database: None,
            database_authorities: None,
            plain_database: false,
            chunk_bytes: 16 << 20,
            upload_bytes: 64 << 30,
            disk_reserve_bytes: 1 << 30,
            connections: 512,
            tenant_connections: 128,
            tenant_streams: 64,
            requests_per_second: 100,
            idle_seconds: 30,
            shutdown_seconds: 20,
            lease_seconds: 30,
            upload_hours: 48,
        }
    }
}

impl Settings {
    /// Reads settings from a file.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, has a name that is none of a setting, or a number
    /// with which nothing would work.
    pub fn read(path: &Path) -> Result<Self> {
        let text = beaa_base::text::read_text("reading settings", path)?;
        let wrong = |problem: String| Error::Setting(format!("reading settings {}: {problem}", path.display()));
        // Without the line itself, as which the error shows it: it may hold a password.
        let line =
            |error: &toml::de::Error| error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        let parsed = toml::from_str(&text);
        let settings: Self = parsed.map_err(|error| wrong(format!("line {}: {}", line(&error), error.message())))?;
        settings.check().map_err(wrong)?;
        if settings.database.as_ref().is_some_and(DatabaseUrl::has_password) {
            let operation = "reading settings";
            let file = beaa_base::input::open_or_descriptor(operation, path)?;
            beaa_base::input::check_private(operation, "a file with the password of a database", path, &file)?;
        }
        Ok(settings)
    }

    /// Where the store keeps its state.
    ///
    /// # Errors
    /// As [`PostgresLocation::new`].
    pub fn store_database(&self) -> Result<StoreDatabase> {
        let Some(url) = self.database.as_ref().filter(|url| !url.is_empty()) else {
            return Ok(StoreDatabase::Sqlite);
        };
        let location = PostgresLocation::new(url, self.database_authorities.as_deref(), self.plain_database)?;
        Ok(StoreDatabase::Postgres(location))
    }

    /// How long a lease lasts, in milliseconds.
    pub fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease_seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
    }

    fn check(&self) -> std::result::Result<(), String> {
        let least = [
            ("chunk_bytes", self.chunk_bytes, 1 << 10),
            ("upload_bytes", self.upload_bytes, 1 << 10),
            ("connections", self.connections as u64, 1),
            ("tenant_connections", self.tenant_connections as u64, 1),
            ("tenant_streams", self.tenant_streams as u64, 1),
            ("requests_per_second", u64::from(self.requests_per_second), 1),
            ("idle_seconds", self.idle_seconds, 1),
            ("lease_seconds", self.lease_seconds, 1),
            ("upload_hours", self.upload_hours, 1),
        ];
        match least.into_iter().find(|(_, found, least)| found < least) {
            Some((name, found, least)) => {
                Err(format!("found {name} = {found}, expected {least} at least; raise it, or leave it out"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beaa.toml");
        std::fs::write(&path, text).unwrap();
        Settings::read(&path)
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        let settings = read("listen = \"0.0.0.0:443\"\nlease_seconds = 5\n").unwrap();
        let expected = Settings { listen: "0.0.0.0:443".into(), lease_seconds: 5, ..Settings::default() };
        assert_eq!((settings.lease_ms(), settings), (5000, expected));
    }

    #[test]
    fn settings_that_do_not_exist_or_cannot_work_are_refused() {
        for (text, word) in [
            ("listn = 1", "listn"),
            ("listen = 1", "line 1"),
            ("connections = 0", "expected 1 at least"),
            ("x", "reading settings"),
        ] {
            assert!(read(text).unwrap_err().to_string().contains(word), "{text}");
        }
    }

    #[test]
    fn no_error_shows_the_password_of_a_database() {
        for text in
            ["database = postgres://beaa:tops3cret@h/x", "database = \"postgres://beaa:tops3cret@h/x\"\nlistn = 1"]
        {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains("line ") && !said.contains("tops3cret"), "{said}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_a_password_is_its_owner_s_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beaa.toml");
        for (url, with_password) in [("postgres://beaa@localhost/x", false), ("postgres://beaa:p@localhost/x", true)] {
            std::fs::write(&path, format!("database = \"{url}\"\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            match Settings::read(&path) {
                Ok(settings) => {
                    assert!(!with_password);
                    assert!(matches!(settings.store_database().unwrap(), StoreDatabase::Postgres(_)));
                }
                Err(error) => assert!(with_password && error.to_string().contains("chmod 600"), "{error}"),
            }
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(Settings::read(&path).unwrap().database.is_some());
        }
    }
}
