//! Where a PostgreSQL database is and how it is spoken to: connections to other machines are TLS,
//! and nothing says the password.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::{Client, Config, NoTls};

use super::tls::DatabaseTls;
use crate::database_url::DatabaseUrl;
use crate::{Error, Result};

/// How long a connection may take to come about.
const TO_CONNECT: Duration = Duration::from_secs(10);
/// Where PostgreSQL listens on its machine unless told otherwise.
const SOCKETS: &str = "/var/run/postgresql";
/// Where a password may be that is not in the address.
const PASSWORD: &str = "PGPASSWORD";

/// A PostgreSQL database, and the way to it.
#[derive(Clone)]
pub struct PostgresLocation {
    config: Box<Config>,
    tls: Option<DatabaseTls>,
    server: String,
}

impl PostgresLocation {
    /// The database at an address. Connections to other machines are TLS, with a certificate of one
    /// of the `authorities`, unless `plain` says that nobody listens.
    ///
    /// # Errors
    /// [`Error::Setting`] for a text that is no address of a PostgreSQL database, or one of another
    /// machine without a way to encrypt; for authorities that cannot be read.
    pub fn new(url: &DatabaseUrl, authorities: Option<&Path>, plain: bool) -> Result<Self> {
        let text = url.with_password();
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let parsed = text.parse::<Config>().ok().filter(|_| is_url);
        // What was found may be a password.
        let mut config = parsed.ok_or_else(|| {
            Error::Setting(
                "reading the address of the database: found something else, expected postgres://USER@HOST/NAME, or \
                 postgres:///NAME for a PostgreSQL of this machine; write special characters in it as %XX, and \
                 `sslmode` as `require`, `disable`, or not at all"
                    .to_owned(),
            )
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host(SOCKETS);
        }
        if config.get_password().is_none()
            && let Some(password) = std::env::var_os(PASSWORD).filter(|password| !password.is_empty())
        {
            config.password(password.as_encoded_bytes());
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(TO_CONNECT);
        }
        config.keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(4).tcp_user_timeout(Duration::from_secs(30)).application_name("beaa");
        let server = server(&config);
        let tls = encryption(&mut config, authorities, plain, &server)?;
        Ok(Self { config: Box::new(config), tls, server })
    }

    /// Host and name of the database, for messages.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn connect(&self) -> std::result::Result<Client, postgres::Error> {
        match &self.tls {
            Some(tls) => self.config.connect(tls.clone()),
            None => self.config.connect(NoTls),
        }
    }
}

/// As [`PostgresLocation::server`], without user and password.
impl std::fmt::Debug for PostgresLocation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PostgresLocation({})", self.server)
    }
}

fn server(config: &Config) -> String {
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let hosts: Vec<String> = match config.get_hosts() {
        [] => config.get_hostaddrs().iter().map(IpAddr::to_string).collect(),
        hosts => hosts.iter().map(host).collect(),
    };
    let ports: Vec<String> = config.get_ports().iter().map(|port| format!(":{port}")).collect();
    let name = config.get_dbname().map_or(String::new(), |name| format!(", database `{name}`"));
    format!("{}{}{name}", hosts.join(", "), ports.join(""))
}

/// Decides whether connections are TLS, and refuses those that should be and cannot.
fn encryption(
    config: &mut Config,
    authorities: Option<&Path>,
    plain: bool,
    server: &str,
) -> Result<Option<DatabaseTls>> {
    let wanted = config.get_ssl_mode();
    let by_socket = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    match authorities.filter(|_| !by_socket || !config.get_hostaddrs().is_empty()) {
        Some(authorities) if wanted != SslMode::Disable => {
            config.ssl_mode(SslMode::Require);
            DatabaseTls::trusting(authorities).map(Some)
        }
        _ if wanted != SslMode::Require && (plain || stays_here(config)) => {
            config.ssl_mode(SslMode::Disable);
            Ok(None)
        }
        _ => Err(Error::Setting(format!(
            "connecting to PostgreSQL at {server}: found no way to encrypt, expected one, since everything but files \
             would travel in clear; name the authority of its certificate in the configuration file \
             (database_authorities = \"FILE\"), or set plain_database = true where nobody listens"
        ))),
    }
}

/// Whether connections do not leave this machine.
fn stays_here(config: &Config) -> bool {
    let of_name = |name: &str| name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let of_host = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => of_name(name),
    };
    match config.get_hostaddrs() {
        [] => config.get_hosts().iter().all(of_host),
        addresses => addresses.iter().all(IpAddr::is_loopback),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(url: &str, plain: bool) -> Result<PostgresLocation> {
        PostgresLocation::new(&DatabaseUrl::from(url.to_owned()), None, plain)
    }

    #[test]
    fn connections_in_clear_stay_on_this_machine_unless_the_operator_says_so() {
        for url in [
            "postgres:///beaa",
            "postgres://beaa@localhost/beaa",
            "postgresql://beaa@127.0.0.1:5433/beaa?sslmode=disable",
            "postgres://beaa@[::1]/beaa",
            "postgres://beaa@%2Frun%2Fpostgresql/beaa",
            "postgres:///beaa?host=/run/postgresql&user=beaa",
        ] {
            assert!(location(url, false).unwrap().tls.is_none(), "{url}");
        }
        for url in [
            "postgres://beaa@db.example.org/beaa",
            "postgres://beaa@db.example.org/beaa?sslmode=disable",
            "postgres://beaa@10.0.0.1/beaa",
            "postgres://beaa@localhost,db.example.org/beaa",
            "postgres://beaa@localhost/beaa?hostaddr=10.0.0.1",
        ] {
            let refused = location(url, false).unwrap_err().to_string();
            assert!(refused.contains("database_authorities"), "{url}: {refused}");
            assert!(location(url, true).unwrap().tls.is_none(), "{url}");
        }
        assert!(
            location("postgres://beaa@localhost/beaa?sslmode=require", true).is_err(),
            "no authority to require it"
        );
    }

    #[test]
    fn no_text_of_a_location_has_its_password() {
        let good = location("postgres://beaa:tops3cret@localhost:5433/jobs", false).unwrap();
        let said = format!("{good:?}");
        assert_eq!(said, "PostgresLocation(localhost:5433, database `jobs`)");
        for wrong in
            ["tops3cret", "postgres://beaa:tops3cret@h/x?sslmode=verify-full", "postgres://b:tops3cret@h:x/", ""]
        {
            let said = location(wrong, false).unwrap_err().to_string();
            assert!(said.contains("expected postgres://") && !said.contains("tops3cret"), "{said}");
        }
        let remote = location("postgres://beaa:tops3cret@db.example.org/jobs", false).unwrap_err().to_string();
        assert!(remote.contains("db.example.org") && !remote.contains("tops3cret"), "{remote}");
        let url = DatabaseUrl::from("postgres://beaa:tops3cret@h/x".to_owned());
        assert!(!format!("{url:?}").contains("tops3cret"));
    }
}
