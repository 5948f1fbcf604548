//! A PostgreSQL of the tests, in a folder of its own, for as long as their process lives. It needs
//! the programs of Debian's package `postgresql`. Two programs of tests have this file, and neither
//! uses all of it.

#![allow(dead_code)]

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The password of the superuser `postgres` for connections that do not come over the socket.
pub(crate) const PASSWORD: &str = "tops3cret";

/// A server that runs.
pub(crate) struct Cluster {
    pub(crate) port: u16,
    folder: PathBuf,
    /// Ends PostgreSQL when its standard input ends, as it does when this process does.
    _keeper: Child,
}

/// The one of this process.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("beaa-postgres-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script = format!(
            "set -e; umask 077
             {as_user} {initdb} -D \"$0/data\" --username postgres --pwfile \"$0/password\" --auth-local trust \
                 --auth-host scram-sha-256 --encoding UTF8 --locale C --no-sync
             set +e
             {as_user} {postgres} -D \"$0/data\" -k \"$0\" -p {port} -c listen_addresses=127.0.0.1 -c fsync=off \
                 -c max_connections=400 -c ssl=on -c ssl_cert_file=\"$0/server.pem\" \
                 -c ssl_key_file=\"$0/server.key\" &
             process=$!
             cat > /dev/null
             kill -QUIT $process
             wait $process
             rm -rf \"$0\"",
            as_user = as_user(),
            initdb = program("initdb").display(),
            postgres = program("postgres").display(),
        );
        std::fs::File::create(folder.join("password")).unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        let data = if crate_folder().ends_with("server") { "tests/data" } else { "server/tests/data" };
        let data = crate_folder().join(data);
        for name in ["server.pem", "server.key"] {
            std::fs::copy(data.join(name), folder.join(name)).unwrap();
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(folder.join(name), private).unwrap();
        }
        if let Some(user) = other_user() {
            assert!(Command::new("chown").arg("-R").arg(user).arg(&folder).status().unwrap().success());
        }
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", &script]).arg(&folder).stdin(Stdio::piped());
        // As a group of its own, no Ctrl-C ends it before the tests.
        std::os::unix::process::CommandExt::process_group(&mut keeper, 0);
        let keeper = keeper.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let cluster = Self { port, folder, _keeper: keeper };
        let started = Instant::now();
        while !cluster.client("pg_isready").output().unwrap().status.success() {
            let log = || std::fs::read_to_string(cluster.folder.join("log")).unwrap();
            assert!(started.elapsed() < Duration::from_secs(60), "PostgreSQL does not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        cluster
    }

    /// The address of a database, over TCP, where PostgreSQL wants a password.
    pub(crate) fn url_with_password(&self, database: &str, password: &str) -> String {
        format!("postgres://postgres:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// A program that speaks to the server as its superuser.
    pub(crate) fn client(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        self.environment(&mut command);
        command
    }

    /// Lets programs that a command starts find the server.
    pub(crate) fn environment(&self, command: &mut Command) {
        command.env("PGHOST", &self.folder).env("PGPORT", self.port.to_string()).env("PGUSER", "postgres");
    }

    /// The address of a database, over the socket.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={}&user=postgres", self.folder.display(), self.port)
    }

    /// The address of a new database.
    pub(crate) fn new_database(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("store_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let output = self.client("createdb").arg(&name).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.url(&name)
    }
}

/// A program of PostgreSQL, which Debian keeps out of the PATH.
pub(crate) fn program(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.map(|version| version.unwrap().path().join("bin")));
    }
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: install PostgreSQL (Debian: apt-get install postgresql)"))
}

/// Who PostgreSQL runs as where the tests are root's, who must not run it.
fn other_user() -> Option<&'static str> {
    let output = Command::new("id").arg("-u").output().unwrap();
    (output.stdout == b"0\n").then(|| {
        let known = Command::new("id").arg("postgres").output().unwrap().status.success();
        if known { "postgres" } else { "nobody" }
    })
}

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn as_user() -> String {
    other_user().map_or(String::new(), |user| format!("setpriv --reuid {user} --clear-groups --"))
}
