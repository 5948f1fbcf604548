//! No two modules of a crate import each other, straight or through others. What the `mod.rs` of a
//! folder declares is the vocabulary of the files in the folder: their use of it does not count.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{Crate, Use};
use crate::source::{Hit, Source};

/// Pairs of files that may use each other: a type whose `TryFrom` calls its checker, and the
/// checker, which takes the type.
const ALLOWED: [(&str, &str); 2] =
    [("ir/src/ckks/program.rs", "ir/src/ckks/check.rs"), ("ir/src/tfhe/program.rs", "ir/src/tfhe/check.rs")];

/// The crates: the folder of their modules and the root among these.
pub(crate) fn crates(sources: &[Source]) -> Vec<(String, &'static str)> {
    let roots = ["lib.rs", "main.rs"];
    let of = |s: &Source| {
        let (folder, file) = s.path.rsplit_once('/')?;
        let root = roots.into_iter().find(|r| *r == file)?;
        (!s.test).then(|| (folder.to_owned(), root))
    };
    sources.iter().filter_map(of).collect()
}

/// One objection per circle, which names every use in it.
pub(crate) fn hits(sources: &[Source]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (folder, root) in crates(sources) {
        let mut uses = Crate::of(sources, &folder, root).uses();
        for (file, used) in &mut uses {
            used.retain(|u| !allowed(file, &u.target) && !above(&u.target, file));
        }
        hits.extend(circles(&uses));
    }
    hits
}

fn allowed(from: &str, to: &str) -> bool {
    ALLOWED.iter().any(|pair| *pair == (from, to) || *pair == (to, from))
}

/// Whether module `parent` is a folder's, and `file` lies in that folder.
fn above(parent: &str, file: &str) -> bool {
    let (folder, name) = parent.rsplit_once('/').unwrap();
    let folder = match name {
        "mod.rs" | "lib.rs" | "main.rs" => format!("{folder}/"),
        _ => format!("{}/", parent.trim_end_matches(".rs")),
    };
    file.starts_with(&folder)
}

/// A shortest circle through each file that lies on one and has not been named before.
fn circles(uses: &BTreeMap<String, Vec<Use>>) -> Vec<Hit> {
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut hits = Vec::new();
    for start in uses.keys() {
        if named.contains(start.as_str()) {
            continue;
        }
        if let Some(circle) = shortest(uses, start) {
            named.extend(circle.iter().map(|(file, _)| *file));
            let steps: Vec<String> =
                circle.iter().map(|(file, u)| format!("{file}:{} uses {}", u.line, u.target)).collect();
            let message = format!("a circle of imports: {}; move what both need below both", steps.join(", "));
            hits.push(Hit { path: start.clone(), line: circle[0].1.line, message });
        }
    }
    hits
}

/// A shortest way from `start` back to it, as the files on it, each with its use of the next.
fn shortest<'a>(uses: &'a BTreeMap<String, Vec<Use>>, start: &'a str) -> Option<Vec<(&'a str, &'a Use)>> {
    let mut came: BTreeMap<&str, (&str, &Use)> = BTreeMap::new();
    let mut open = vec![start];
    while !open.is_empty() {
        let mut next = Vec::new();
        for file in open {
            for used in &uses[file] {
                if !came.contains_key(used.target.as_str()) {
                    came.insert(&used.target, (file, used));
                    next.push(used.target.as_str());
                }
            }
        }
        open = next;
    }
    let mut circle = vec![*came.get(start)?];
    while circle[0].0 != start {
        circle.insert(0, came[circle[0].0]);
    }
    Some(circle)
}
