//! The arrows between the crates, as ARCHITECTURE.md draws them, and what they keep apart.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::source::{SOURCES, root};

/// Which of our crates each of our crates may use, outside tests.
const ARROWS: [(&str, &[&str]); 20] = [
    (
        "beaa",
        &[
            "beaa-base",
            "beaa-bench",
            "beaa-compiler",
            "beaa-cuda",
            "beaa-datasets",
            "beaa-evaluation",
            "beaa-import",
            "beaa-ir",
            "beaa-lab",
            "beaa-memory",
            "beaa-protocol",
            "beaa-remote",
            "beaa-runtime",
            "beaa-secrets",
            "beaa-server",
            "beaa-trainer",
        ],
    ),
    ("beaa-server", &["beaa-base", "beaa-cuda", "beaa-ir", "beaa-memory", "beaa-protocol", "beaa-runtime"]),
    ("beaa-remote", &["beaa-base", "beaa-protocol"]),
    ("beaa-protocol", &[]),
    (
        "beaa-lab",
        &[
            "beaa-base",
            "beaa-bench",
            "beaa-compiler",
            "beaa-datasets",
            "beaa-evaluation",
            "beaa-ir",
            "beaa-memory",
            "beaa-runtime",
            "beaa-trainer",
        ],
    ),
    ("beaa-evaluation", &["beaa-base", "beaa-datasets", "beaa-ir", "beaa-runtime"]),
    ("beaa-bench", &["beaa-ckks", "beaa-compiler", "beaa-cuda", "beaa-ir", "beaa-runtime"]),
    ("beaa-trainer", &["beaa-base", "beaa-datasets", "beaa-ir", "beaa-memory"]),
    ("beaa-import", &["beaa-base", "beaa-ir"]),
    ("beaa-compiler", &["beaa-base", "beaa-ckks", "beaa-ir", "beaa-memory"]),
    ("beaa-cuda", &["beaa-ckks", "beaa-ir", "beaa-runtime"]),
    ("beaa-runtime", &["beaa-base", "beaa-ckks", "beaa-ir", "beaa-memory", "beaa-secrets"]),
    ("beaa-datasets", &["beaa-base", "beaa-memory"]),
    ("beaa-ir", &["beaa-base"]),
    ("beaa-ckks", &["beaa-memory", "beaa-secrets"]),
    ("beaa-base", &[]),
    ("beaa-memory", &[]),
    ("beaa-secrets", &[]),
    // For tests alone.
    ("beaa-cuda-shim", &["beaa-cuda"]),
    (
        "beaa-hostile",
        &[
            "beaa-ckks",
            "beaa-compiler",
            "beaa-datasets",
            "beaa-evaluation",
            "beaa-import",
            "beaa-ir",
            "beaa-lab",
            "beaa-memory",
            "beaa-runtime",
            "beaa-secrets",
            "beaa-trainer",
        ],
    ),
];

fn metadata() -> Value {
    // Offline, only this platform's packages are sure to be there.
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(rustc.stdout).unwrap();
    let host = version.lines().find_map(|l| l.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// For each package of the resolved graph, the packages that it uses outside tests.
fn graph(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let name_of: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["id"].as_str().unwrap(), p["name"].as_str().unwrap()))
        .collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let uses = node["deps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|d| d["dep_kinds"].as_array().unwrap().iter().any(|k| k["kind"].is_null()));
        let uses = uses.map(|d| name_of[d["pkg"].as_str().unwrap()].to_string());
        graph.entry(name_of[node["id"].as_str().unwrap()].to_string()).or_default().extend(uses);
    }
    graph
}

