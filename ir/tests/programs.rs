//! Programs: the account of every value, files that survive a round trip or are refused, and the
//! stable text form.

#![allow(clippy::unwrap_used)]

use beaa_ir::ckks::{
    LayerNote, LinearTerm, ParameterSet, Program, ProgramLiteral, ReadElements, Signature, SignatureFile, Step, StepOp,
    dump, load_program, load_signature, program_hash, save_program, save_signature,
};
use beaa_ir::{Classes, InputSpec, SparseMatrix};

const Q: [u64; 3] = [1_000_003, 1_000_033, 1_000_037];

fn literal() -> ProgramLiteral {
    let weights = SparseMatrix::from_rows(4, vec![vec![(0, 3), (2, -5)], vec![(3, 1)]]).unwrap();
    let step = |layer: &str, op| Step { layer: layer.into(), op };
    let pair = SparseMatrix::from_rows(2, vec![vec![(0, 2)], vec![(1, 7)]]).unwrap();
    let steps = vec![
        step(
            "fc",
            StepOp::Linear {
                terms: vec![LinearTerm { input: 0, weights }],
                weight_scale: 8.0,
                bias: vec![1 << 70, -3],
            },
        ),
        step("act", StepOp::Square { input: 1 }),
        step("act", StepOp::ScaleUp { input: 1, factor: 1 << 23 }),
        step(
            "sum",
            StepOp::Linear {
                terms: vec![LinearTerm { input: 2, weights: pair.clone() }, LinearTerm { input: 3, weights: pair }],
                weight_scale: 2.0,
                bias: vec![0, 0],
            },
        ),
        step("sum", StepOp::Relinearise { input: 4 }),
        step("sum", StepOp::Rescale { input: 5 }),
        step("sum", StepOp::DropLimbs { input: 6, limbs: 1 }),
    ];
    let signature = Signature {
        model: "m".into(),
        input: InputSpec::pixels([1, 2, 2], vec![0.0], vec![1.0]),
        reads: ReadElements::all(4),
        classes: Classes::new(vec!["no".into(), "yes".into()], 2, None).unwrap(),
        parameters: ParameterSet { degree: 4096, moduli: Q.to_vec(), special: vec![], security: 128 },
        input_limbs: 3,
        input_scale: 2_f64.powi(20),
        output_limbs: 1,
        output_scale: 2_f64.powi(47) / Q[2] as f64,
        output_components: 2,
        switches_keys: true,
        promise: None,
        packing: None,
    };
    let note =
        LayerNote { layer: "fc".into(), value: 1, bound: 2.0, error: 1e-3, rounding: None, remark: "by hand".into() };
    ProgramLiteral { signature, steps, output: 7, notes: vec![note], alternatives: vec![], packing: None }
}

#[test]
fn every_value_is_accounted_for() {
    let program = Program::try_from(literal()).unwrap();
    let account: Vec<(usize, usize, usize)> = program.values().iter().map(|v| (v.len, v.limbs, v.components)).collect();
    assert_eq!(account, [(4, 3, 2), (2, 3, 2), (2, 3, 3), (2, 3, 2), (2, 3, 3), (2, 3, 2), (2, 2, 2), (2, 1, 2)]);
    let logs: Vec<f64> = program.values().iter().take(6).map(|v| v.scale.log2()).collect();
    assert_eq!(logs, [20.0, 23.0, 46.0, 46.0, 47.0, 47.0]);
}

#[test]
fn files_hold_everything_and_the_fingerprint_tells_programs_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p");
    let program = Program::try_from(literal()).unwrap();
    save_program(&program, &path).unwrap();
    let loaded = load_program(&path).unwrap();
    assert_eq!(loaded, program);
    assert_eq!(program_hash(&loaded), program_hash(&program));
    let mut other = literal();
    let StepOp::Linear { bias, .. } = &mut other.steps[0].op else { panic!("the first step is linear") };
    bias[1] += 1;
    assert_ne!(program_hash(&Program::try_from(other).unwrap()), program_hash(&program));
}

