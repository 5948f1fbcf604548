//! The Rust sources of the workspace, as tokens and as syntax without what is there for tests only.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// All Rust files of the repository.
pub(crate) static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(sources);

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
    /// Every identifier and keyword outside comments and literals, with its line.
    pub(crate) words: Vec<(usize, String)>,
    /// Whether all of it is there for tests only.
    pub(crate) test: bool,
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
    pub(crate) fn new(path: String, text: String) -> Self {
        let test = ["tests", "benches"].iter().any(|f| path.split('/').any(|part| part == *f));
        let mut source = Self { path, text, words: Vec::new(), test };
        let mut words = Vec::new();
        collect_words(source.tokens(), &mut words);
        source.words = words;
        source
    }

    /// An objection to a line.
    pub(crate) fn hit(&self, line: usize, message: impl Into<String>) -> Hit {
        Hit { path: self.path.clone(), line, message: message.into() }
    }

    /// The code without items for tests, and the names of the modules declared among these.
    pub(crate) fn shipped(&self) -> (TokenStream, Vec<String>) {
        let mut modules = Vec::new();
        let tokens = if self.test { TokenStream::new() } else { without_tests(self.tokens(), &mut modules) };
        (tokens, modules)
    }

    /// The syntax of the code without items for tests.
    pub(crate) fn syntax(&self) -> syn::File {
        syn::parse2(self.shipped().0).unwrap_or_else(|e| panic!("{}:{}: {e}", self.path, line(e.span())))
    }

    fn tokens(&self) -> TokenStream {
        self.text.parse().unwrap_or_else(|e| panic!("{}: {e}", self.path))
    }

    /// The files and folders (without `.rs`) of the modules that are declared for tests only.
    fn test_modules(&self) -> Vec<PathBuf> {
        let path = Path::new(&self.path);
        let folder = match path.file_stem().unwrap().to_str().unwrap() {
            "mod" | "lib" | "main" => path.parent().unwrap().to_path_buf(),
            _ => path.with_extension(""),
        };
        self.shipped().1.iter().map(|name| folder.join(name)).collect()
    }
}

/// The line where `span` starts, from 1 on.
pub(crate) fn line(span: proc_macro2::Span) -> usize {
    span.start().line
}

fn collect_words(tokens: TokenStream, found: &mut Vec<(usize, String)>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_words(group.stream(), found),
            TokenTree::Ident(word) => found.push((line(word.span()), word.to_string())),
            _ => {}
        }
    }
}

/// `tokens` without the items that are there for tests only; the names of modules among these go to
/// `modules`.
fn without_tests(tokens: TokenStream, modules: &mut Vec<String>) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let attribute = kept.last().is_some_and(|t| is(t, '#'));
        match token {
            TokenTree::Group(group) if attribute && only_tests(&group) => {
                kept.pop();
                // The attributes and docs above this one are the item's too.
                while let [.., hash, TokenTree::Group(_)] = kept.as_slice()
                    && is(hash, '#')
                {
                    kept.truncate(kept.len() - 2);
                }
                let ends = |t: &TokenTree| is(t, ';') || braces(t);
                let mut item: Vec<TokenTree> = Vec::new();
                while !item.last().is_some_and(ends)
                    && let Some(token) = rest.next()
                {
                    item.push(token);
                }
                if item.last().is_some_and(braces) {
                    rest.next_if(|t| is(t, ';'));
                }
                if let [.., TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(_)] = item.as_slice()
                    && word == "mod"
                {
                    modules.push(name.to_string());
                }
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_tests(group.stream(), modules));
                inner.set_span(group.span());
                kept.push(inner.into());
            }
            token => kept.push(token),
        }
    }
    kept.into_iter().collect()
}

fn is(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == character)
}

fn braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace)
}

/// Whether an attribute, `[test]` or `[cfg(test)]`, leaves its item to tests.
fn only_tests(attribute: &Group) -> bool {
    let mut words = Vec::new();
    collect_words(attribute.stream(), &mut words);
    let has = |name: &str| words.iter().any(|(_, word)| word == name);
    has("test") && !has("not") && !has("cfg_attr")
}

/// The names in a path of `tokens`, each with its line: two or more, joined by `::`. Those of
/// macros are among them.
pub(crate) fn paths(tokens: TokenStream) -> Vec<(Vec<String>, usize)> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found: Vec<(Vec<String>, usize)> = Vec::new();
    let mut inner = Vec::new();
    let mut open: Option<usize> = None;
    for (at, token) in tokens.iter().enumerate() {
        let joined = at >= 2 && tokens[at - 2..at].iter().all(|t| is(t, ':'));
        match token {
            TokenTree::Group(group) => inner.extend(paths(group.stream())),
            TokenTree::Ident(name) if joined && open.is_some_and(|end| end + 3 == at) => {
                found.last_mut().unwrap().0.push(name.to_string());
                open = Some(at);
            }
            TokenTree::Ident(_) if joined => {}
            TokenTree::Ident(name) if at == 0 || !is(&tokens[at - 1], '$') => {
                found.push((vec![name.to_string()], line(name.span())));
                open = Some(at);
            }
            _ => {}
        }
    }
    found.retain(|(path, _)| path.len() > 1);
    found.extend(inner);
    found
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

fn sources() -> Vec<Source> {
    let read = |path: String| {
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        Source::new(path, text)
    };
    let mut sources: Vec<Source> = files(".rs").into_iter().map(read).collect();
    assert!(sources.len() > 50, "the sources are found");
    let test_files: Vec<PathBuf> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        let path = Path::new(&source.path).with_extension("");
        source.test |= test_files.iter().any(|f| path.starts_with(f));
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_for_tests_are_left_out() {
        let text = "fn a() {}\n/// Docs.\n#[cfg(test)]\nmod b {\n    fn c() {}\n}\nfn d() { 'x'; \"e\"; }\n\
                    #[cfg(test)]\nmod f;\n\
                    #[cfg(test)]\nuse g::{h};\n#[cfg(not(test))]\nfn i() {}\n";
        let (tokens, modules) = Source::new("x/src/a.rs".into(), text.into()).shipped();
        let mut words = Vec::new();
        collect_words(tokens, &mut words);
        let words: Vec<(usize, &str)> = words.iter().map(|(line, word)| (*line, word.as_str())).collect();
        assert_eq!(
            words,
            [(1, "fn"), (1, "a"), (7, "fn"), (7, "d"), (12, "cfg"), (12, "not"), (12, "test"), (13, "fn"), (13, "i")]
        );
        assert_eq!(modules, ["f"]);
    }
}
