//! Words that no name may be, and names that mean one thing in the whole workspace.

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
        let words = source.words.iter().filter(|(_, word)| BANNED.contains(&word.as_str()));
        hits.extend(words.map(|(line, word)| source.hit(*line, format!("`{word}` is no name: say what it is"))));
    }
    hits
}

/// Types whose name another type has already.
pub(crate) fn declared_twice(sources: &[Source]) -> Vec<Hit> {
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    let mut hits = Vec::new();
    for source in sources.iter().filter(|s| !s.path.starts_with("tests/")) {
        for pair in source.words.windows(2) {
            let [(_, kind), (line, word)] = pair else { continue };
            // Indented, it is a type of a trait.
            let alias = kind == "type" && !source.text.lines().nth(line - 1).unwrap().starts_with(' ');
            let declares = alias || ["struct", "enum", "trait", "union"].contains(&kind.as_str());
            if declares && SINGLE.contains(&word.as_str()) {
                match first.get(word.as_str()) {
                    Some(other) => hits.push(
                        source
                            .hit(*line, format!("`{word}` is declared at {other} as well: give both their full names")),
                    ),
                    None => drop(first.insert(word, format!("{}:{line}", source.path))),
                }
            }
        }
    }
    hits
}
