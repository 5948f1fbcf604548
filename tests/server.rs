//! A diagnosis over the network: `beaa serve` and `beaa remote` as people run them, and processes
//! that are killed at every stage.

#![cfg(all(feature = "command", unix))]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../server/tests/server/cluster.rs"]
mod cluster;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use beaa_ir::{
    Activation, InputSpec, Layer, LayerOp, Linear, ModelLiteral, Polynomial, Provenance, Range, Tensor, save_model,
};
use serde_json::Value;

/// Longer than anything here takes on a machine that has other work.
const LONG: Duration = Duration::from_secs(180);

/// A process that is killed when the test ends, however it ends.
struct Process(Child);

impl Process {
    /// As `kill -9` does it: the process has no say in it.
    fn kill_9(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both sides, in one folder.
struct Both {
    folder: tempfile::TempDir,
    port: u16,
    /// Where the database of the store is, if that is PostgreSQL.
    database: Option<String>,
}

impl Both {
    fn new() -> Self {
        // Free now, and most likely in a moment.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder: tempfile::tempdir().unwrap(), port, database: None }
    }

    fn with_postgres() -> Self {
        Self { database: Some(cluster::cluster().new_database()), ..Self::new() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path()).env_remove("BEAA_DATA");
        command.env("HOME", self.folder.path()).env("XDG_CACHE_HOME", self.folder.path());
        command.env("BEAA_LOGIN", self.at("login.json")).env("BEAA_THREADS", "1");
        // Nobody is there: whoever sends anything to this machine through a proxy fails.
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env(name, "http://127.0.0.1:1").env(name.to_uppercase(), "http://127.0.0.1:1");
        }
        command.env_remove("no_proxy").env_remove("NO_PROXY").env_remove("BEAA_DATABASE");
        command.envs(self.database.iter().map(|url| ("BEAA_DATABASE", url)));
        command
    }

    fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn good(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "`beaa {arguments}`:\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.good(&format!("{arguments} --json"))).unwrap()
    }

    fn bad(&self, arguments: &str, code: i32, words: &str) {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && said.contains(words), "`beaa {arguments}`: {said}");
    }

