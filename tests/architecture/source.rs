//! The sources of the workspace as the checks of this folder read them: which crate a file belongs
//! to, its code without comments and literals, and which lines are tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// One Rust file.
pub(crate) struct Source {
    /// Relative to the root of the workspace, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// `text` with a blank for every character of a comment and of a string or character literal.
    pub(crate) code: String,
    /// For each line, whether it belongs to a test; all of them in files of tests.
    pub(crate) test: Vec<bool>,
}

/// Something that a check objects to.
pub(crate) struct Hit {
    /// Relative to the root of the workspace.
    pub(crate) path: String,
    /// From 1 on.
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

impl Source {
    /// The line of the byte `at` of `code`, from 1 on.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// Whether the byte `at` of `code` lies in a test.
    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.test[self.line(at) - 1]
    }

    /// An objection to the byte `at` of `code`.
    pub(crate) fn hit(&self, at: usize, message: impl Into<String>) -> Hit {
        Hit { path: self.path.clone(), line: self.line(at), message: message.into() }
    }

    /// Every identifier and keyword of the code, with the byte where it starts.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        words(&self.code)
    }
}

/// Every identifier and keyword of `code`, with the byte where it starts; lifetimes are not among
/// them.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + code[at..].find(part)?;
            let end = code[start..].find(|c| !part(c)).map_or(code.len(), |n| start + n);
            at = end;
            let lifetime = code[..start].ends_with('\'');
            if !lifetime && !code[start..].starts_with(|c: char| c.is_ascii_digit()) {
                return Some((start, &code[start..end]));
            }
        }
    })
}

/// All files below the root whose names end in `extension`, sorted, without what builds leave
/// behind.
pub(crate) fn files(extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if entry.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    open.push(entry);
                }
            } else if name.ends_with(extension) {
                found.push(entry.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

/// All Rust files of the repository.
pub(crate) fn sources() -> Vec<Source> {
    let mut sources: Vec<Source> = files(".rs")
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).unwrap();
            let code = code_of(&text);
            let whole = ["tests", "benches"]
                .iter()
                .any(|f| path.starts_with(&format!("{f}/")) || path.contains(&format!("/{f}/")));
            let test = if whole { vec![true; code.lines().count()] } else { tests_of(&code) };
            Source { path, text, code, test }
        })
        .collect();
    assert!(sources.len() > 50, "the sources are found");
    let test_files: BTreeSet<PathBuf> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        if test_files
            .iter()
            .any(|f| Path::new(&source.path).starts_with(f) || Path::new(&source.path) == f.with_extension("rs"))
        {
            source.test.fill(true);
        }
    }
    sources
}

/// The files and folders (without `.rs`) of the modules that are declared for tests only.
fn test_modules(source: &Source) -> Vec<PathBuf> {
    let path = Path::new(&source.path);
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let folder = match stem {
        "mod" | "lib" | "main" => path.parent().unwrap().to_path_buf(),
        _ => path.with_extension(""),
    };
    let lines = source.code.lines().zip(&source.test).filter(|(_, test)| **test);
    let name = |line: &str| {
        let mut words = words(line).map(|w| w.1).skip_while(|w| *w != "mod").skip(1);
        words.next().filter(|_| line.trim_end().ends_with(';')).map(|n| folder.join(n))
    };
    lines.filter_map(|(line, _)| name(line)).collect()
}

/// `text` with blanks for comments and for what strings and characters hold.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut i = 0;
    let blank = |code: &mut String, c: char| code.push(if c == '\n' { '\n' } else { ' ' });
    let ident = |c: char| c.is_alphanumeric() || c == '_';
    while i < chars.len() {
        let rest = &chars[i..];
        let end = match rest {
            ['/', '/', ..] => rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => string(rest, 0, true),
            ['r', tail @ ..]
                if !code.ends_with(ident) || code.ends_with('b') && !code[..code.len() - 1].ends_with(ident) =>
            {
                let hashes = tail.iter().take_while(|&&c| c == '#').count();
                if tail.get(hashes) == Some(&'"') { 1 + hashes + string(&tail[hashes..], hashes, false) } else { 0 }
            }
            ['\'', '\\', ..] => 3 + rest.iter().skip(3).position(|&c| c == '\'').unwrap_or(0),
            ['\'', _, '\'', ..] => 2,
            _ => 0,
        };
        if end == 0 {
            code.push(chars[i]);
            i += 1;
        } else {
            rest[..end].iter().for_each(|&c| blank(&mut code, c));
            if rest[0] == '\'' {
                code.push(' ');
                i += 1;
            }
            i += end;
        }
    }
    code
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i + 1 < rest.len() {
        match (rest[i], rest[i + 1]) {
            ('/', '*') => (depth, i) = (depth + 1, i + 2),
            ('*', '/') => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    rest.len()
}

/// The length of the string literal that `rest` starts with, quotes and hashes included.
fn string(rest: &[char], hashes: usize, escapes: bool) -> usize {
    let mut i = 1;
    while i < rest.len() {
        if escapes && rest[i] == '\\' {
            i += 1;
        } else if rest[i] == '"' && rest[i + 1..].iter().take_while(|&&c| c == '#').count() >= hashes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    rest.len()
}

/// For each line of `code`, whether it belongs to an item that is there for tests only.
fn tests_of(code: &str) -> Vec<bool> {
    let mut test = vec![false; code.lines().count()];
    for (start, _) in code.match_indices("#[") {
        let attribute = &code[start..start + code[start..].find(']').unwrap_or(0)];
        let only_tests = words(attribute).any(|w| w.1 == "test")
            && !attribute.contains("not(test)")
            && !attribute.contains("cfg_attr");
        if only_tests {
            let end = start + item_length(&code[start..]);
            let lines = code[..start].matches('\n').count()..=code[..end].matches('\n').count();
            test[lines].fill(true);
        }
    }
    test
}

/// The length of the item that `code` starts with, attributes included: to the end of its braces,
/// or to a semicolon.
fn item_length(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            ';' if depth == 0 => return at,
            _ => {}
        }
    }
    code.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("a\"b", 'x', '\n', 'a)"#, "f(      ,    ,     , 'a)"),
            (r##"r"a" br#"b"c"# r"##, "     b         r"),
        ] {
            assert_eq!(code_of(text), expected, "{text}");
        }
    }

    #[test]
    fn items_for_tests_are_known() {
        let code =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod d;\nfn e() {}\n";
        assert_eq!(tests_of(code), [false, true, true, true, true, false, true, true, false]);
    }
}
