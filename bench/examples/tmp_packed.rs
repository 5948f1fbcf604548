use std::path::Path;
use beaa_ir::ckks::{SignatureFile, load_program};
use beaa_runtime::Silent;
use beaa_runtime::ckks::{ArrangedWeights, PreparedProgram, encrypt, keygen};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let program = load_program(Path::new(&a[1])).unwrap();
    let model = beaa_ir::load_model(Path::new(&a[2])).unwrap();
    let runs: usize = a[3].parse().unwrap();
    let keys = keygen(program.signature(), Some(1)).unwrap();
    let images = program.signature().capacity().min(4096);
    let sent = beaa_bench::random_images(&model, images, 1).unwrap();
    let (input, _) = encrypt(&SignatureFile::from(&program), &keys.client, &sent, Some(1), &Silent).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let t = std::time::Instant::now();
        let p = PreparedProgram::new(program, if a.len() > 4 { ArrangedWeights::PerPart } else { ArrangedWeights::Kept }).unwrap();
        eprintln!("prepare {:.4}", t.elapsed().as_secs_f64());
        for r in 0..runs {
            let t = std::time::Instant::now();
            let (_, rep) = p.run(&keys.server, &input, &Silent).unwrap();
            let s = t.elapsed().as_secs_f64();
            if r + 1 == runs { for l in &rep.layers { eprintln!("  {:12} {:12} {:8.2} ms", l.layer, l.operation, 1e3 * l.seconds); } }
            eprintln!("run {:.4}", s);
        }
    });
}
