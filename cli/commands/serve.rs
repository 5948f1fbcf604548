//! `beaa serve`: the server of encrypted jobs, its workers, and what its operator does. Nothing
//! here can read or make a secret key; `what_runs_on_a_server_knows_no_secret_key` holds it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use beaa_protocol::Scope;
use beaa_server::settings::Settings;
use beaa_server::store::{NewToken, Store, TenantLimits};
use beaa_server::worker::{Work, work};
use beaa_server::{DatabaseUrl, Service, WorkerPool, serve};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::byte_size;
use crate::console;
use crate::context::Context;
use crate::device_args::DeviceArgs;
use crate::exit::Exit;
use crate::memory_args::MemoryArgs;

/// Where the address of the database may be, which can hold a password.
const DATABASE: &str = "BEAA_DATABASE";
const MS_PER_DAY: i64 = 24 * 3_600_000;

/// Options of `beaa serve`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Where jobs and files are, and how they are served.
#[derive(Debug, Clone, Args)]
struct StoreArgs {
    /// Folder with the jobs and files of the server; a new one is made where there is none.
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// The settings of a server, and the one that every command with its store needs.
#[derive(Debug, Clone, Args)]
struct SettingsArgs {
    /// Settings in TOML; an option wins over them (docs/server.md lists them).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// PostgreSQL database of the store: postgres://USER@HOST/NAME [default: SQLite in the folder].
    #[arg(long, value_name = "URL", env = DATABASE, hide_env_values = true)]
    database: Option<DatabaseUrl>,
}

/// Options of the server itself.
#[derive(Debug, Clone, Args)]
struct ServerArgs {
    /// Folder with the jobs and files of the server; a new one is made where there is none.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where to listen [default: 127.0.0.1:8443].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Certificate chain in PEM: connections are TLS then.
    #[arg(long, value_name = "FILE", requires = "private_key")]
    certificate: Option<PathBuf>,
    /// Private key of the certificate in PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    private_key: Option<PathBuf>,
    /// Take connections without TLS from other machines, too: where something in front does TLS.
    #[arg(long)]
    plain_http: bool,
    /// Worker processes to run beside the server; with 0, they are started by `beaa serve worker`.
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: u8,
}

/// What an operator does beside serving.
#[derive(Debug, Subcommand)]
enum Action {
    /// Run jobs of a store, on this machine or another that shares the folder.
    Worker(WorkerArgs),
    /// Publish a compiled program.
    Publish {
        #[command(flatten)]
        store: StoreArgs,
        /// Compiled program.
        #[arg(value_name = "PROGRAM")]
        program: PathBuf,
    },
    /// Take a program off the list; jobs that are there are still run.
    Withdraw {
        #[command(flatten)]
        store: StoreArgs,
        /// Its fingerprint.
        #[arg(value_name = "FINGERPRINT")]
        program: String,
    },
    /// Add a tenant, or change what one may use.
    Tenant {
        #[command(flatten)]
        store: StoreArgs,
        /// Its name.
        #[arg(value_name = "NAME")]
        name: String,
        /// Most bytes of keys, uploads and answers.
        #[arg(long, value_name = "SIZE", value_parser = byte_size::parse, default_value = "100GiB")]
        storage: u64,
        /// Most jobs that wait or run.
        #[arg(long, value_name = "N", default_value_t = 100)]
        jobs: u64,
        /// Most jobs in any state, until they are deleted.
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        kept_jobs: u64,
        /// Most uploads that no job has.
        #[arg(long, value_name = "N", default_value_t = 1000)]
        uploads: u64,
        /// Most evaluation keys.
        #[arg(long, value_name = "N", default_value_t = 1000)]
        keys: u64,
    },
    /// Make a bearer token for a tenant, and print it: it is shown this once.
    Token {
        #[command(flatten)]
        store: StoreArgs,
        /// Whose.
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// Its name, by which it is revoked.
        #[arg(long, value_name = "NAME")]
        label: String,
        /// What it allows.
        #[arg(long, value_enum, default_value_t = ScopeName::Submit)]
        scope: ScopeName,
        /// Days that it is good [default: until it is revoked].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
    },
    /// Make a token worthless.
    Revoke {
        #[command(flatten)]
        store: StoreArgs,
        /// Its name.
        #[arg(value_name = "NAME")]
        label: String,
    },
    /// List tokens, without their secrets.
    Tokens {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Print who did what, and when.
    Audit {
        #[command(flatten)]
        store: StoreArgs,
        /// The last so many lines.
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: u32,
    },
}

/// Options of `beaa serve worker`.
#[derive(Debug, Clone, Args)]
struct WorkerArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    /// End when the standard input ends, as it does when the server that started this ends.
    #[arg(long, hide = true)]
    until_input_ends: bool,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScopeName {
    /// Everything that a tenant does.
    Submit,
    /// Looking and downloading.
    Read,
    /// The server's figures.
    Metrics,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Submit => Self::Submit,
            ScopeName::Read => Self::Read,
            ScopeName::Metrics => Self::Metrics,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    match (&arguments.action, &arguments.server.store) {
        (Some(action), _) => operate(action, context),
        (None, Some(store)) => serve_until_end(store, &arguments.server, context),
        (None, None) => Err(Exit::Usage.because(
            "starting the server: found no --store, expected the folder of its jobs and files; give --store DIR",
        )),
    }
}

fn serve_until_end(folder: &Path, arguments: &ServerArgs, context: &Context) -> Result<()> {
    let settings = merged(arguments)?;
    let store = Arc::new(Store::open_with(folder, &settings.store_database()?)?);
    // The first Ctrl-C lets requests end.
    let _saving = context.interrupt.saving();
    let stop = Arc::clone(&context.interrupt.stop);
    let pool = start_workers(folder, arguments)?;
    let scheme = if settings.certificate.is_some() { "https" } else { "http" };
    let started = |address| {
        // Whoever started this reads it; the server serves without, too.
        let _ = console::print(&format!("listening on {scheme}://{address}\n"));
    };
    let served = serve(Service { store, settings }, move || stop.load(Ordering::Relaxed), started);
    drop(pool);
    Ok(served?)
}

/// The settings of the file, and the address of the database over them.
fn settings(arguments: &SettingsArgs) -> Result<Settings> {
    let mut settings = match &arguments.config {
        Some(path) => Settings::read(path)?,
        None => Settings::default(),
    };
    if let Some(database) = arguments.database.clone().filter(|database| !database.is_empty()) {
        settings.database = Some(database);
    }
    Ok(settings)
}

/// The settings of the file, and the options over them.
fn merged(arguments: &ServerArgs) -> Result<Settings> {
    let mut settings = settings(&arguments.settings)?;
    if let Some(listen) = &arguments.listen {
        settings.listen.clone_from(listen);
    }
    if arguments.certificate.is_some() {
        settings.certificate.clone_from(&arguments.certificate);
        settings.private_key.clone_from(&arguments.private_key);
    }
    settings.plain_http |= arguments.plain_http;
    Ok(settings)
}

/// Workers in processes of their own, which share the threads of this one.
fn start_workers(folder: &Path, arguments: &ServerArgs) -> Result<Option<WorkerPool>> {
    if arguments.workers == 0 {
        return Ok(None);
    }
    let program = std::env::current_exe().context("starting workers: looking for the command itself")?;
    let threads = rayon::current_num_threads().div_ceil(usize::from(arguments.workers));
    let (store, SettingsArgs { config, database }) = (folder.to_path_buf(), arguments.settings.clone());
    let command = move || {
        let mut command = Command::new(&program);
        command.args(["serve", "worker", "--until-input-ends", "--threads", &threads.to_string(), "--store"]);
        command.arg(&store);
        if let Some(config) = &config {
            command.arg("--config").arg(config);
        }
        // Everybody sees the words of a command.
        if let Some(database) = &database {
            command.env(DATABASE, database.with_password());
        }
        command
    };
    Ok(Some(WorkerPool::start(usize::from(arguments.workers), command)?))
}

fn work_until_end(arguments: &WorkerArgs, context: &Context) -> Result<()> {
    arguments.memory.apply();
    let card = arguments.device.open(context)?;
    let settings = settings(&arguments.store.settings)?;
    let store = Arc::new(Store::open_with(&arguments.store.store, &settings.store_database()?)?);
    // The first Ctrl-C lets the job be given back.
    let _saving = context.interrupt.saving();
    let stop = Arc::clone(&context.interrupt.stop);
    beaa_server::end_on_termination(&stop)?;
    if arguments.until_input_ends {
        end_with_input(Arc::clone(&stop));
    }
    Ok(work(&Work { store, lease_ms: settings.lease_ms(), stop, card })?)
}

/// Wants the worker to end when the standard input does.
fn end_with_input(stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        stop.store(true, Ordering::Relaxed);
    });
}

