//! Whether the licences and sources of all dependencies are among those of deny.toml, as `cargo
//! deny check licenses sources` would say, with nothing but cargo.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[test]
fn licences_and_sources_of_dependencies_are_those_of_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let deny: Deny = toml::from_str(&read("deny.toml")).unwrap();
    let mut faults = Vec::new();
    for source in read("Cargo.lock").lines().filter_map(|line| line.strip_prefix("source = ")) {
        let source = source.trim_matches('"');
        if !deny.sources.allow_registry.iter().any(|r| source == format!("registry+{r}")) {
            faults.push(format!("a package comes from {source}"));
        }
    }
    let packages = packages(root);
    assert!(packages.len() > 200, "the dependencies are found");
    let for_all: BTreeSet<&str> = deny.licenses.allow.iter().map(String::as_str).collect();
    let mut needed = BTreeSet::new();
    for (name, license) in packages.iter().filter(|(_, license)| !allowed(license, &for_all)) {
        needed.insert(name.as_str());
        let exceptions = deny.licenses.exceptions.iter().filter(|e| e.name == *name);
        let more = exceptions.flat_map(|e| e.allow.iter().map(String::as_str));
        if !allowed(license, &for_all.iter().copied().chain(more).collect()) {
            faults.push(format!("{name} is under `{license}`"));
        }
    }
    for exception in deny.licenses.exceptions.iter().filter(|e| !needed.contains(e.name.as_str())) {
        faults.push(format!("the exception for {} is not needed", exception.name));
    }
    assert!(faults.is_empty(), "not as deny.toml has it:\n{}", faults.join("\n"));
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// None for what the package itself needs, not its tests or its build.
    kind: Option<String>,
    optional: bool,
    target: Option<String>,
}

/// Whoever adds a dependency to a crate must bring these lock files up to date: nothing else builds
/// them before they are needed.
#[test]
fn lock_files_of_other_workspaces_have_what_the_crates_need() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let arguments = ["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let crates: Metadata = serde_json::from_slice(&output.stdout).unwrap();
    for workspace in ["fuzz", "python"] {
        let text = std::fs::read_to_string(root.join(workspace).join("Cargo.lock")).unwrap();
        let lock: Lock = toml::from_str(&text).unwrap();
        let mut compared = 0;
        for package in &crates.packages {
            let Some(locked) = lock.package.iter().find(|p| p.name == package.name) else { continue };
            // An entry is a name, or a name and a version where there are several.
            let has = |name: &str| locked.dependencies.iter().any(|d| d.split(' ').next() == Some(name));
            let required = |d: &&Dependency| d.kind.is_none() && !d.optional && d.target.is_none();
            for dependency in package.dependencies.iter().filter(required) {
                assert!(
                    has(&dependency.name),
                    "{workspace}/Cargo.lock lacks {} of {}; `cargo update --workspace` there adds it",
                    dependency.name,
                    package.name
                );
                compared += 1;
            }
        }
        assert!(compared > 20, "the crates are found");
    }
}

/// Whoever distributes the wheel owes these texts to its users.
#[test]
fn the_wheel_s_licence_texts_are_of_the_packages_in_its_lock_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_wheel = ["--manifest-path", "python/Cargo.toml", "--target", "all", "--edges", "normal"];
    let tree = tree(root, &of_wheel, "{p}\t{l}");
    let external = tree.lines().filter(|line| !line.contains(" (/"));
    let compiled: BTreeSet<String> =
        external.map(|line| line.replace(" (proc-macro)", "").replace(" v", " ")).collect();
    let text = std::fs::read_to_string(root.join("python/THIRD-PARTY.txt")).unwrap();
    let first_columns = |line: &str| line.splitn(3, '\t').take(2).collect::<Vec<_>>().join("\t");
    let listed: BTreeSet<String> = text
        .lines()
        .take_while(|line| !line.starts_with("==="))
        .filter(|line| line.contains('\t'))
        .map(first_columns)
        .collect();
    assert!(compiled.len() > 100, "the packages are found");
    assert_eq!(listed, compiled, "`.ci/licences` writes the list anew");
}

/// Name and licence of what the default features need on this platform, to build and test it too.
fn packages(root: &Path) -> BTreeSet<(String, String)> {
    let tree = tree(root, &["--workspace", "--edges", "normal,build,dev"], "{p}\t{l}");
    let package = |line: &str| {
        let (package, license) = line.split_once('\t')?;
        Some((package.split(' ').next()?.to_owned(), license.to_owned()))
    };
    tree.lines().filter_map(package).collect()
}

/// What `cargo tree` says, a package a line, without marks of repetition.
fn tree(root: &Path, arguments: &[&str], format: &str) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--prefix", "none", "--format", format, "--locked", "--offline"]).args(arguments);
    let output = command.current_dir(root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().replace(" (*)\n", "\n")
}

/// Whether one may take a package by these licences: its expression in SPDX, or in the older form
/// in which `/` stands for OR.
fn allowed(expression: &str, licences: &BTreeSet<&str>) -> bool {
    if expression.is_empty() {
        return false;
    }
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (holds, rest) = any(&words, licences);
    assert!(rest.is_empty(), "{expression}: {rest:?} left");
    holds
}

fn any<'a, 'b>(words: &'b [&'a str], licences: &BTreeSet<&str>) -> (bool, &'b [&'a str]) {
    let (mut holds, mut rest) = every(words, licences);
    while let ["OR", more @ ..] = rest {
        let (other, left) = every(more, licences);
        (holds, rest) = (holds | other, left);
    }
    (holds, rest)
}

fn every<'a, 'b>(words: &'b [&'a str], licences: &BTreeSet<&str>) -> (bool, &'b [&'a str]) {
    let (mut holds, mut rest) = one(words, licences);
    while let ["AND", more @ ..] = rest {
        let (other, left) = one(more, licences);
        (holds, rest) = (holds & other, left);
    }
    (holds, rest)
}

fn one<'a, 'b>(words: &'b [&'a str], licences: &BTreeSet<&str>) -> (bool, &'b [&'a str]) {
    match words {
        ["(", inner @ ..] => match any(inner, licences) {
            (holds, [")", rest @ ..]) => (holds, rest),
            (_, rest) => panic!("no end of the parentheses: {rest:?}"),
        },
        [licence, "WITH", exception, rest @ ..] => {
            (licences.contains(format!("{licence} WITH {exception}").as_str()), rest)
        }
        [licence, rest @ ..] => (licences.contains(licence), rest),
        [] => panic!("an expression that ends too early"),
    }
}

#[test]
fn expressions_are_read_as_spdx_does() {
    let licences = BTreeSet::from(["MIT", "ISC", "A WITH x"]);
    for (expression, holds) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("MIT AND ISC", true),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND Zlib", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("A WITH x", true),
        ("A", false),
        ("MIT WITH x", false),
    ] {
        assert_eq!(allowed(expression, &licences), holds, "{expression}");
    }
}