fn everything_below(graph: &BTreeMap<String, BTreeSet<String>>, start: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![start.to_string()];
    while let Some(name) = open.pop() {
        for next in graph.get(&name).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

#[test]
fn arrows_between_crates_only_go_down() {
    let graph = graph(&metadata());
    for (name, allowed) in ARROWS {
        let ours: Vec<&String> = graph[name].iter().filter(|n| *n == "beaa" || n.starts_with("beaa-")).collect();
        assert!(ours.iter().all(|n| allowed.contains(&n.as_str())), "{name} uses {ours:?}, may use {allowed:?}");
    }
    assert_eq!(
        graph.keys().filter(|n| *n == "beaa" || n.starts_with("beaa-")).count(),
        ARROWS.len(),
        "a crate without arrows"
    );
}

#[test]
fn trainer_and_runtime_do_not_share_their_heavy_halves() {
    let graph = graph(&metadata());
    let burn = |n: &String| n == "burn" || n.starts_with("burn-");
    let fhe = |n: &String| n == "tfhe" || n.starts_with("tfhe-") || n == "beaa-ckks";
    for name in [
        "beaa-bench",
        "beaa-cuda",
        "beaa-evaluation",
        "beaa-runtime",
        "beaa-compiler",
        "beaa-ckks",
        "beaa-ir",
        "beaa-import",
        "beaa-datasets",
    ] {
        assert!(!everything_below(&graph, name).iter().any(burn), "{name} needs Burn");
    }
    for name in ["beaa-server", "beaa-remote", "beaa-protocol"] {
        assert!(!everything_below(&graph, name).iter().any(burn), "{name} needs Burn");
    }
    for name in ["beaa-trainer", "beaa-import", "beaa-datasets", "beaa-ir", "beaa-remote", "beaa-protocol"] {
        assert!(!everything_below(&graph, name).iter().any(fhe), "{name} needs encryption");
    }
    assert!(everything_below(&graph, "beaa-trainer").iter().any(burn), "the check itself sees Burn");
    assert!(everything_below(&graph, "beaa-runtime").iter().any(fhe), "the check itself sees the scheme");
}

#[test]
fn a_client_is_built_without_burn_and_without_the_server() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "beaa", "--no-default-features", "--features", "client", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let packages: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    for needed in ["beaa-runtime", "beaa-remote", "beaa-evaluation", "clap"] {
        assert!(packages.contains(needed), "the check itself sees {needed}: {packages:?}");
    }
    let heavy = [
        "beaa-trainer",
        "beaa-lab",
        "beaa-bench",
        "beaa-cuda",
        "cudarc",
        "beaa-server",
        "burn",
        "tfhe",
        "axum",
        "rusqlite",
        "plotters",
    ];
    assert!(heavy.iter().all(|name| !packages.contains(name)), "{packages:?}");
}

#[test]
fn the_python_package_sees_the_library_alone() {
    let manifest = std::fs::read_to_string(root().join("python/Cargo.toml")).unwrap();
    let of_ours: Vec<&str> = manifest.lines().filter(|l| l.starts_with("beaa") && l.contains('=')).collect();
    let library = r#"beaa = { path = "..", default-features = false, features = ["cards"] }"#;
    assert_eq!(of_ours, [library], "python/Cargo.toml");
    let code = crate::source::SOURCES.iter().filter(|s| s.path.starts_with("python/src/"));
    let inner = code.flat_map(|s| s.words.iter()).filter(|(_, word)| word.starts_with("beaa_")).count();
    assert_eq!(inner, 0, "names of internal crates in python/src");
}

#[test]
fn what_runs_on_a_server_knows_no_secret_key() {
    let of_the_command = ["cli/commands/run.rs", "cli/commands/serve.rs", "cli/any_program/server.rs", "src/server.rs"];
    let shipped = SOURCES.iter().filter(|s| !s.test);
    let of_the_server: Vec<&str> =
        shipped.filter(|s| s.path.starts_with("server/src/")).map(|s| s.path.as_str()).collect();
    assert!(of_the_server.len() > 20, "the sources of the server are found");
    for path in of_the_command.into_iter().chain(of_the_server) {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        for secret in ["ClientKey", "AnySignature", "keygen(", "Passphrase", "Receipt", "beaa_secrets"] {
            assert!(!text.contains(secret), "{path} has a way to a secret key: {secret}");
        }
    }
}
