//! A bug stops, it never guesses: where a wrong number could come of it, an index that cannot be
//! absent is indexed.

use crate::source::{Hit, Source};

/// Where results are computed.
const FOLDERS: [&str; 5] = ["ckks/src/", "compiler/src/", "ir/src/", "runtime/src/", "trainer/src/ops/"];

/// Files in which an element may be absent, how often, and why.
const ALLOWED: [(&str, usize, &str); 2] = [
    ("compiler/src/passes/tiling/mod.rs", 1, "a value that the search has not cut is at level 0"),
    ("compiler/src/tfhe/report.rs", 1, "only a first stage that drops no bits has sums that are not switched"),
];

/// What an element is looked up with.
const LOOKUPS: [&str; 7] = [".get(", ".get_mut(", ".first()", ".last()", ".first_mut()", ".last_mut()", ".nth("];

/// Absent elements that are replaced by a number, or passed over.
pub(crate) fn silent(sources: &[Source]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for source in sources.iter().filter(|s| FOLDERS.iter().any(|f| s.path.starts_with(f))) {
        let found: Vec<Hit> = of_file(source).collect();
        let allowed = ALLOWED.iter().find(|a| a.0 == source.path).map_or(0, |a| a.1);
        if found.len() > allowed {
            hits.extend(found);
        }
    }
    hits
}

fn of_file(source: &Source) -> impl Iterator<Item = Hit> {
    let code = source.code.as_str();
    let default = code.match_indices(".unwrap_or_default()").map(|(at, _)| (at, "a default"));
    let number = [".unwrap_or(0)", ".unwrap_or(0.0)", ".map_or(0,", ".map_or(0.0,", ".unwrap_or(&0"];
    let number = number.into_iter().flat_map(|form| code.match_indices(form).map(|(at, _)| (at, "a number")));
    let looked_up = move |at: usize| LOOKUPS.iter().any(|l| statement(code, at).contains(l));
    let replaced = default
        .chain(number)
        .filter(move |(at, _)| looked_up(*at))
        .map(|(at, with)| (at, format!("an absent element becomes {with}: index it, or return an error")));
    let skipped = code.match_indices(" else {").filter(move |(at, form)| {
        let then = code[at + form.len()..].trim_start();
        let silent = ["continue", "return;", "return }", "return\n", "return false", "return 0"];
        looked_up(*at) && silent.iter().any(|s| then.starts_with(s))
    });
    let skipped =
        skipped.map(|(at, _)| (at, "an absent element is passed over: index it, or return an error".to_owned()));
    let all = replaced.chain(skipped).filter(|(at, _)| !source.is_test(*at));
    all.map(|(at, message)| source.hit(at, message)).collect::<Vec<_>>().into_iter()
}

/// The code before `at` in the same statement.
fn statement(code: &str, at: usize) -> &str {
    let start = code[..at].rfind([';', '{', '}']).map_or(0, |n| n + 1);
    &code[start..at]
}
