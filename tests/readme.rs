//! The pages are true: the commands of README.md run as printed, and every link and path of any
//! page leads somewhere.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The commands of all `sh` blocks, one a line or continued by a backslash.
fn commands(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).unwrap().replace("\\\n", "");
    let blocks = text.split("```sh\n").skip(1).map(|b| b.split("```").next().unwrap());
    blocks.flat_map(|b| b.lines().map(str::to_string)).filter(|l| !l.is_empty()).collect()
}

/// A fresh folder that looks like the repository to commands that read its configurations.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("configs")).unwrap();
    for entry in std::fs::read_dir(root().join("configs")).unwrap().map(|e| e.unwrap()) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), folder.path().join("configs").join(entry.file_name())).unwrap();
        }
    }
    let matrix = "configs/experiments/tiny.json";
    std::fs::create_dir(folder.path().join("configs/experiments")).unwrap();
    std::fs::copy(root().join(matrix), folder.path().join(matrix)).unwrap();
    folder
}

fn beaa(folder: &Path, arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_beaa"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env_remove("BEAA_DATA")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`beaa {arguments}` failed:\n{errors}");
    String::from_utf8(output.stdout).unwrap() + &errors
}

#[test]
fn every_command_runs_as_printed() {
    let folder = workplace();
    let mut seen = 0;
    for command in commands("README.md") {
        seen += 1;
        if command == "cargo test --release" {
            // This very run; that CI calls it is all that is left to check.
            let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
            assert!(ci.contains(&command), "CI runs the README's test command");
            continue;
        }
        let arguments = command.strip_prefix("cargo run --release -- ").or_else(|| command.strip_prefix("beaa "));
        let arguments = arguments.unwrap_or_else(|| panic!("`{command}` is not tested"));
        let output = beaa(folder.path(), arguments);
        match arguments.split_whitespace().next().unwrap() {
            "demo" => {
                assert!(output.contains("student encrypted") && output.contains("128 bits"), "{output}");
                assert!(folder.path().join("runs/demo/report.html").is_file());
            }
            "decrypt" => assert!(accuracy(&output) > 80.0, "{output}"),
            _ => {}
        }
    }
    assert!(seen >= 10, "only {seen} commands found");
}

/// The percentage in "NN.NN % of N images right".
fn accuracy(output: &str) -> f64 {
    let line =
        output.lines().find(|l| l.ends_with("images right")).unwrap_or_else(|| panic!("no accuracy in {output}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Every page that people write, from the repository's root.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/results", "models"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap().map(|e| e.unwrap().path()) {
            if entry.extension().is_some_and(|e| e == "md") {
                found.push(Path::new(folder).join(entry.file_name().unwrap()));
            }
        }
    }
    assert!(found.len() > 15, "{found:?}");
    found
}

/// The address by which a heading is linked to: lower case, blanks as hyphens, no other signs.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_into_a_page_leads_to_a_heading() {
    let mut seen = 0;
    for page in pages() {
        let text = text_of(&page);
        for target in text.split("](").skip(1).filter_map(|t| t.split(')').next()).filter(|t| !t.starts_with("http")) {
            let Some((file, wanted)) = target.split_once('#') else { continue };
            let other = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let text = text_of(&other);
            let outside_code = text.split("\n```").step_by(2).flat_map(str::lines);
            let headings = outside_code.filter(|l| l.starts_with('#')).map(|l| anchor(l.trim_start_matches('#')));
            assert!(headings.into_iter().any(|h| h == wanted), "{} points to {target}", page.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} such links");
}

#[test]
fn the_book_has_every_page_once() {
    let summary = text_of(Path::new("docs/SUMMARY.md"));
    let listed: Vec<&str> = summary.split("](").skip(1).map(|t| t.split(')').next().unwrap()).collect();
    let mut pages: Vec<String> = pages()
        .iter()
        .filter_map(|p| p.strip_prefix("docs").ok())
        .map(|p| p.to_str().unwrap().to_owned())
        .filter(|p| p != "SUMMARY.md")
        .collect();
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    pages.sort_unstable();
    assert_eq!(sorted, pages, "docs/SUMMARY.md and the pages of docs/");
    assert!(text_of(Path::new("book.toml")).contains("src = \"docs\""));
}

fn text_of(page: &Path) -> String {
    std::fs::read_to_string(root().join(page)).unwrap()
}

#[test]
fn every_link_leads_to_a_file() {
    for page in pages() {
        let text = text_of(&page);
        let folder = root().join(&page).parent().unwrap().to_path_buf();
        for target in text.split("](").skip(1).filter_map(|t| t.split([')', '#']).next()) {
            let elsewhere = target.is_empty() || target.starts_with("http");
            assert!(elsewhere || folder.join(target).exists(), "{} points to {target}", page.display());
        }
    }
}

/// `a/{b,c}/d` as `a/b/d` and `a/c/d`.
fn alternatives(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_string()] };
    let (inside, after) = rest.split_once('}').unwrap_or_else(|| panic!("{path}: a brace without its end"));
    inside.split(',').flat_map(|i| alternatives(&format!("{before}{i}{after}"))).collect()
}

