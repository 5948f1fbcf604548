//! Which module of a crate uses which, read off the paths in its code: `use` declarations, paths
//! that begin with `crate`, `self` or `super`, and names that a `use` brought in. Re-exports are
//! followed to the module that declares the name.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, words};

/// The modules of one crate, each a file, by their paths from the root of the crate (which is the
/// empty path).
pub(crate) struct Crate<'a> {
    modules: BTreeMap<Vec<String>, Module<'a>>,
}

/// A module that is a file.
struct Module<'a> {
    source: &'a Source,
    declared: BTreeSet<&'a str>,
    /// Names that `use` brings in, with the paths as they are written; a glob has the name `*`.
    imports: Vec<Import>,
}

struct Import {
    name: String,
    path: Vec<String>,
    at: usize,
}

/// A use of one module by another.
#[derive(Clone)]
pub(crate) struct Use {
    /// The file that is used.
    pub(crate) target: String,
    /// The line of the use.
    pub(crate) line: usize,
}

impl<'a> Crate<'a> {
    /// The modules among `sources` below `folder`, with `root` (`lib.rs`, `main.rs`) as the crate's
    /// root.
    pub(crate) fn of(sources: &'a [Source], folder: &str, root: &str) -> Self {
        let mut modules = BTreeMap::new();
        for source in sources {
            let Some(path) = source.path.strip_prefix(folder).and_then(|p| p.strip_prefix('/')) else { continue };
            let mut path: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            if path == [root.trim_end_matches(".rs")] || path.last().is_some_and(|n| n == "mod") {
                path.pop();
            }
            modules.insert(path, Module { source, declared: declared(&source.code), imports: imports(source) });
        }
        Self { modules }
    }

    /// For each file of the crate, the other files that it uses outside tests.
    pub(crate) fn uses(&self) -> BTreeMap<String, Vec<Use>> {
        let mut uses: BTreeMap<String, Vec<Use>> = BTreeMap::new();
        for (here, module) in &self.modules {
            let source = module.source;
            let found = uses.entry(source.path.clone()).or_default();
            let written = module.imports.iter().map(|i| (i.path.clone(), i.at)).chain(paths(&source.code));
            for (path, at) in written.filter(|(_, at)| !source.is_test(*at)) {
                if let Some(target) = self.resolve(here, &path, 0).filter(|t| t != here) {
                    found.push(Use { target: self.modules[&target].source.path.clone(), line: source.line(at) });
                }
            }
        }
        uses
    }

    /// The module that declares what `path`, written in module `here`, names; nothing if it is not
    /// of this crate.
    fn resolve(&self, here: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
        let (first, mut rest) = path.split_first()?;
        let mut module: Vec<String> = match first.as_str() {
            "crate" => Vec::new(),
            "self" => here.to_vec(),
            "super" => here.split_last()?.1.to_vec(),
            name => {
                let child = [here, &[name.to_owned()]].concat();
                if self.modules.contains_key(&child) {
                    child
                } else {
                    let import = self.modules[here].imports.iter().find(|i| i.name == name)?;
                    let whole = [&import.path, rest].concat();
                    return (import.path[0] != name && depth < 8).then(|| self.resolve(here, &whole, depth + 1))?;
                }
            }
        };
        while let Some((name, tail)) = rest.split_first() {
            if name == "super" {
                module.pop();
            } else {
                let child = [module.as_slice(), std::slice::from_ref(name)].concat();
                if !self.modules.contains_key(&child) {
                    return self.declaring(&module, rest, depth);
                }
                module = child;
            }
            rest = tail;
        }
        self.modules.contains_key(&module).then_some(module)
    }

    /// The module that declares the name that `path` starts with, in `module` or where that has it
    /// from.
    fn declaring(&self, module: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
        let here = self.modules.get(module)?;
        let name = &path[0];
        if here.declared.contains(name.as_str()) || depth > 8 {
            return Some(module.to_vec());
        }
        if let Some(import) = here.imports.iter().find(|i| i.name == *name) {
            return self.resolve(module, &[&import.path, &path[1..]].concat(), depth + 1);
        }
        let globs = here.imports.iter().filter(|i| i.name == "*");
        let mut targets = globs.filter_map(|i| self.resolve(module, &i.path, depth + 1));
        let target = targets.find(|t| self.modules[t].declared.contains(name.as_str()));
        Some(target.unwrap_or_else(|| module.to_vec()))
    }
}

