//! Unsafe code is in few files, which are named here. Each unsafe function says what its callers
//! must see to; that each block says why it is sound is for the lint `undocumented_unsafe_blocks`.

use crate::source::{Hit, Source};

/// The files that may hold unsafe code, and what for.
const FILES: [(&str, &str); 11] = [
    ("bench/src/baseline_f32/gemm.rs", "the plain product that ciphertexts are compared with"),
    ("bench/src/peak_throughput.rs", "each instruction alone, to measure it"),
    ("bench/src/timing.rs", "the system's clock of processor time"),
    ("ckks/src/kernel/ifma/mod.rs", "AVX-512 IFMA, which pulp does not offer"),
    ("ckks/src/kernel/ifma/product.rs", "likewise"),
    ("ckks/src/kernel/ifma/reduce.rs", "likewise"),
    ("ckks/src/kernel/ifma/unpack.rs", "likewise"),
    ("compiler/tests/memory.rs", "an allocator that counts"),
    ("ir/src/container.rs", "files mapped into memory"),
    ("trainer/src/ops/kernel/x86.rs", "products of tiles"),
    ("trainer/src/ops/parallel.rs", "threads that write disjoint parts"),
];

/// Unsafe code elsewhere, and files that are named for nothing.
pub(crate) fn elsewhere(sources: &[Source]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (path, _) in FILES.iter().filter(|f| !sources.iter().any(|s| s.path == f.0)) {
        hits.push(Hit { path: (*path).into(), line: 1, message: "is listed for unsafe code, but is no more".into() });
    }
    for source in sources {
        let named = FILES.iter().any(|f| f.0 == source.path);
        let first = source.words().find(|(_, word)| *word == "unsafe");
        match first {
            Some((at, _)) if !named => hits.push(source.hit(at, "unsafe code in a file that is not listed for it")),
            None if named => hits.push(source.hit(0, "is listed for unsafe code, but holds none")),
            _ => {}
        }
    }
    hits
}

/// Unsafe functions whose docs do not say what the caller must see to. The lint
/// `missing_safety_doc` sees public ones only.
pub(crate) fn without_contract(sources: &[Source]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for source in sources {
        let lines: Vec<&str> = source.text.lines().map(str::trim_start).collect();
        let words: Vec<(usize, &str)> = source.words().collect();
        for pair in words.windows(2).filter(|w| w[0].1 == "unsafe" && w[1].1 == "fn") {
            // The type of a function that is unsafe has no name.
            let is_type = source.code[pair[1].0 + "fn".len()..].trim_start().starts_with('(');
            let above = lines[..source.line(pair[0].0) - 1].iter().rev();
            let mut docs = above.take_while(|l| l.starts_with("///") || l.starts_with("#["));
            if !is_type && !source.is_test(pair[0].0) && !docs.any(|l| l.contains("# Safety")) {
                hits.push(source.hit(pair[0].0, "an unsafe function without `# Safety` in its docs"));
            }
        }
    }
    hits
}
