//! Which folder belongs to which PostgreSQL database: both have the same id, so that no server
//! takes the files of one store for those that another has forgotten.

use std::path::Path;

use beaa_base::output::{self, Care};
use beaa_base::text::read_text;
use beaa_protocol::Id;

use super::database::{Database, Record, Transaction, values};
use super::{BLOBS, DATABASE, UPLOADS, id, schema};
use crate::{Error, Result, random};

/// The file with the id.
pub(super) const NAME: &str = "store.id";
const OPENING: &str = "opening the store";
/// The table with id and schema, by which a database is known for one of a store.
const TABLE: &str = "beaa_store";

/// Brings the database to the present schema and holds it to the folder; where both are new, they
/// belong together from now on. Two processes that do so at once do it once.
pub(super) fn bind(database: &Database, folder: &Path) -> Result<()> {
    if folder.join(DATABASE).exists() {
        return refuse(
            format!("a database of SQLite in {}", folder.display()),
            "a folder without one, since the database is PostgreSQL",
            "give another folder, or leave --database away",
        );
    }
    database.write(|transaction| {
        check_server(transaction)?;
        let found = match tables(transaction)? {
            tables if tables.iter().any(|name| name == TABLE) => {
                let row = transaction.only(OPENING, "SELECT id, schema_number FROM beaa_store", &[])?;
                check_folder(folder, &id(row.get(0)?)?)?;
                row.get(1)?
            }
            tables if tables.is_empty() => {
                let id = new_folder(folder)?;
                transaction
                    .script(OPENING, "CREATE TABLE beaa_store (id BYTEA NOT NULL, schema_number BIGINT NOT NULL)")?;
                let insert = "INSERT INTO beaa_store (id, schema_number) VALUES (?, 0)";
                transaction.execute(OPENING, insert, values![id.bytes()])?;
                0
            }
            tables => {
                return refuse(
                    format!("tables of something else in the database ({})", tables.join(", ")),
                    "a store or an empty database",
                    "give it a database of its own",
                );
            }
        };
        let number = schema::migrate_postgres(transaction, found)?;
        if number != found {
            transaction.execute(OPENING, "UPDATE beaa_store SET schema_number = ?", values![number])?;
        }
        Ok(())
    })
}

fn refuse<T>(found: String, expected: &str, remedy: &str) -> Result<T> {
    Err(Error::Setting(format!("{OPENING}: found {found}, expected {expected}; {remedy}")))
}

/// Refuses a server on which texts or tables have nowhere to be, and warns of one that loses data.
fn check_server(transaction: &Transaction<'_>) -> Result<()> {
    let query = "SELECT current_schema(), current_setting('server_encoding'), current_setting('fsync')";
    let row = transaction.only(OPENING, query, &[])?;
    if row.get::<Option<String>>(0)?.is_none() {
        let remedy = "make the schema that search_path names, or name another one";
        return refuse("no schema in the database".to_owned(), "one for the tables", remedy);
    }
    let encoding: String = row.get(1)?;
    if encoding != "UTF8" {
        return refuse(
            format!("a database with the encoding {encoding}"),
            "UTF8",
            "make it with `createdb --encoding UTF8 --template template0`",
        );
    }
    if row.get::<String>(2)? != "on" {
        tracing::warn!("PostgreSQL has fsync off: when its machine fails, what was confirmed may be lost");
    }
    Ok(())
}

/// The tables and views in the schema of the store, without those of extensions.
fn tables(transaction: &Transaction<'_>) -> Result<Vec<String>> {
    let query = "SELECT c.relname FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                             WHERE d.objid = c.oid AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e')
         ORDER BY c.relname";
    transaction.rows(OPENING, query, &[])?.iter().map(|row: &Record| row.get(0)).collect()
}

/// Refuses a folder that is not that of the database.
fn check_folder(folder: &Path, expected: &Id) -> Result<()> {
    let found = match noted(folder)? {
        Some(found) if found == *expected => return Ok(()),
        Some(found) => format!("the folder of the store {found} in {}", folder.display()),
        None => format!("a folder without {NAME} in {}", folder.display()),
    };
    refuse(
        found,
        &format!("that of the store {expected}, to which the database belongs"),
        "give the folder that its other servers have (--store), mounted, or another database",
    )
}

/// Makes an empty folder that of a new store, and gives its id.
fn new_folder(folder: &Path) -> Result<Id> {
    // As somebody left it who was killed before the database had the id.
    if let Some(id) = noted(folder)?
        && [BLOBS, UPLOADS].iter().all(|part| !folder.join(part).exists())
    {
        return Ok(id);
    }
    let entries = std::fs::read_dir(folder).map_err(Error::io("reading folder", folder))?;
    if entries.flatten().any(|entry| !output::is_temporary(&entry.file_name())) {
        return refuse(
            format!("an empty database and files in {}", folder.display()),
            "an empty folder, or the database of that store",
            "give it a folder of its own (--store), or restore its database",
        );
    }
    let id = random::id()?;
    output::write(&folder.join(NAME), format!("{id}\n").as_bytes(), Care::Kept)?;
    Ok(id)
}

/// The id in the folder, if there is one.
fn noted(folder: &Path) -> Result<Option<Id>> {
    let path = folder.join(NAME);
    if !path.exists() {
        return Ok(None);
    }
    let text = read_text(OPENING, &path)?;
    let wrong =
        |_| Error::Damaged { found: format!("another text in {}", path.display()), expected: "the id of a store" };
    text.trim().parse().map(Some).map_err(wrong)
}
