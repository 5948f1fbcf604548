//! Random networks at every level: what is planned is what is written, and it is a program that
//! checks.

use beaa_ir::ckks::ProgramShape;

use super::*;
use crate::ckks::{Options, compile};
use crate::testing::{conv, linear, model, polynomial, random_model, with_ranges};

#[test]
fn the_outline_that_was_planned_is_that_of_the_program_written() {
    let mut most = 0;
    for seed in 0..20 {
        let model = random_model(seed);
        let compiled = compile(&model, &Options { logit_error: 1.0, ..Options::default() }).unwrap();
        let context = TilingContext::new(&compiled.program, &model);
        let roots = context.cuttable();
        for level in 0..=3 {
            let found = Candidate::new(&context, roots.iter().map(|&r| (r, level)).collect());
            let program = rewrite::rewrite(&context, &found.cuts, &found.banded).unwrap();
            assert_eq!(ProgramShape::from(&program), found.banded.shape, "seed {seed}");
            assert_eq!(program.signature(), compiled.program.signature());
            let layers =
                |p: &Program| p.notes().iter().map(|n| n.layer.clone()).collect::<std::collections::BTreeSet<_>>();
            assert_eq!(layers(&program), layers(&compiled.program), "every layer keeps its note");
            most = most.max(program.steps().len() / compiled.program.steps().len().max(1));
        }
    }
    assert!(most >= 2, "something was cut");
}

#[test]
fn smaller_bands_take_less_memory() {
    let input = beaa_ir::InputSpec::pixels([1, 18, 18], vec![0.5], vec![0.5]);
    let gentle = |name| polynomial(name, &[], |_| [0.05, 0.8, 0.0]);
    let layers = vec![
        conv("conv1", 4, 1, 3, 1),
        gentle("act1"),
        conv("conv2", 4, 4, 3, 1),
        gentle("act2"),
        conv("conv3", 4, 4, 3, 2),
        gentle("act3"),
        linear("fc", 2, 4 * 6 * 6),
    ];
    let model = with_ranges(model(input, layers), 1);
    let compiled = compile(&model, &Options { logit_error: 1.0, ..Options::default() }).unwrap();
    let context = TilingContext::new(&compiled.program, &model);
    let roots = context.cuttable();
    let peak = |level| Candidate::new(&context, roots.iter().map(|&r| (r, level)).collect()).schedule.peak_bytes;
    // A few large bands can take more than none, since neighbours overlap.
    let (whole, cut) = (peak(0), peak(4));
    assert!(cut < whole, "{cut} of {whole}");
}
