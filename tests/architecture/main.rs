//! What ARCHITECTURE.md and CONTRIBUTING.md promise of the sources. Each check names the file and
//! the line that it objects to, and what to do about it.

#![allow(clippy::unwrap_used)]

mod arrows;
mod circles;
mod faults;
mod imports;
mod source;
mod text;
mod unsafe_code;
mod vocabulary;

use source::{Hit, sources};

/// Fails with all `hits` in the `folders`.
fn none(hits: Vec<Hit>, folders: &[&str]) {
    let ours = hits.iter().filter(|h| folders.iter().any(|f| h.path.starts_with(f)));
    let lines: Vec<String> = ours.map(|h| format!("{}:{}: {}", h.path, h.line, h.message)).collect();
    assert!(lines.is_empty(), "{} objections:\n{}", lines.len(), lines.join("\n"));
}

/// The whole repository.
const ALL: [&str; 1] = [""];

#[test]
fn every_module_says_what_it_is_and_stays_small() {
    none(text::modules(&sources()), &ALL);
}

#[test]
fn no_modules_of_a_crate_import_each_other_in_a_circle() {
    none(circles::hits(&sources()), &["datasets/", "import/"]);
}

#[test]
fn lines_of_code_and_comments_fit_the_screen() {
    none(text::wide_lines(&sources()), &["datasets/", "import/"]);
}

#[test]
fn lines_of_markdown_fit_the_screen() {
    none(text::wide_markdown(), &["datasets/"]);
}

#[test]
fn what_must_never_be_is_held_by_something() {
    none(text::must_never(&sources()), &["datasets/", "import/"]);
}

#[test]
fn names_say_what_they_stand_for() {
    none(vocabulary::banned(&sources()), &["datasets/", "import/"]);
}

#[test]
fn general_names_are_declared_once() {
    none(vocabulary::declared_twice(&sources()), &["datasets/", "import/"]);
}

#[test]
fn truth_values_are_not_matched() {
    none(vocabulary::matched_truth(&sources()), &["datasets/", "import/"]);
}

#[test]
fn no_absent_element_becomes_a_number() {
    none(faults::silent(&sources()), &["datasets/", "import/"]);
}

#[test]
fn unsafe_code_is_in_few_files() {
    none(unsafe_code::elsewhere(&sources()), &["datasets/", "import/"]);
}