/// What was changed of a client's side, and how.
type FileChange = (&'static str, fn(&mut SignatureFile));

/// What was changed, and how.
type Change = (&'static str, fn(&mut ProgramLiteral));

#[test]
fn programs_that_contradict_themselves_are_refused() {
    let changes: [Change; 14] = [
        ("reads its own result", |p| p.steps[1].op = StepOp::Square { input: 2 }),
        ("squares three components", |p| p.steps[2].op = StepOp::Square { input: 2 }),
        ("relinearises two components", |p| p.steps[4].op = StepOp::Relinearise { input: 1 }),
        ("scales differ", |p| p.steps[2].op = StepOp::ScaleUp { input: 1, factor: 3 }),
        ("a factor of zero", |p| p.steps[2].op = StepOp::ScaleUp { input: 1, factor: 0 }),
        ("more limbs than there are", |p| p.steps[6].op = StepOp::DropLimbs { input: 6, limbs: 3 }),
        ("no limb left", |p| p.steps[6].op = StepOp::DropLimbs { input: 6, limbs: 0 }),
        ("another output", |p| p.output = 1),
        ("no such output", |p| p.output = 99),
        ("a note on nothing", |p| p.notes[0].value = 99),
        ("no input limb", |p| p.signature.input_limbs = 0),
        ("an absurd scale", |p| p.signature.input_scale = f64::NAN),
        ("a modulus of zero", |p| p.signature.parameters.moduli[1] = 0),
        ("an image too large", |p| p.signature.input.shape = [1, usize::MAX, 2]),
    ];
    for (what, change) in changes {
        let mut p = literal();
        change(&mut p);
        assert!(Program::try_from(p).is_err(), "{what}");
    }
}

#[test]
fn the_text_form_is_stable() {
    let text = dump(&Program::try_from(literal()).unwrap());
    let expected = "\
program m: N 4096, 3 primes of 20+20+20 bits, 0 special, 128 bits security
%0 = input 4 x [limbs 3, scale 2^20.000, components 2]
%1 = linear 2x4 entries 3 bits 3 norm 8 * %0 + 2 biases, weight scale 2^3.000 \
-> 2 x [limbs 3, scale 2^23.000, components 2]  ; fc
%2 = square %1 -> 2 x [limbs 3, scale 2^46.000, components 3]  ; act
%3 = scale_up %1 by 8388608 -> 2 x [limbs 3, scale 2^46.000, components 2]  ; act
%4 = linear 2x2 entries 2 bits 3 norm 7 * %2 + 2x2 entries 2 bits 3 norm 7 * %3 + 2 biases, \
weight scale 2^1.000 -> 2 x [limbs 3, scale 2^47.000, components 3]  ; sum
%5 = relinearise %4 -> 2 x [limbs 3, scale 2^47.000, components 2]  ; sum
%6 = rescale %5 -> 2 x [limbs 2, scale 2^27.068, components 2]  ; sum
%7 = drop_limbs %6 to 1 -> 2 x [limbs 1, scale 2^27.068, components 2]  ; sum
output %7
";
    assert_eq!(text, expected);
}

#[test]
fn a_client_needs_no_weights() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, part) = (folder.path().join("p"), folder.path().join("p.signature"));
    // The output has a note, so that its error is known.
    let mut literal = literal();
    literal.notes[0].value = literal.output;
    let program = Program::try_from(literal).unwrap();
    save_program(&program, &whole).unwrap();
    let interface = SignatureFile::from(&program);
    assert_eq!((interface.program.clone(), interface.output_error), (program_hash(&program), Some(1e-3)));
    save_signature(&interface, &part).unwrap();
    assert_eq!(load_signature(&part).unwrap(), interface);
    assert_eq!(load_signature(&whole).unwrap(), interface);
    assert!(load_program(&part).unwrap_err().to_string().contains("a signature file"));
    let changes: [FileChange; 9] = [
        ("no program", |file| file.program.clear()),
        ("a program of other characters", |file| file.program = "\u{e9}".repeat(32)),
        ("a program of capitals", |file| file.program = file.program.to_uppercase().replacen('0', "A", 1)),
        ("no deviation", |file| file.signature.input.std.clear()),
        ("an output scale of zero", |file| file.signature.output_scale = 0.0),
        ("an output scale near zero", |file| file.signature.output_scale = 5e-324),
        ("no output limb", |file| file.signature.output_limbs = 0),
        ("more output limbs than came in", |file| file.signature.output_limbs = 4),
        ("outputs of one component", |file| file.signature.output_components = 1),
    ];
    for (what, change) in changes {
        let mut broken = interface.clone();
        change(&mut broken);
        save_signature(&broken, &part).unwrap();
        assert!(load_signature(&part).is_err(), "{what}");
    }
}