#[test]
fn every_path_in_backticks_exists() {
    let is_path = |t: &&str| {
        let signs = t.chars().all(|c| c.is_ascii_alphanumeric() || "_-./{},".contains(c));
        // Folders that commands write, and a fraction.
        signs && t.contains('/') && !["runs/", "/", "T/"].iter().any(|p| t.starts_with(p))
    };
    let mut seen = 0;
    for page in pages().iter().filter(|p| *p != Path::new("CHANGELOG.md")) {
        let text = text_of(page);
        let outside_code = text.split("\n```").step_by(2);
        for token in outside_code.flat_map(|block| block.split('`').skip(1).step_by(2)).filter(is_path) {
            for path in alternatives(token) {
                seen += 1;
                assert!(root().join(&path).exists(), "{} speaks of `{path}`, which is not there", page.display());
            }
        }
    }
    assert!(seen > 50, "only {seen} paths found");
}

#[test]
fn the_library_example_is_the_one_that_runs() {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let documented: Vec<&str> = text.lines().map_while(|l| l.strip_prefix("//!")).collect();
    let shown = |l: &&str| !l.starts_with('#');
    let block = documented.iter().map(|l| l.strip_prefix(' ').unwrap_or(l)).skip_while(|l| *l != "```").skip(1);
    let example: Vec<&str> = block.take_while(|l| *l != "```").filter(shown).collect();
    let readme = text_of(Path::new("README.md"));
    let page = readme.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(page.trim(), example.join("\n").trim(), "README.md and the doctest of src/lib.rs");
}

/// The compiler's snapshot of a small network's program.
fn snapshot() -> String {
    let mut open = vec![root().join("compiler")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if entry.is_dir() && name != "target" {
                open.push(entry);
            } else if name.ends_with("small_program.snap") {
                return std::fs::read_to_string(entry).unwrap();
            }
        }
    }
    panic!("no snapshot of a small program");
}

#[test]
fn the_program_on_the_page_of_concepts_is_what_the_compiler_gives() {
    let page = text_of(Path::new("docs/concepts.md"));
    let block = page.split("```text\n").find(|b| b.starts_with("program ")).unwrap();
    let program = block.split("```").next().unwrap();
    assert!(snapshot().contains(program), "docs/concepts.md shows an old program:\n{program}");
}

#[test]
fn the_table_of_contents_names_every_page() {
    let contents = text_of(Path::new("docs/README.md"));
    let lists = ["README.md", "SUMMARY.md"].map(Path::new);
    for page in pages().iter().filter_map(|p| p.strip_prefix("docs").ok()).filter(|p| !lists.contains(p)) {
        assert!(contents.contains(&format!("]({})", page.display())), "docs/README.md lacks {}", page.display());
    }
}

/// Needs the MNIST files and ten to fifteen minutes:
/// `BEAA_DATA=folder cargo test --release --test readme -- --ignored`.
#[test]
#[ignore = "trains on MNIST for some minutes; needs BEAA_DATA"]
fn every_command_of_the_mnist_page_runs_as_printed() {
    let data = std::env::var("BEAA_DATA").unwrap();
    let folder = workplace();
    let mut accuracies = Vec::new();
    for command in commands("docs/results/mnist.md") {
        let arguments = command.strip_prefix("beaa ").unwrap_or_else(|| panic!("`{command}` is not tested"));
        let arguments = arguments.replace("--data DIR", &format!("--data {data}"));
        let output = beaa(folder.path(), &arguments);
        if arguments.starts_with("decrypt") {
            accuracies.push(accuracy(&output));
        }
    }
    assert_eq!(accuracies.len(), 3);
    assert!(accuracies[1..].iter().all(|a| *a >= 99.2), "{accuracies:?}");
}