    fn spawn(&self, arguments: &str) -> Process {
        let log = std::fs::File::options().create(true).append(true).open(self.at("log")).unwrap();
        let mut command = self.command(arguments);
        Process(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    /// A server without workers of its own, once it listens.
    fn server(&self) -> Process {
        let server = self
            .spawn(&format!("serve --store store --config settings.toml --listen 127.0.0.1:{} --workers 0", self.port));
        self.wait("the server", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        server
    }

    fn worker(&self) -> Process {
        self.spawn("serve worker --store store --config settings.toml")
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let started = Instant::now();
        while !done() {
            let log = || std::fs::read_to_string(self.at("log")).unwrap_or_default();
            assert!(started.elapsed() < LONG, "waiting for {what}; the log:\n{}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn jobs(&self) -> Vec<Value> {
        self.json("remote jobs")["jobs"].as_array().unwrap().clone()
    }

    fn job(&self) -> Value {
        let jobs = self.jobs();
        assert_eq!(jobs.len(), 1, "one job, whatever was sent twice");
        jobs[0].clone()
    }

    /// Bytes in the folder of uploads.
    fn uploaded(&self) -> u64 {
        let files = std::fs::read_dir(self.at("store/uploads")).unwrap();
        files.filter_map(|file| file.ok()?.metadata().ok()).map(|m| m.len()).sum()
    }

    /// Publishes a program of a [`network`], and makes keys.
    fn prepare(&self, deep: bool) {
        std::fs::write(self.at("settings.toml"), "lease_seconds = 1\ndisk_reserve_bytes = 1000000\n").unwrap();
        network(&self.at("m.safetensors"), deep);
        self.good("compile m.safetensors -o p.beaa --logit-error 0.01 --samples pneumoniamnist");
        self.good("serve publish p.beaa --store store");
        self.good("serve tenant clinic --store store");
        let token = self.good("serve token clinic --label first --store store");
        let path = self.at("token");
        std::fs::write(&path, token).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        self.good("keygen p.beaa.signature --out keys");
    }

    fn log_in(&self) {
        self.good(&format!("remote login http://127.0.0.1:{} --token-file token", self.port));
    }
}

/// A network on X-rays: of two hidden layers, which needs an evaluation key, or of one that is so
/// large that it can be killed while it runs.
fn network(path: &Path, deep: bool) {
    let (first, second, side) = if deep { (60, 40, 28) } else { (600, 600, 28) };
    let weight = |i: usize, scale: f32| ((i * 7919 % 97) as f32 / 97.0 - 0.5) * scale;
    let tensor = |shape: &[usize], data: Vec<f32>| Tensor::new(shape.to_vec(), data).unwrap();
    let matrix = |rows: usize, columns: usize, scale: f32| {
        tensor(&[rows, columns], (0..rows * columns).map(|i| weight(i, scale)).collect())
    };
    let constant = |len: usize, value: f32| tensor(&[len], vec![value; len]);
    let square = |len: usize| LayerOp::Activation {
        function: Activation::Polynomial(Polynomial {
            a: constant(len, 0.25),
            b: constant(len, 0.5),
            c: constant(len, 0.1),
        }),
        range: Some(Range { min: -5.0, max: 5.0 }),
    };
    let linear = |rows, columns, scale| {
        LayerOp::Linear(Linear { weight: matrix(rows, columns, scale), bias: Some(constant(rows, 0.1)) })
    };
    let layer = |name: &str, op| Layer { name: name.into(), op };
    let begin = vec![
        layer("flat", LayerOp::Flatten),
        layer("fc1", linear(first, side * side, 0.006)),
        layer("act1", square(first)),
    ];
    let middle = vec![layer("fc2", linear(second, first, 4.0 / first as f32)), layer("act2", square(second))];
    let end = layer("fc3", linear(2, second, 1.0));
    let model = ModelLiteral {
        name: "lungs".into(),
        input: InputSpec::pixels([1, side, side], vec![0.5], vec![0.25]),
        classes: vec!["normal".into(), "pneumonia".into()],
        threshold: None,
        layers: if deep { [begin, middle, vec![end]].concat() } else { [begin, vec![end]].concat() },
        accuracy: None,
        provenance: Provenance::default(),
    };
    save_model(&model.try_into().unwrap(), path).unwrap();
}

const SUBMIT: &str = "remote submit lungs --key keys/secret.key --data-set pneumoniamnist --split train --folder job";

#[test]
fn kill_9_at_every_stage_loses_nothing_and_does_nothing_twice() {
    kill_9_at_every_stage(&Both::new());
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn kill_9_at_every_stage_loses_nothing_with_postgres() {
    kill_9_at_every_stage(&Both::with_postgres());
}

fn kill_9_at_every_stage(both: &Both) {
    both.prepare(false);
    let server = both.server();
    both.log_in();

    // Uploading: first the client dies, then the server, of which the client need not be told.
    let client = both.spawn(SUBMIT);
    both.wait("the first bytes of an upload", || both.uploaded() > 2_000_000);
    client.kill_9();
    let receipt = std::fs::read(both.at("job/images.ct.receipt")).unwrap();
    let mut client = both.spawn(SUBMIT);
    let before = both.uploaded();
    both.wait("more bytes of the upload", || both.uploaded() > before);
    server.kill_9();
    std::thread::sleep(Duration::from_millis(300));
    let server = both.server();
    both.wait("the client", || client.0.try_wait().unwrap().is_some());
    assert!(client.0.wait().unwrap().success(), "{}", std::fs::read_to_string(both.at("log")).unwrap());
    assert_eq!(std::fs::read(both.at("job/images.ct.receipt")).unwrap(), receipt, "nothing is encrypted again");

    // Queued.
    assert_eq!(both.job()["state"], "queued");
    server.kill_9();
    let server = both.server();
    assert_eq!(both.job()["state"], "queued");

    // Running the first batch, and then writing: the answers to the first of two are in the file.
    for (attempt, batch) in [(1, 1), (2, 2)] {
        let worker = both.worker();
        both.wait("the run", || {
            let job = both.job();
            assert_ne!(job["state"], "answered", "too fast to be killed: make the network larger");
            job["attempts"] == attempt && job["progress"]["batch"] == batch && job["state"] == "running"
        });
        worker.kill_9();
    }
    server.kill_9();
    let server = both.server();
    let _worker = both.worker();
    both.wait("the answers", || both.job()["state"] == "answered");
    assert_eq!(both.job()["attempts"], 3);

    // Answered: the server dies, and the client fetches from the next one.
    server.kill_9();
    let _server = both.server();
    let answers = both.json("remote fetch job --key keys/secret.key");
    assert_eq!(answers["images"].as_array().unwrap().len(), 4708);
    both.good("run p.beaa --input job/images.ct -o expected.ct");
    let [found, expected] = ["job/answers.ct", "expected.ct"].map(|name| std::fs::read(both.at(name)).unwrap());
    assert!(found == expected, "other bits than those of `beaa run`");

    // The same once more changes nothing.
    both.good(SUBMIT);
    assert_eq!(both.job()["attempts"], 3);
    let id = both.job()["id"].as_str().unwrap().to_owned();
    both.good(&format!("remote delete {id}"));
    assert!(both.jobs().is_empty());
    let log = both.good("serve audit --store store");
    for action in ["upload begun", "job queued", "lease ended", "job answered", "answers downloaded", "job deleted"] {
        assert!(log.contains(action), "{action}:\n{log}");
    }
}

#[test]
fn a_server_runs_workers_that_end_with_it_and_jobs_can_be_cancelled() {
    let both = Both::new();
    both.prepare(true);
    let address = format!("127.0.0.1:{}", both.port);
    let server = both.spawn(&format!("serve --store store --config settings.toml --listen {address} --workers 1"));
    both.wait("the server", || std::net::TcpStream::connect(&address).is_ok());
    both.log_in();
    let submit = format!("{SUBMIT} --limit 100");
    let answers = both.json(&format!("{submit} --wait --labels"));
    assert_eq!(answers["images"].as_array().unwrap().len(), 100);
    assert!(answers["accuracy"].is_number(), "the labels of the folder are used");

    // What a server must not have is not sent, whatever names it.
    let secret = "remote submit lungs --key keys/secret.key --keys keys/secret.key --data-set pneumoniamnist";
    both.bad(&format!("{secret} --limit 5 --folder wrong"), 3, "found secret key at");
    both.bad("remote fetch wrong --key keys/secret.key", 3, "found secret key at");

    // What is answered to somebody else's images is noticed.
    both.good(&format!("{} --limit 100 --wait", SUBMIT.replace("--folder job", "--folder other")));
    std::fs::copy(both.at("other/answers.ct"), both.at("job/answers.ct")).unwrap();
    let swapped =
        "decrypt p.beaa.signature --key keys/secret.key --input job/answers.ct --receipt job/images.ct.receipt";
    both.bad(swapped, 3, "the answers name batch");
    // Fetching takes the right ones again, since their hash is known.
    both.good("remote fetch job --key keys/secret.key");

    let queued = both.json(&SUBMIT.replace("--folder job", "--folder long"));
    let id = queued["id"].as_str().unwrap();
    both.good(&format!("remote cancel {id}"));
    both.bad("remote fetch long --key keys/secret.key", 3, "a job that is cancelled");
    both.bad("remote submit nothing --key keys/secret.key --data-set pneumoniamnist --folder no", 2, "expected one of");

    // The worker is a process of its own that ends with the server, even by kill -9.
    let workers = || {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok());
        let store = both.at("store");
        let mine = |path: PathBuf| {
            let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            let here = std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| store.starts_with(cwd));
            here && words.contains(&&b"worker"[..])
        };
        processes.filter(|entry| mine(entry.path())).count()
    };
    assert_eq!(workers(), 1);
    server.kill_9();
    both.wait("the end of the worker", || workers() == 0);
    both.good("serve revoke first --store store");
    let _server = both.server();
    both.bad("remote jobs", 3, "found none that is known and in force");
}

/// The commands of all `sh` blocks of a page.
fn commands(page: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn the_page_leads_from_zero_to_a_diagnosis() {
    let both = Both::new();
    let bin = both.at("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_beaa"), bin.join("beaa")).unwrap();
    let page = commands("docs/server.md");
    assert!(page.lines().count() >= 10 && page.contains("--listen 127.0.0.1:8443 &"), "{page}");
    // Another port, since this one may be somebody's; and a moment for the server to start.
    let script = page
        .replace("127.0.0.1:8443", &format!("127.0.0.1:{}", both.port))
        .replace(" &\n", " &\ntrap \"kill $!\" EXIT\nwhile ! beaa remote login http://127.0.0.1:PORT --token-file token; do sleep 0.2; done\n")
        .replace("PORT", &both.port.to_string());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-c", &script]).current_dir(both.folder.path()).env("PATH", path).env_remove("BEAA_DATA");
    shell
        .env("HOME", both.folder.path())
        .env("XDG_CACHE_HOME", both.at("cache"))
        .env("XDG_CONFIG_HOME", both.at("config"));
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("of 624 images right"), "{said}");
    let answers = std::fs::read_to_string(both.at("answers.csv")).unwrap();
    assert!(answers.starts_with("image,prediction,class") && answers.lines().count() == 625);
    assert!(String::from_utf8_lossy(&output.stdout).contains("answered"));
}

#[test]
#[ignore = "needs the programs of PostgreSQL"]
fn the_page_leads_to_a_server_and_a_worker_with_postgres() {
    let (both, cluster) = (Both::new(), cluster::cluster());
    both.prepare(true);
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/server.md")).unwrap();
    let blocks: Vec<&str> = page.split("```bash\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 2, "for the machine of PostgreSQL, and for each of the servers");
    let (url, address) =
        (cluster.url("beaa").replace("user=postgres", "user=beaa"), format!("127.0.0.1:{}", both.port));
    let folder = both.at("shared");
    let script = blocks
        .concat()
        .replace("postgres://beaa@db.example.org/beaa", &format!("'{url}'"))
        .replace("program.beaa", "p.beaa")
        .replace("/srv/beaa", folder.to_str().unwrap());
    std::fs::write(both.at("server.toml"), format!("listen = \"{address}\"\ndisk_reserve_bytes = 1000000\n")).unwrap();
    assert!(script.contains(&url) && script.matches(" &\n").count() == 2, "{script}");
    let wait = format!("while ! (echo > /dev/tcp/{}) 2>/dev/null; do sleep 0.1; done", address.replace(':', "/"));
    let store = folder.display();
    let script = format!("{script}{wait}\nbeaa serve audit --store {store}\nkill $(jobs -p)\nwait || true\n");
    let bin = both.at("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_beaa"), bin.join("beaa")).unwrap();
    let programs = std::fs::canonicalize(cluster::program("createdb")).unwrap();
    let path = [&bin, programs.parent().unwrap(), Path::new("/usr/bin"), Path::new("/bin")];
    let mut shell = Command::new("bash");
    shell.args(["-e", "-c", &script]).current_dir(both.folder.path()).env("PATH", std::env::join_paths(path).unwrap());
    cluster.environment(&mut shell);
    let output = shell.env("HOME", both.folder.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("worker started"), "{said}");
    assert!(log.contains("tenant set") && log.contains("program published"), "{log}\n{said}");
    // Whoever forgets the address makes no second database.
    let forgotten = both.run(&format!("serve tokens --store {store}"));
    let said = String::from_utf8_lossy(&forgotten.stderr).into_owned();
    assert!(!forgotten.status.success() && said.contains("BEAA_DATABASE"), "{said}");
}

#[test]
fn the_unit_of_systemd_starts_a_server_that_ends_when_told() {
    let unit = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/beaa.service")).unwrap();
    let both = Both::new();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/beaa ")).unwrap();
    std::fs::write(both.at("server.toml"), format!("listen = \"127.0.0.1:{}\"\n", both.port)).unwrap();
    let line = line.replace("/var/lib/beaa/", "").replace("/etc/beaa/", "");
    let mut server = both.spawn(&line);
    both.wait("the server", || std::net::TcpStream::connect(("127.0.0.1", both.port)).is_ok());
    let told = Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status().unwrap();
    assert!(told.success());
    both.wait("the end of the server", || server.0.try_wait().unwrap().is_some());
    let log = std::fs::read_to_string(both.at("log")).unwrap();
    assert!(server.0.wait().unwrap().success(), "{log}");
    assert!(log.lines().filter(|line| line.starts_with('{')).all(|line| serde_json::from_str::<Value>(line).is_ok()));
    // As the program that reads it says, where there is one.
    let path = both.at("beaa.service");
    std::fs::write(&path, unit.replace("/usr/local/bin/beaa", env!("CARGO_BIN_EXE_beaa"))).unwrap();
    if let Ok(output) = Command::new("systemd-analyze").arg("verify").arg(&path).output() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || !said.contains("beaa.service"), "{said}");
    }
}
