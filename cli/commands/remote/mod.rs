//! `beaa remote`: the client of a server. Keys and images stay here; what is sent is encrypted.

mod follower;
mod submit;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_base::words::count;
use beaa_ir::text;
use beaa_protocol::{Id, JobView};
use beaa_remote::{Connection, Login};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::outputs::{Files, Replace, SIGNATURE};

/// Options of `beaa remote`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the login is kept [default: remote.json in the configuration folder of the system].
    #[arg(long, global = true, env = "BEAA_LOGIN", value_name = "FILE")]
    login: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Note where the server is and the token for it, after trying both.
    Login(LoginArgs),
    /// List the programs that the server runs.
    Programs,
    /// Fetch the signature of a program, for which `beaa keygen` makes keys.
    Signature {
        /// Name of the program, or the beginning of its fingerprint.
        #[arg(value_name = "PROGRAM")]
        program: String,
        /// The signature to write.
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        replace: Replace,
    },
    /// Encrypt images, send them, and queue a job; with --wait also fetch and decrypt the answers.
    /// The same command with the same folder goes on where an earlier one was interrupted.
    Submit(Box<submit::SubmitArgs>),
    /// Fetch and decrypt the answers to what was submitted.
    Fetch(submit::FetchArgs),
    /// List the jobs.
    Jobs,
    /// Cancel a job.
    Cancel {
        /// Its id.
        #[arg(value_name = "JOB")]
        job: Id,
    },
    /// Delete a job that has ended, its images and its answers from the server.
    Delete {
        /// Its id.
        #[arg(value_name = "JOB")]
        job: Id,
    },
}

#[derive(Debug, Args)]
struct LoginArgs {
    /// Address of the server, such as https://beaa.example.org.
    #[arg(value_name = "SERVER")]
    server: String,
    /// File whose first line is the token; an open descriptor, such as /dev/stdin, too.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Certificates in PEM to trust in place of the public authorities.
    #[arg(long, value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// Speak to another machine without TLS, where nobody else listens.
    #[arg(long)]
    plain_http: bool,
}

pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let path = match arguments.login {
        Some(path) => path,
        None => default_login()?,
    };
    let connect = || -> Result<Connection> {
        let login = Login::load(&path).with_context(|| format!("logging in with {}", path.display()))?;
        Ok(Connection::new(&login)?)
    };
    match arguments.action {
        Action::Login(login) => log_in(&login, &path, context),
        Action::Programs => programs(&connect()?, context),
        Action::Signature { program, out, replace } => {
            Files::default().writes("--out", out.as_path(), SIGNATURE, 0).check(&replace)?;
            let connection = connect()?;
            let view = find_program(&connection, &program)?;
            beaa_evaluation::files::write(&out, &connection.signature(&view)?)?;
            context.print(&json!({ "file": out, "program": view.program }), || {
                format!("{}: the signature of {}\n", out.display(), view.name)
            })
        }
        Action::Submit(submit) => submit::submit(*submit, &connect()?, context),
        Action::Fetch(fetch) => submit::fetch(fetch, &connect()?, context),
        Action::Jobs => jobs(&connect()?, context),
        Action::Cancel { job } => {
            let job = connect()?.cancel(&job)?;
            context.print(&job, || line(&job))
        }
        Action::Delete { job } => {
            connect()?.delete_job(&job)?;
            context.print(&json!({ "deleted": job }), || format!("{job} is deleted\n"))
        }
    }
}

fn default_login() -> Result<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "beaa");
    let folders =
        folders.context("looking for the login: the system has no folder for it; name a file with --login")?;
    Ok(folders.config_dir().join("remote.json"))
}

fn log_in(arguments: &LoginArgs, path: &std::path::Path, context: &Context) -> Result<()> {
    let text = beaa_base::text::read_text("reading the token", &arguments.token_file)?;
    let token = text.lines().next().map_or("", str::trim);
    let read = |path: &PathBuf| beaa_base::text::read_text("reading the authorities' certificates", path);
    let authorities = arguments.authorities.as_ref().map(read).transpose()?;
    let login = Login::new(&arguments.server, token, authorities, arguments.plain_http)?;
    let account = Connection::new(&login)?.account()?;
    beaa_evaluation::files::create_parent(path)?;
    login.save(path)?;
    let usage = account.usage;
    let record = json!({ "login": path, "server": login.server, "account": account });
    context.print(&record, || {
        format!(
            "logged in to {} as {}: {} of {} stored, {} of {} jobs at a time\n",
            login.server,
            account.tenant,
            text::bytes(usage.stored_bytes as f64),
            text::bytes(usage.stored_bytes_limit as f64),
            usage.active_jobs,
            usage.active_jobs_limit
        )
    })
}

fn programs(connection: &Connection, context: &Context) -> Result<()> {
    let programs = connection.programs()?;
    context.print(&programs, || {
        let line = |p: &beaa_protocol::ProgramView| {
            let key = if p.needs_key { "with an evaluation key" } else { "without an evaluation key" };
            format!(
                "{}  {}: {} classes, {} in a batch, {} bits of security, {key}\n",
                &p.program,
                p.name,
                p.classes.len(),
                count(p.slots, "image"),
                p.security_bits
            )
        };
        programs.iter().map(line).collect()
    })
}

fn jobs(connection: &Connection, context: &Context) -> Result<()> {
    let list = connection.jobs()?;
    context.print(&list, || list.jobs.iter().map(line).collect())
}

fn line(job: &JobView) -> String {
    let progress = &job.progress;
    let far =
        if progress.parts > 0 { format!(", part {} of {}", progress.done, progress.parts) } else { String::new() };
    let images = usize::try_from(job.images).map_or_else(|_| job.images.to_string(), |n| count(n, "image"));
    format!("{}  {:9} {images}{far}\n", job.id, job.state.name())
}

/// The program that a user names by its model, or by the beginning of its fingerprint.
fn find_program(connection: &Connection, name: &str) -> Result<beaa_protocol::ProgramView> {
    let programs = connection.programs()?;
    let fits = |p: &&beaa_protocol::ProgramView| p.name == name || p.program.starts_with(name);
    let mut found: Vec<_> = programs.iter().filter(fits).cloned().collect();
    if found.len() == 1 {
        return Ok(found.remove(0));
    }
    let known: Vec<&str> = programs.iter().map(|p| p.name.as_str()).collect();
    Err(Exit::Usage.because(format!(
        "looking for program `{name}`: found {} of that name, expected one of {}; give the beginning of its \
         fingerprint, as `beaa remote programs` shows it",
        found.len(),
        known.join(", ")
    )))
}
