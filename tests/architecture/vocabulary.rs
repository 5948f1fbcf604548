//! Words that no name may be, names that mean one thing in the whole workspace, and forms that have
//! a plainer one.

use std::collections::BTreeMap;

use crate::source::{Hit, Source};

/// Words of no field: whoever reads such a name must ask what it stands for.
const BANNED: [&str; 10] = ["own", "asked", "made", "given", "room", "alone", "taken", "reach", "hands", "place"];

/// Names of types that are declared once at the most.
const SINGLE: [&str; 10] =
    ["Outcome", "Room", "Target", "Batch", "Plan", "Row", "Machine", "Choice", "Header", "Source"];

/// Names that say nothing.
pub(crate) fn banned(sources: &[Source]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for source in sources {
        let words = source.words().filter(|(_, word)| BANNED.contains(word));
        hits.extend(words.map(|(at, word)| source.hit(at, format!("`{word}` is no name: say what it is"))));
    }
    hits
}

/// Types whose name another type has already.
pub(crate) fn declared_twice(sources: &[Source]) -> Vec<Hit> {
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    let mut hits = Vec::new();
    for source in sources.iter().filter(|s| !s.path.starts_with("tests/")) {
        let mut kind = "";
        for (at, word) in source.words() {
            let declares = ["struct", "enum", "trait", "union"].contains(&kind)
                || (kind == "type" && source.code[..at].ends_with("\ntype "));
            kind = word;
            if declares && SINGLE.contains(&word) {
                let here = source.hit(at, "");
                let here = format!("{}:{}", here.path, here.line);
                match first.get(word) {
                    Some(other) => hits.push(
                        source.hit(at, format!("`{word}` is declared at {other} as well: give both their full names")),
                    ),
                    None => drop(first.insert(word, here)),
                }
            }
        }
    }
    hits
}

/// `match` on a truth value.
pub(crate) fn matched_truth(sources: &[Source]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for source in sources {
        for (at, word) in source.words() {
            let arm = matches!(word, "true" | "false") && source.code[at + word.len()..].trim_start().starts_with("=>");
            if arm && source.code[..at].trim_end().ends_with('{') {
                hits.push(source.hit(at, "`match` on a truth value: write `if`"));
            }
        }
    }
    hits
}
