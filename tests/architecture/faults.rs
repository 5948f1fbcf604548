//! A bug stops, it never guesses: where a wrong number could come of it, an index that cannot be
//! absent is indexed.

use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprMethodCall, Lit, Local, Macro, Stmt, Token, punctuated::Punctuated};

use crate::source::{Hit, Source, line};

/// Where results are computed.
const FOLDERS: [&str; 18] = [
    "base/src/",
    "bench/src/",
    "ckks/src/",
    "cli/",
    "compiler/src/",
    "cuda/src/",
    "datasets/src/",
    "evaluation/src/",
    "import/src/",
    "ir/src/",
    "lab/src/",
    "protocol/src/",
    "remote/src/",
    "runtime/src/",
    "secrets/src/",
    "server/src/",
    "src/",
    "trainer/src/",
];

/// Files in which an element may be absent, how often, and why.
const ALLOWED: [(&str, usize, &str); 12] = [
    ("bench/src/baseline_f32/plan.rs", 1, "before the first step the value is the input"),
    ("bench/src/report/tables.rs", 1, "a table without rows has no columns"),
    ("compiler/src/passes/equalise_rows.rs", 1, "rows without a weight are scaled by one"),
    ("compiler/src/passes/tiling/mod.rs", 1, "a value that the search has not cut is at level 0"),
    ("compiler/src/plan/weight_bits.rs", 1, "a matrix without a weight takes any unit"),
    ("datasets/src/catalogue/resolve.rs", 1, "files are told by the first of their names"),
    ("import/src/onnx/context.rs", 1, "a node without a result is used by nobody"),
    ("import/src/onnx/graph.rs", 1, "a name that nobody reads has no uses"),
    ("import/src/onnx/names.rs", 1, "what is split has a last part"),
    ("lab/src/matrix/table.rs", 1, "a run without a partner is in no pair"),
    ("trainer/src/train/checkpoint.rs", 1, "the first checkpoint has number one"),
    ("compiler/src/tfhe/report.rs", 1, "only a first stage that drops no bits has sums that are not switched"),
];

/// What an element is looked up with.
const LOOKUPS: [&str; 10] =
    ["get", "get_mut", "first", "last", "first_mut", "last_mut", "nth", "next", "image", "argmax"];

/// Absent elements that are replaced by a number, or passed over.
pub(crate) fn silent(sources: &[Source]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for source in sources.iter().filter(|s| FOLDERS.iter().any(|f| s.path.starts_with(f))) {
        let mut found = Guesses { source, hits: Vec::new() };
        found.visit_file(&source.syntax());
        let allowed = ALLOWED.iter().find(|a| a.0 == source.path).map_or(0, |a| a.1);
        if found.hits.len() > allowed {
            hits.extend(found.hits);
        }
    }
    hits
}

struct Guesses<'a> {
    source: &'a Source,
    hits: Vec<Hit>,
}

impl<'ast> Visit<'ast> for Guesses<'_> {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let replaced = match call.method.to_string().as_str() {
            "unwrap_or_default" => true,
            "unwrap_or" | "map_or" => is_number(&call.args[0]),
            _ => false,
        };
        let mut object = |with: &str| {
            let message = format!("an absent element becomes {with}: index it, or return an error");
            self.hits.push(self.source.hit(line(call.method.span()), message));
        };
        if replaced && looks_up(&call.receiver) {
            object("a number");
        }
        if matches!(call.method.to_string().as_str(), "filter_map" | "flat_map")
            && let Some(Expr::Closure(closure)) = call.args.first()
            && is_lookup(&closure.body)
        {
            object("nothing");
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if let Some(init) = &local.init
            && let Some((_, otherwise)) = &init.diverge
            && let Expr::Block(otherwise) = &**otherwise
            && is_silent(&otherwise.block)
            && looks_up(&init.expr)
        {
            let message = "an absent element is passed over: index it, or return an error";
            self.hits.push(self.source.hit(line(local.let_token.span), message));
        }
        visit::visit_local(self, local);
    }

    /// The arguments of a macro that are expressions.
    fn visit_macro(&mut self, call: &'ast Macro) {
        if let Ok(arguments) = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            // They do not live as long as the file.
            let mut inner = Guesses { source: self.source, hits: Vec::new() };
            arguments.iter().for_each(|argument| inner.visit_expr(argument));
            self.hits.append(&mut inner.hits);
        }
    }
}

/// Whether an element is looked up anywhere in `expression`.
fn looks_up(expression: &Expr) -> bool {
    struct Lookup(bool);
    impl<'ast> Visit<'ast> for Lookup {
        fn visit_expr(&mut self, expression: &'ast Expr) {
            self.0 |= is_lookup(expression);
            visit::visit_expr(self, expression);
        }
    }
    let mut lookup = Lookup(false);
    lookup.visit_expr(expression);
    lookup.0
}

fn is_lookup(expression: &Expr) -> bool {
    match expression {
        Expr::MethodCall(c) => LOOKUPS.iter().any(|l| c.method == l),
        Expr::Call(c) => matches!(&*c.func, Expr::Path(p) if p.path.segments.last().unwrap().ident == "argmax"),
        _ => false,
    }
}

fn is_number(expression: &Expr) -> bool {
    match expression {
        Expr::Reference(e) => is_number(&e.expr),
        Expr::Unary(e) => is_number(&e.expr),
        Expr::Lit(e) => matches!(e.lit, Lit::Int(_) | Lit::Float(_)),
        _ => false,
    }
}

/// Whether `block` only goes on: `continue`, or `return` without an error or an absence.
fn is_silent(block: &Block) -> bool {
    match block.stmts.first() {
        Some(Stmt::Expr(Expr::Continue(_), _)) => true,
        Some(Stmt::Expr(Expr::Return(r), _)) => match r.expr.as_deref() {
            None => true,
            Some(Expr::Lit(e)) => !matches!(e.lit, Lit::Str(_)),
            _ => false,
        },
        _ => false,
    }
}