fn operate(action: &Action, context: &Context) -> Result<()> {
    match action {
        Action::Worker(arguments) => work_until_end(arguments, context),
        Action::Publish { store, program } => {
            let view = open(store)?.publish(program)?;
            context.print(&view, || format!("{}  {}\n", view.program, view.name))
        }
        Action::Withdraw { store, program } => {
            open(store)?.withdraw(program)?;
            context.print(&json!({ "withdrawn": program }), || format!("{program} is withdrawn\n"))
        }
        Action::Tenant { store, name, storage, jobs, kept_jobs, uploads, keys } => {
            let limits = TenantLimits {
                stored_bytes: *storage,
                active_jobs: *jobs,
                jobs: *kept_jobs,
                uploads: *uploads,
                keys: *keys,
            };
            open(store)?.set_tenant(name, limits)?;
            let record = json!({
                "tenant": name, "stored_bytes": storage, "active_jobs": jobs, "jobs": kept_jobs, "uploads": uploads,
                "keys": keys
            });
            context.print(&record, || {
                format!(
                    "{name}: {storage} bytes, {jobs} jobs at a time, {kept_jobs} kept, {uploads} uploads, {keys} keys\n"
                )
            })
        }
        Action::Token { store, tenant, label, scope, days } => {
            let lifetime_ms = days.map(|days| i64::from(days) * MS_PER_DAY);
            let new = NewToken { tenant, label, scope: (*scope).into(), lifetime_ms };
            let token = open(store)?.add_token(&new)?;
            context.print(&json!({ "token": token, "label": label }), || format!("{token}\n"))
        }
        Action::Revoke { store, label } => {
            open(store)?.revoke_token(label)?;
            context.print(&json!({ "revoked": label }), || format!("{label} is revoked\n"))
        }
        Action::Tokens { store } => {
            let tokens = open(store)?.tokens()?;
            context.print(&tokens, || {
                let line = |t: &beaa_server::store::TokenEntry| {
                    let state = if t.revoked_ms.is_some() { "revoked" } else { "in force" };
                    format!("{:20} {:20} {:8} {state}\n", t.tenant, t.label, t.scope.name())
                };
                tokens.iter().map(line).collect()
            })
        }
        Action::Audit { store, limit } => {
            let entries = open(store)?.audit(*limit)?;
            context.print(&entries, || {
                let line = |e: &beaa_server::store::AuditEntry| {
                    let tenant = e.tenant.as_deref().unwrap_or("-");
                    format!("{:13} {tenant:16} {:20} {:20} {}\n", e.at_ms, e.actor, e.action, e.object)
                };
                entries.iter().map(line).collect()
            })
        }
    }
}

fn open(arguments: &StoreArgs) -> Result<Store> {
    Ok(Store::open_with(&arguments.store, &settings(&arguments.settings)?.store_database()?)?)
}
