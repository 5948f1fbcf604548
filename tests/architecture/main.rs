//! What ARCHITECTURE.md and CONTRIBUTING.md promise of the sources. Each check names the file and
//! the line that it objects to, and what to do about it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod arrows;
mod circles;
mod faults;
mod imports;
mod source;
mod text;
mod vocabulary;

use source::{Hit, SOURCES};

/// Fails with all `hits`.
fn none(hits: &[Hit]) {
    let lines: Vec<String> = hits.iter().map(|h| format!("{}:{}: {}", h.path, h.line, h.message)).collect();
    assert!(lines.is_empty(), "{} objections:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn every_module_says_what_it_is_and_stays_small() {
    none(&text::modules(&SOURCES));
}

#[test]
fn no_modules_of_a_crate_import_each_other_in_a_circle() {
    none(&circles::hits(&SOURCES));
}

#[test]
fn lines_of_code_and_comments_fit_the_screen() {
    none(&text::wide_lines(&SOURCES));
}

#[test]
fn lines_of_markdown_fit_the_screen() {
    none(&text::wide_markdown());
}

#[test]
fn paths_in_the_pages_exist() {
    none(&text::missing_paths());
}

#[test]
fn what_must_never_be_is_held_by_something() {
    none(&text::must_never(&SOURCES));
}

#[test]
fn names_say_what_they_stand_for() {
    none(&vocabulary::banned(&SOURCES));
}

#[test]
fn general_names_are_declared_once() {
    none(&vocabulary::declared_twice(&SOURCES));
}

#[test]
fn no_absent_element_becomes_a_number() {
    none(&faults::silent(&SOURCES));
}

#[test]
fn unsafe_functions_state_their_contract() {
    none(&text::without_contract(&SOURCES));
}