/// The names of the items that `code` declares.
fn declared(code: &str) -> BTreeSet<&str> {
    const KINDS: [&str; 10] =
        ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "mod", "macro_rules"];
    let all: Vec<(usize, &str)> = words(code).collect();
    let pairs = all.windows(2).filter(|w| KINDS.contains(&w[0].1) && !KINDS.contains(&w[1].1));
    // A module that is a file is no item of this one.
    let inline = |w: &&[(usize, &str)]| w[0].1 != "mod" || code[w[1].0 + w[1].1.len()..].trim_start().starts_with('{');
    pairs.filter(inline).map(|w| w[1].1).collect()
}

/// Every name that a `use` brings in.
fn imports(source: &Source) -> Vec<Import> {
    let mut found = Vec::new();
    for (at, word) in source.words() {
        let before = source.code[..at].trim_end();
        let statement = before.is_empty() || before.ends_with([';', '}', '{', ']', ')']) || before.ends_with("pub");
        if word == "use" && statement {
            let start = at + "use".len();
            let end = source.code[start..].find(';').map_or(source.code.len(), |n| start + n);
            tree(&source.code, start..end, &[], &mut found);
        }
    }
    found
}

/// Adds the names of one tree of a `use`, which stands in `code[range]` behind `prefix`.
fn tree(code: &str, range: std::ops::Range<usize>, prefix: &[String], found: &mut Vec<Import>) {
    let text = &code[range.clone()];
    let brace = text.find('{');
    let head = text[..brace.unwrap_or(text.len())].trim();
    let (head, alias) = head.split_once(" as ").map_or((head, None), |(h, a)| (h, Some(a.trim())));
    let mut path = prefix.to_vec();
    path.extend(head.split("::").map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned));
    let Some(brace) = brace else {
        if path.last().is_some_and(|l| l == "self") && path.len() > 1 {
            path.pop();
        }
        let last = path.last().cloned().unwrap_or_default();
        if last == "*" {
            path.pop();
        }
        let name = alias.map_or(last, str::to_owned);
        let at = range.start + text.len() - text.trim_start().len();
        found.push(Import { name, path, at });
        return;
    };
    let (mut depth, mut start) = (0, brace + 1);
    for (i, c) in text.char_indices().skip_while(|(i, _)| *i < brace) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || depth == 0 {
            if !text[start..i].trim().is_empty() {
                tree(code, range.start + start..range.start + i, &path, found);
            }
            start = i + 1;
        }
        if depth == 0 {
            break;
        }
    }
}

/// Every path of two or more names in `code`.
fn paths(code: &str) -> Vec<(Vec<String>, usize)> {
    let mut found: Vec<(Vec<String>, usize)> = Vec::new();
    let mut end = usize::MAX;
    for (at, word) in words(code) {
        let joined = end <= at && &code[end..at] == "::";
        match found.last_mut().filter(|_| joined) {
            Some((path, _)) => path.push(word.to_owned()),
            None => found.push((vec![word.to_owned()], at)),
        }
        end = at + word.len();
    }
    found.retain(|(path, at)| path.len() > 1 && !code[..*at].ends_with("::") && !code[..*at].ends_with('$'));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, code: &str) -> Source {
        Source { path: path.into(), text: code.into(), code: code.into(), test: vec![false; code.lines().count()] }
    }

    #[test]
    fn uses_are_followed_to_where_a_name_is_declared() {
        let sources = [
            source("x/src/lib.rs", "mod a;\nmod b;\npub use a::One;\n"),
            source("x/src/a/mod.rs", "mod inner;\npub use inner::*;\n"),
            source("x/src/a/inner.rs", "use std::fmt::{self, Debug};\npub struct One;\npub struct Two;\n"),
            source("x/src/b.rs", "use crate::{One, a::Two};\nfn f() { super::a::inner::go(); std::mem::swap() }\n"),
        ];
        let uses = Crate::of(&sources, "x/src", "lib.rs").uses();
        let of = |path: &str| uses[path].iter().map(|u| (u.target.as_str(), u.line)).collect::<BTreeSet<_>>();
        let inner = "x/src/a/inner.rs";
        assert_eq!(of("x/src/lib.rs"), BTreeSet::from([(inner, 3)]));
        assert_eq!(of("x/src/a/mod.rs"), BTreeSet::from([(inner, 2)]));
        assert_eq!(of(inner), BTreeSet::new());
        assert_eq!(of("x/src/b.rs"), BTreeSet::from([(inner, 1), (inner, 2)]));
    }
}
