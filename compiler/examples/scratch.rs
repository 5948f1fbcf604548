//! scratch
#![allow(clippy::unwrap_used)]
use beaa_compiler::*;
fn main() {
    let mut args = std::env::args().skip(1);
    let f = args.next().unwrap();
    let m = beaa_ir::load_model(std::path::Path::new(&f)).unwrap();
    for mem in args {
        let mem = mem.parse::<f64>().unwrap();
        let memory = (mem > 0.0).then_some((mem * (1u64<<30) as f64) as u64);
        let t = std::time::Instant::now();
        let c = compile(&m, &Options{memory, ..Options::default()});
        println!("{mem} {:?}", t.elapsed());
        match c { Ok(c) => { println!("{}", explain(&c.report)); println!("{} steps", c.program.steps().len()); }, Err(e) => println!("{e}") }
    }
}
