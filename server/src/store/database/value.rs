//! What goes into queries and comes out of them, the same for both databases: numbers, texts and
//! bytes, each of which may be absent.

use rusqlite::types::{ToSql, ToSqlOutput};

use crate::{Error, Result};

/// A parameter of a query. What is absent has a type, too: PostgreSQL wants to know it.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Value<'a> {
    Integer(Option<i64>),
    Text(Option<&'a str>),
    Bytes(Option<&'a [u8]>),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(bytes: Option<&'a [u8]>) -> Self {
        Self::Bytes(bytes)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Integer(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
            Self::Bytes(bytes) => bytes.to_sql(),
        }
    }
}

/// Parameters of a query, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::database::Value::from($value)),*] };
}
pub(in crate::store) use values;

/// One field of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Field {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Field {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Integer(_) => "a number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// A row that a query gave.
#[derive(Debug, Clone)]
pub(in crate::store) struct Record(Vec<Field>);

impl Record {
    pub(super) fn new(fields: Vec<Field>) -> Self {
        Self(fields)
    }

    /// The field of a column, counted from 0.
    pub(in crate::store) fn get<T: FromField>(&self, column: usize) -> Result<T> {
        T::from_field(&self.0[column])
    }
}

/// What a field can become.
pub(in crate::store) trait FromField: Sized {
    fn from_field(field: &Field) -> Result<Self>;
}

fn other(field: &Field, expected: &'static str) -> Error {
    Error::Damaged { found: field.kind().to_owned(), expected }
}

impl FromField for i64 {
    fn from_field(field: &Field) -> Result<Self> {
        match field {
            Field::Integer(number) => Ok(*number),
            field => Err(other(field, "a number")),
        }
    }
}

impl FromField for String {
    fn from_field(field: &Field) -> Result<Self> {
        match field {
            Field::Text(text) => Ok(text.clone()),
            field => Err(other(field, "a text")),
        }
    }
}

impl FromField for Vec<u8> {
    fn from_field(field: &Field) -> Result<Self> {
        match field {
            Field::Bytes(bytes) => Ok(bytes.clone()),
            field => Err(other(field, "bytes")),
        }
    }
}

impl<T: FromField> FromField for Option<T> {
    fn from_field(field: &Field) -> Result<Self> {
        match field {
            Field::Null => Ok(None),
            field => T::from_field(field).map(Some),
        }
    }
}
