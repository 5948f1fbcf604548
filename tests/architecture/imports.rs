//! Which module of a crate uses which, read off the paths in its code: `use` declarations, paths
//! that begin with `crate`, `self` or `super`, and names that a `use` brought in. Re-exports are
//! followed to the module that declares the name.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;
use syn::{Item, ItemUse, UseTree};

use crate::source::{Source, line, paths};

/// The modules of one crate, each a file, by their paths from the root of the crate (which is the
/// empty path).
pub(crate) struct Crate<'a> {
    modules: BTreeMap<Vec<String>, Module<'a>>,
}

/// A module that is a file.
struct Module<'a> {
    source: &'a Source,
    declared: BTreeSet<String>,
    /// Names that `use` brings in, with the paths as they are written; a glob has the name `*`.
    imports: Vec<Import>,
}

struct Import {
    name: String,
    path: Vec<String>,
    line: usize,
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
            let syntax = source.syntax();
            let mut module = Module { source, declared: declared(&syntax.items), imports: Vec::new() };
            module.visit_file(&syntax);
            modules.insert(path, module);
        }
        Self { modules }
    }

    /// For each file of the crate, the other files that it uses outside tests.
    pub(crate) fn uses(&self) -> BTreeMap<String, Vec<Use>> {
        let mut uses: BTreeMap<String, Vec<Use>> = BTreeMap::new();
        for (here, module) in &self.modules {
            let source = module.source;
            let found = uses.entry(source.path.clone()).or_default();
            let written = module.imports.iter().map(|i| (i.path.clone(), i.line)).chain(paths(source.shipped().0));
            for (path, line) in written {
                if let Some(target) = self.resolve(here, &path, 0).filter(|t| t != here) {
                    found.push(Use { target: self.modules[&target].source.path.clone(), line });
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

/// The names of the items of a module. A module that is a file is none of them.
fn declared(items: &[Item]) -> BTreeSet<String> {
    let name = |item: &Item| {
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Macro(item) => item.ident.as_ref()?,
            Item::Mod(item) if item.content.is_some() => &item.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            _ => return None,
        };
        Some(name.to_string())
    };
    items.iter().filter_map(name).collect()
}

impl<'ast> Visit<'ast> for Module<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        add(&item.tree, &[], &mut self.imports);
    }
}

/// Adds the names of a tree of a `use`, which stands behind `prefix`.
fn add(tree: &UseTree, prefix: &[String], found: &mut Vec<Import>) {
    let (ident, name) = match tree {
        UseTree::Path(tree) => return add(&tree.tree, &[prefix, &[tree.ident.to_string()]].concat(), found),
        UseTree::Group(group) => return group.items.iter().for_each(|tree| add(tree, prefix, found)),
        UseTree::Glob(glob) => {
            let line = line(glob.star_token.spans[0]);
            return found.push(Import { name: "*".into(), path: prefix.to_vec(), line });
        }
        UseTree::Name(tree) => (&tree.ident, &tree.ident),
        UseTree::Rename(tree) => (&tree.ident, &tree.rename),
    };
    let (mut path, mut name) = (prefix.to_vec(), name.to_string());
    if ident != "self" {
        path.push(ident.to_string());
    } else if name == "self" {
        name = path.last().cloned().unwrap_or(name);
    }
    found.push(Import { name, path, line: line(ident.span()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, code: &str) -> Source {
        Source::new(path.into(), code.into())
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
