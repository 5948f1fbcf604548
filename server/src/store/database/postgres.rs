//! A connection to a database of PostgreSQL. One that fails is not used again; whether a change is
//! kept whose end nobody confirmed is never guessed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use postgres::types::{ToSql, Type};
use postgres::{Client, Row, Statement};

use super::location::PostgresLocation;
use super::placeholders::numbered;
use super::value::{Field, Record, Value};
use super::{BUSY, Mode};
use crate::database_error::DatabaseError;
use crate::{Error, Result};

/// What every connection sets. A transaction that has ended is on the disk, and a machine that
/// vanished keeps the right to write for half a minute at most.
const SETTINGS: &str = "
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local');
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4;
    SET tcp_user_timeout = '30s'; SET client_min_messages = warning; SET standard_conforming_strings = on";
/// Part of the name of the lock that who writes has: of beaa, and of the schema of the store.
const LOCK: i64 = 0x6265_6161;
const WORKING: &str = "working on the store";

type Outcome<T> = std::result::Result<T, postgres::Error>;

pub(super) struct PostgresConnection {
    /// None only while it is being dropped.
    client: RefCell<Option<Client>>,
    statements: RefCell<HashMap<String, Statement>>,
    /// Whether a statement failed and was not undone, with which nothing of this transaction can be
    /// kept.
    failed: Cell<bool>,
}

impl PostgresConnection {
    pub(super) fn open(location: &PostgresLocation) -> Result<Self> {
        let operation = "opening the store";
        let connected = location.connect().and_then(|mut client| client.batch_execute(SETTINGS).map(|()| client));
        let client = connected.map_err(|error| Error::Database {
            operation,
            source: DatabaseError::of_connecting(&error, location.server()),
        })?;
        Ok(Self { client: RefCell::new(Some(client)), statements: RefCell::default(), failed: Cell::new(false) })
    }

    /// Begins a transaction: who reads sees the database as it was at one moment, and who writes is
    /// the only one.
    pub(super) fn begin(&self, mode: Mode) -> Result<()> {
        self.failed.set(false);
        match mode {
            Mode::Read => self.script(WORKING, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            // What is looked at after the lock is as the one before has left it.
            Mode::Write => self.script(
                WORKING,
                &format!(
                    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {};
                     SELECT pg_advisory_xact_lock(hashtextextended(current_schema(), {LOCK}))",
                    BUSY.as_millis()
                ),
            ),
        }
    }

    pub(super) fn commit(&self) -> std::result::Result<(), DatabaseError> {
        // PostgreSQL would undo it and say nothing.
        assert!(!self.failed.get(), "a transaction of which a statement failed is to be kept");
        self.with(|client| client.batch_execute("COMMIT")).map_err(|error| DatabaseError::of_commit(&error))
    }

    /// Runs statements that undo those which failed.
    pub(super) fn undo(&self, operation: &'static str, text: &str) -> Result<()> {
        self.script(operation, text)?;
        self.failed.set(false);
        Ok(())
    }

    pub(super) fn script(&self, operation: &'static str, text: &str) -> Result<()> {
        self.noting(operation, |client, _| client.batch_execute(text))
    }

    pub(super) fn execute(&self, operation: &'static str, query: &str, values: &[Value<'_>]) -> Result<u64> {
        self.noting(operation, |client, statements| {
            let statement = prepared(client, statements, query, values)?;
            client.execute(&statement, &parameters(values))
        })
    }

    pub(super) fn rows(&self, operation: &'static str, query: &str, values: &[Value<'_>]) -> Result<Vec<Record>> {
        let rows = self.noting(operation, |client, statements| {
            let statement = prepared(client, statements, query, values)?;
            client.query(&statement, &parameters(values))
        })?;
        rows.iter().map(record).collect()
    }

    /// Runs a part of a transaction, and notes its failure.
    fn noting<T>(
        &self,
        operation: &'static str,
        run: impl FnOnce(&mut Client, &mut HashMap<String, Statement>) -> Outcome<T>,
    ) -> Result<T> {
        let result = self.with(|client| run(client, &mut self.statements.borrow_mut()));
        result.map_err(|error| {
            self.failed.set(true);
            Error::Database { operation, source: DatabaseError::of_statement(&error) }
        })
    }

    fn with<T>(&self, run: impl FnOnce(&mut Client) -> Outcome<T>) -> Outcome<T> {
        match &mut *self.client.borrow_mut() {
            Some(client) => run(client),
            None => unreachable!("a connection that is used while it is being dropped"),
        }
    }
}

/// Takes leave of the server on a thread of its own: a client waits for that, which the thread that
/// drops it may not be allowed to, where it serves requests.
impl Drop for PostgresConnection {
    fn drop(&mut self) {
        let client = self.client.take();
        let _ = std::thread::spawn(move || drop(client)).join();
    }
}

/// The statement of a query, which the server plans once for each connection.
fn prepared(
    client: &mut Client,
    statements: &mut HashMap<String, Statement>,
    query: &str,
    values: &[Value<'_>],
) -> Outcome<Statement> {
    if let Some(statement) = statements.get(query) {
        return Ok(statement.clone());
    }
    let types: Vec<Type> = values.iter().map(type_of).collect();
    let statement = client.prepare_typed(&numbered(query), &types)?;
    statements.insert(query.to_owned(), statement.clone());
    Ok(statement)
}

fn type_of(value: &Value<'_>) -> Type {
    match value {
        Value::Integer(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
    }
}

fn parameters<'a>(values: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    let parameter = |value: &'a Value<'a>| -> &'a (dyn ToSql + Sync) {
        match value {
            Value::Integer(number) => number,
            Value::Text(text) => text,
            Value::Bytes(bytes) => bytes,
        }
    };
    values.iter().map(parameter).collect()
}

fn record(row: &Row) -> Result<Record> {
    let wrong = |error: postgres::Error| Error::Database {
        operation: "reading a row",
        source: DatabaseError::of_statement(&error),
    };
    let field = |column: usize| {
        let field = match *row.columns()[column].type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(column).map_err(wrong)?.map(Field::Integer),
            Type::INT4 => row.try_get::<_, Option<i32>>(column).map_err(wrong)?.map(|n| Field::Integer(n.into())),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(column).map_err(wrong)?.map(Field::Bytes),
            _ => row.try_get::<_, Option<String>>(column).map_err(wrong)?.map(Field::Text),
        };
        Ok(field.unwrap_or(Field::Null))
    };
    (0..row.len()).map(field).collect::<Result<Vec<Field>>>().map(Record::new)
}
