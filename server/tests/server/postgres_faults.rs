//! A PostgreSQL that is cut off, stopped, of something else, or of another store: nothing is half
//! done, and every refusal says what helps and no password.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::postgres::{Client, NoTls};

use crate::cluster::{PASSWORD, cluster};
use crate::kit::{Database, LIMITS, Sample, kind, postgres};
use beaa_server::store::{PostgresLocation, Store, StoreDatabase};
use beaa_server::{DatabaseError, Error, RefusalKind, Result};

fn client(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap()
}

/// Ends all other connections to a database, once `condition` holds for one of them.
fn cut(url: &str, condition: &str) {
    let query = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}"
    );
    let (mut client, started) = (client(url), Instant::now());
    while client.query_one(&query, &[]).unwrap().get::<_, i64>(0) == 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "no connection of which {condition}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Has the database wait for a minute in every change that the trigger hears of.
fn wait_in(url: &str, trigger: &str) {
    let function = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                        'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'";
    client(url).batch_execute(&format!("{function}; CREATE {trigger} FOR EACH ROW EXECUTE FUNCTION slow()")).unwrap();
}

fn tenants(sample: &Sample, name: &str) -> i64 {
    sample.count(&format!("SELECT count(*) FROM tenants WHERE name = '{name}'"))
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn a_connection_that_was_cut_while_nobody_used_it_costs_nothing() {
    let sample = Sample::on(Database::Postgres);
    let url = sample.url.as_deref().unwrap();
    for round in 0..3 {
        cut(url, "true");
        let name = format!("tenant-{round}");
        sample.store.set_tenant(&name, LIMITS).unwrap();
        assert_eq!(tenants(&sample, &name), 1);
    }
    cut(url, "true");
    sample.store.caller(&sample.token).unwrap();
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn a_connection_that_is_cut_amid_a_change_leaves_nothing_of_it() {
    let sample = Sample::on(Database::Postgres);
    let url = sample.url.as_deref().unwrap();
    wait_in(url, "TRIGGER slow BEFORE INSERT ON audit");
    std::thread::scope(|scope| {
        // The tenant is there in the transaction, and its line in the log is waited for.
        let changing = scope.spawn(|| sample.store.set_tenant("half", LIMITS));
        cut(url, "wait_event = 'PgSleep'");
        let lost = changing.join().unwrap().unwrap_err();
        assert!(matches!(&lost, Error::Database { source: DatabaseError::Lost { .. }, .. }), "{lost}");
        assert!(lost.to_string().contains("writing the audit log") && lost.to_string().contains("expected"), "{lost}");
    });
    client(url).batch_execute("DROP TRIGGER slow ON audit").unwrap();
    assert_eq!(tenants(&sample, "half"), 0);
    sample.store.set_tenant("half", LIMITS).unwrap();
    assert_eq!(tenants(&sample, "half"), 1);
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn a_change_whose_end_nobody_confirmed_is_told_and_not_done_again() {
    let sample = Sample::on(Database::Postgres);
    let url = sample.url.as_deref().unwrap();
    wait_in(url, "CONSTRAINT TRIGGER slow AFTER INSERT ON tenants DEFERRABLE INITIALLY DEFERRED");
    std::thread::scope(|scope| {
        let changing = scope.spawn(|| sample.store.set_tenant("unsure", LIMITS));
        cut(url, "query = 'COMMIT' AND wait_event = 'PgSleep'");
        let open = changing.join().unwrap().unwrap_err();
        assert!(matches!(&open, Error::Database { source: DatabaseError::Unconfirmed { .. }, .. }), "{open}");
        assert!(open.to_string().contains("look at what is there before doing it again"), "{open}");
    });
    assert_eq!(tenants(&sample, "unsure"), 0);
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn who_waits_too_long_for_another_that_writes_is_told_so() {
    let sample = Sample::on(Database::Postgres);
    let mut other = client(sample.url.as_deref().unwrap());
    let mut transaction = other.transaction().unwrap();
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema(), 1650811233))";
    transaction.batch_execute(lock).unwrap();
    let busy = sample.store.set_tenant("late", LIMITS).unwrap_err();
    assert!(matches!(&busy, Error::Database { source: DatabaseError::Busy, .. }), "{busy}");
    assert_eq!(sample.store.programs().unwrap().len(), 1, "who only looks does not wait");
    drop(transaction);
    sample.store.set_tenant("late", LIMITS).unwrap();
}

/// What opening is refused with: what was done, found and expected, and what helps.
fn refused(folder: &Path, database: &StoreDatabase) -> String {
    let said = Store::open_with(folder, database).err().unwrap().to_string();
    assert!(said.starts_with("opening the store: found ") && said.contains("expected") && said.contains(';'), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
    said
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn databases_that_cannot_be_had_are_refused_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let at = |url: &str| refused(folder.path(), &postgres(url));
    let wrong = at(&cluster().url_with_password("postgres", "wrong"));
    assert!(wrong.contains("28P01") && wrong.contains("PGPASSWORD") && !wrong.contains("wrong"), "{wrong}");
    let absent = at(&cluster().url_with_password("nothing", PASSWORD));
    assert!(absent.contains("createdb"), "{absent}");
    let nobody = at(&format!("postgres://postgres:{PASSWORD}@127.0.0.1:1/x"));
    assert!(nobody.contains("127.0.0.1:1, database `x`") && nobody.contains("whether PostgreSQL runs"), "{nobody}");
    let no_schema = at(&format!("{}&options=-c%20search_path%3Dnothing", cluster().new_database()));
    assert!(no_schema.contains("no schema"), "{no_schema}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "what is refused leaves nothing");
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn folder_and_database_of_other_stores_are_refused_and_left_as_they_are() {
    let (sample, other) = (Sample::on(Database::Postgres), Sample::on(Database::Postgres));
    let (url, folder) = (sample.url.as_deref().unwrap(), sample.store.folder());
    let blobs = sample.blobs();
    // Swept, the one would have lost all files that the other does not know.
    assert!(refused(other.store.folder(), &postgres(url)).contains("the folder of the store"));
    let new = sample.folder.path().join("not-mounted");
    assert!(refused(&new, &postgres(url)).contains("without store.id"));
    assert!(refused(folder, &postgres(&cluster().new_database())).contains("an empty database and files in"));
    assert!(refused(folder, &StoreDatabase::Sqlite).contains("--database"));
    let sqlite = Sample::new();
    assert!(refused(sqlite.store.folder(), &postgres(&cluster().new_database())).contains("SQLite"));
    let foreign = cluster().new_database();
    client(&foreign).batch_execute("CREATE TABLE invoices (number BIGINT)").unwrap();
    assert!(refused(&new, &postgres(&foreign)).contains("something else in the database (invoices)"));
    let known = sample.count("SELECT schema_number FROM beaa_store");
    sample.sql("UPDATE beaa_store SET schema_number = 99");
    let newer = Store::open_with(folder, &postgres(url)).err().unwrap();
    assert!(matches!(newer, Error::Newer { found: 99, .. }), "{newer}");
    sample.sql(&format!("UPDATE beaa_store SET schema_number = {known}"));
    assert_eq!(sample.another_store().programs().unwrap().len(), 1);
    assert_eq!(sample.blobs(), blobs);
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn processes_that_open_a_new_store_at_once_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let database = postgres(&cluster().new_database());
    let stores: Vec<Store> = std::thread::scope(|scope| {
        let open = || Store::open_with(folder.path(), &database).unwrap();
        let all: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    stores[0].set_tenant("clinic", LIMITS).unwrap();
    assert!(stores.iter().all(|store| store.audit(10).unwrap().len() == 1));
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn two_stores_have_schemas_of_one_database() {
    let url = cluster().new_database();
    client(&url).batch_execute("CREATE SCHEMA one; CREATE SCHEMA two").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = |schema: &str| {
        let database = postgres(&format!("{url}&options=-c%20search_path%3D{schema}"));
        Store::open_with(&folder.path().join(schema), &database).unwrap()
    };
    let [one, two] = [open("one"), open("two")];
    one.set_tenant("clinic", LIMITS).unwrap();
    assert_eq!([one.audit(10).unwrap().len(), two.audit(10).unwrap().len()], [1, 0]);
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn connections_are_tls_by_an_authority_that_is_known() {
    let data = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let folder = tempfile::tempdir().unwrap();
    let name = cluster().new_database().split(['?', '/']).nth(3).unwrap().to_owned();
    let url = cluster().url_with_password(&name, PASSWORD);
    let location = |url: &str, authorities: PathBuf| -> Result<StoreDatabase> {
        PostgresLocation::new(&url.to_owned().into(), Some(&authorities), false).map(StoreDatabase::Postgres)
    };
    let store = Store::open_with(folder.path(), &location(&url, data("authority.pem")).unwrap()).unwrap();
    store.set_tenant("clinic", LIMITS).unwrap();
    let query = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                 WHERE ssl AND datname = $1 AND application_name = 'beaa'";
    let encrypted: i64 = client(&cluster().url("postgres")).query_one(query, &[&name]).unwrap().get(0);
    assert_eq!(encrypted, 1);
    // A certificate that is nobody's authority, and a name that is not the certificate's.
    let unknown = refused(folder.path(), &location(&url, data("ended.pem")).unwrap());
    assert!(unknown.contains("TLS") && unknown.contains("certificate"), "{unknown}");
    let elsewhere = url.replace("127.0.0.1", "db.example.org") + "?hostaddr=127.0.0.1";
    let renamed = refused(folder.path(), &location(&elsewhere, data("authority.pem")).unwrap());
    assert!(renamed.contains("db.example.org") && renamed.contains("certificate"), "{renamed}");
    assert!(location(&url, data("server.key")).err().unwrap().to_string().contains("found no certificate"));
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn texts_that_postgresql_does_not_take_are_not_there() {
    let sample = Sample::on(Database::Postgres);
    assert_eq!(kind(sample.store.program("a\0b")), RefusalKind::NotFound);
    assert_eq!(kind(sample.store.caller("beaa_\0")), RefusalKind::Unauthorised);
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn a_store_may_be_let_go_where_requests_are_served() {
    let sample = Sample::on(Database::Postgres);
    let store = sample.another_store();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Whoever waits there panics.
    runtime.block_on(async move { drop(store) });
    sample.store.set_tenant("after", LIMITS).unwrap();
}
