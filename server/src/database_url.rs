//! Where a database is, in one text that may hold a password: nothing prints it.

use std::fmt;

use serde::Deserialize;

/// The address of a PostgreSQL database, as `postgres://USER@HOST/NAME`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole text, with the password.
    pub fn with_password(&self) -> &str {
        &self.0
    }

    /// Whether the text holds a password, or could.
    pub fn has_password(&self) -> bool {
        match self.0.parse::<postgres::Config>() {
            Ok(config) => config.get_password().is_some(),
            Err(_) => true,
        }
    }

    /// Whether there is no text, as of a variable that was emptied.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Any text: one that is no address is refused where it is used, in words that do not repeat it.
impl From<String> for DatabaseUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DatabaseUrl(_)")
    }
}
