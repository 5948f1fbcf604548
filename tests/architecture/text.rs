//! Widths of lines, sizes of files, and what a module says of itself.

use std::collections::BTreeSet;

use crate::source::{Hit, Source, files, root};

const MAX_LINES: usize = 500;
const MAX_COMMENT: usize = 100;
const MAX_CODE: usize = 120;
const MAX_MARKDOWN: usize = 120;

/// Files without a first line that says what they are, and files that are too long.
pub(crate) fn modules(sources: &[Source]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for source in sources {
        let mut hit = |line, message: String| hits.push(Hit { path: source.path.clone(), line, message });
        if !source.text.starts_with("//!") {
            hit(1, "does not start with a sentence that says what it is (`//!`)".into());
        }
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            hit(lines, format!("{lines} lines, at most {MAX_LINES}: look for the seam"));
        }
    }
    hits
}

/// Lines of Rust that are too wide. An address cannot be broken.
pub(crate) fn wide_lines(sources: &[Source]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            let comment = line.trim_start().starts_with("//");
            let limit = if comment { MAX_COMMENT } else { MAX_CODE };
            let width = line.chars().count();
            if width > limit && !line.contains("://") {
                let kind = if comment { "comment" } else { "code" };
                let message = format!("{width} columns of {kind}, at most {limit}");
                hits.push(Hit { path: source.path.clone(), line: index + 1, message });
            }
        }
    }
    hits
}

/// Lines of Markdown that are too wide and could be broken: not tables, not code, not a lone link.
pub(crate) fn wide_markdown() -> Vec<Hit> {
    let mut hits = Vec::new();
    for path in files(".md") {
        let mut fenced = false;
        for (index, line) in std::fs::read_to_string(root().join(&path)).unwrap().lines().enumerate() {
            let start = line.trim_start();
            fenced ^= start.starts_with("```");
            let width = line.chars().count();
            if width > MAX_MARKDOWN && !fenced && !start.starts_with('|') && breakable(start) {
                let message = format!("{width} columns of Markdown, at most {MAX_MARKDOWN}");
                hits.push(Hit { path: path.clone(), line: index + 1, message });
            }
        }
    }
    hits
}

/// Whether a line of Markdown has a blank outside links at which it could be broken.
fn breakable(line: &str) -> bool {
    let line = line.trim_start_matches(['-', '*', '>', '#', ' ']);
    let mut depth = 0_usize;
    line.trim_end().chars().any(|c| {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ' ' && depth == 0
    })
}

/// Sentences of docs that forbid something for ever without naming, in backticks, the test, the
/// type or the lint that sees to it.
pub(crate) fn must_never(sources: &[Source]) -> Vec<Hit> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let lints = manifest.split("[workspace.lints").skip(1).flat_map(words);
    let held: BTreeSet<&str> = sources.iter().flat_map(declared).chain(lints).collect();
    let mut hits = Vec::new();
    for source in sources {
        let lines: Vec<&str> = source.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let start = line.trim_start();
            let doc = start.starts_with("//!") || start.starts_with("///");
            if doc && said(start) {
                let mark = &start[..3];
                let rest = lines[index..].iter().map(|l| l.trim_start()).take_while(|l| l.starts_with(mark));
                let text: Vec<&str> = rest.take(4).map(|l| l[3..].trim()).collect();
                let text = text.join(" ");
                let from = text.to_lowercase().find("never").unwrap_or(0);
                let sentence = text[from..].split(". ").next().unwrap();
                let named = sentence.split('`').skip(1).step_by(2).flat_map(words);
                if !named.into_iter().any(|name| held.contains(name)) {
                    let message = "\"must never\" without the test, type or lint that holds it, in backticks";
                    hits.push(Hit { path: source.path.clone(), line: index + 1, message: message.into() });
                }
            }
        }
    }
    hits
}

/// Whether a line of docs says what must not be.
fn said(line: &str) -> bool {
    let line = line.to_lowercase();
    line.contains("must never") || line.ends_with("must")
}

/// Names of the functions and types of a file.
fn declared(source: &Source) -> impl Iterator<Item = &str> {
    const KINDS: [&str; 6] = ["fn", "struct", "enum", "trait", "type", "mod"];
    source.words.windows(2).filter(|w| KINDS.contains(&w[0].1.as_str())).map(|w| w[1].1.as_str())
}

/// The identifiers in `text`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Unsafe functions whose docs do not say what the caller must see to. The lint
/// `missing_safety_doc` could see private ones too, but `missing_errors_doc` shares the setting.
pub(crate) fn without_contract(sources: &[Source]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for source in sources.iter().filter(|s| !s.test) {
        let lines: Vec<&str> = source.text.lines().map(str::trim_start).collect();
        for pair in source.words.windows(2).filter(|w| w[0].1 == "unsafe" && w[1].1 == "fn") {
            let line = pair[0].0;
            let mut docs = lines[..line - 1].iter().rev().take_while(|l| l.starts_with("///") || l.starts_with("#["));
            // The type of a function that is unsafe has no name.
            if !lines[line - 1].contains("unsafe fn(") && !docs.any(|l| l.contains("# Safety")) {
                hits.push(source.hit(line, "an unsafe function without `# Safety` in its docs"));
            }
        }
    }
    hits
}

/// Paths in backticks in the pages at the root that lead nowhere. A path may leave out where it
/// begins.
pub(crate) fn missing_paths() -> Vec<Hit> {
    let existing = files("");
    let exists = |path: &str| {
        let (inner, start) = (format!("/{path}"), path.trim_end_matches('/'));
        existing
            .iter()
            .any(|f| f.starts_with(start) || f.ends_with(&inner) || (path.ends_with('/') && f.contains(&inner)))
    };
    let mut hits = Vec::new();
    for page in existing.iter().filter(|f| f.ends_with(".md") && !f.contains('/') && *f != "CHANGELOG.md") {
        for (index, line) in std::fs::read_to_string(root().join(page)).unwrap().lines().enumerate() {
            for path in line.split('`').skip(1).step_by(2) {
                let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
                let is_path = plain && !path.starts_with('/') && (path.ends_with(".rs") || path.ends_with('/'));
                if is_path && !exists(path) {
                    hits.push(Hit { path: page.clone(), line: index + 1, message: format!("`{path}` does not exist") });
                }
            }
        }
    }
    hits
}
