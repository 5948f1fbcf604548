//! Packed programs: files that survive a round trip, an account of ciphertexts and rotations, and
//! packings that contradict their program, which are refused.

#![allow(clippy::unwrap_used)]

use beaa_ir::ckks::{
    ClientPacking, Layout, LinearTerm, MapSize, MemoryModel, PackedMap, Packing, ParameterSet, Program, ProgramLiteral,
    ProgramShape, ReadElements, Signature, SignatureFile, Step, StepOp, dump, infer_values, load_program,
    load_signature, program_hash, save_program, save_signature, schedule,
};
use beaa_ir::{Classes, InputSpec, SparseMatrix};

const Q: [u64; 2] = [1_000_003, 1_000_033];

fn layout(elements: usize, held: [i32; 8]) -> Layout {
    Layout::new(4, elements, held.iter().map(|&e| u32::try_from(e).ok()).collect()).unwrap()
}

/// Three elements in two ciphertexts, squared after a sum of two terms.
fn literal() -> ProgramLiteral {
    let weights = SparseMatrix::from_rows(3, vec![vec![(0, 3), (2, -5)], vec![(1, 1)]]).unwrap();
    let step = |op| Step { layer: "fc".into(), op };
    let term = LinearTerm { input: 0, weights };
    let steps = vec![
        step(StepOp::Linear { terms: vec![term.clone(), term], weight_scale: 8.0, bias: vec![1, -3] }),
        step(StepOp::Square { input: 1 }),
    ];
    let parameters = ParameterSet { degree: 4096, moduli: Q.to_vec(), special: vec![1_000_037], security: 128 };
    let input = layout(3, [0, 1, -1, -1, 2, -1, -1, 0]);
    let output = Layout::new(4, 2, vec![Some(0), None, Some(1), None]).unwrap();
    // Row 0: columns 0 and 2 where they are; row 1: column 1 from one position before.
    let map =
        PackedMap { layout: output, images: 1024, offsets: vec![0, -1], giant: 1, folds: vec![], unmasked: false };
    let packing = Packing { input, maps: vec![map] };
    let mut signature = Signature {
        model: "m".into(),
        input: InputSpec::pixels([1, 1, 3], vec![0.0], vec![1.0]),
        reads: ReadElements::all(3),
        classes: Classes::new(vec![], 2, None).unwrap(),
        parameters,
        input_limbs: 2,
        input_scale: 1024.0,
        output_limbs: 2,
        output_scale: 8192.0 * 8192.0,
        output_components: 3,
        switches_keys: true,
        promise: None,
        packing: None,
    };
    let values = infer_values(signature.input_value(), &steps, &signature.parameters.moduli).unwrap();
    signature.packing = Some(ClientPacking::new(&packing, &steps, &values, 2));
    ProgramLiteral { signature, steps, output: 2, notes: vec![], alternatives: vec![], packing: Some(packing) }
}

#[test]
fn ciphertexts_and_rotations_are_accounted_for() {
    let program = Program::try_from(literal()).unwrap();
    assert_eq!((0..3).map(|v| program.ciphertexts(v)).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(program.values()[0].len, 3);
    let size = MapSize {
        inputs: 4,
        decomposed: 0,
        outputs: 1,
        diagonals: 6,
        rotated: 4,
        babies: 1,
        sums: 2,
        giants: 1,
        rotations: 1,
    };
    assert_eq!(program.packed_map(0).unwrap().1, size);
    assert!(program.packed_map(1).is_none() && program.switches_keys());
    let signature = program.signature();
    assert_eq!((signature.capacity(), signature.input_ciphertexts(), signature.output_ciphertexts()), (1024, 2, 1));
    // One position back, which is one slot.
    assert_eq!(signature.packing.as_ref().unwrap().rotations, [4095]);
    let text = dump(&program);
    assert!(text.contains("packed: 4 positions of 1024 images, input in 2 ciphertexts"), "{text}");
    assert!(text.contains("1 ciphertexts by 6 products, 1 rotations"), "{text}");
}

#[test]
fn files_hold_the_packing_and_the_fingerprint_covers_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p");
    let program = Program::try_from(literal()).unwrap();
    save_program(&program, &path).unwrap();
    assert_eq!(load_program(&path).unwrap(), program);
    save_signature(&SignatureFile::from(&program), &path).unwrap();
    assert_eq!(load_signature(&path).unwrap(), SignatureFile::from(&program));
    let mut plain = literal();
    (plain.packing, plain.signature.packing) = (None, None);
    let plain = Program::try_from(plain).unwrap();
    assert_ne!(program_hash(&plain), program_hash(&program));
    save_program(&plain, &path).unwrap();
    assert!(!String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("packing"));
}

#[test]
fn packed_linear_steps_are_parts_of_their_own_and_memory_is_that_of_ciphertexts() {
    let shape = ProgramShape::from(&Program::try_from(literal()).unwrap());
    let machine = MemoryModel {
        threads: 1,
        tile: 32,
        chunk: 8,
        shortest_period: 32,
        held_words: 1 << 22,
        input_in_place: true,
        arranged_weights_kept: false,
    };
    let plan = schedule(&shape, &machine, true);
    assert_eq!(plan.parts.iter().map(|p| (p.first, p.last)).collect::<Vec<_>>(), [(0, 0), (1, 1)]);
    let polynomial = 4096 * 8;
    // Two ciphertexts of two components and two limbs, and the result's one; then it and its
    // square.
    assert_eq!(plan.parts.iter().map(|p| p.live_bytes).collect::<Vec<_>>(), [12 * polynomial, 10 * polynomial]);
    let kept = schedule(&shape, &MemoryModel { arranged_weights_kept: true, ..machine }, true);
    // Six diagonals of two limbs and the special prime, each of the shortest period.
    assert_eq!(kept.fixed_bytes - plan.fixed_bytes, 18 * 32 * 8);
    let mut one_image = shape.clone();
    one_image.packing.as_mut().unwrap().block = 4096;
    let [all, none] = [true, false].map(|arranged_weights_kept| {
        schedule(&one_image, &MemoryModel { arranged_weights_kept, ..machine }, true).fixed_bytes
    });
    assert_eq!(all - none, 18 * polynomial, "constants that do not repeat");
    let mut more = shape.clone();
    more.packing.as_mut().unwrap().galois.push(2);
    // Two digits of two polynomials for each of three primes, and an order of 32 bits for each.
    let key = schedule(&more, &machine, true).fixed_bytes - plan.fixed_bytes;
    assert_eq!(key, 12 * polynomial + 3 * polynomial / 2);
}

/// Their slots mean something else.
#[test]
fn signatures_of_before_images_came_one_after_the_other_are_refused() {
    let signature = SignatureFile::from(&Program::try_from(literal()).unwrap()).signature;
    let text = serde_json::to_string(&signature.packing.unwrap()).unwrap();
    assert!(serde_json::from_str::<ClientPacking>(&text).is_ok());
    let before = text.replace("rotation_slots", "rotations");
    let error = serde_json::from_str::<ClientPacking>(&before).unwrap_err().to_string();
    assert!(error.contains("unknown field `rotations`"), "{error}");
}

/// What was changed, and how.
type Change = (&'static str, fn(&mut ProgramLiteral));

#[test]
fn packings_that_contradict_their_program_are_refused() {
    fn packing(p: &mut ProgramLiteral) -> &mut Packing {
        p.packing.as_mut().unwrap()
    }
    fn client(p: &mut ProgramLiteral) -> &mut ClientPacking {
        p.signature.packing.as_mut().unwrap()
    }
    let changes: [Change; 18] = [
        ("no map", |p| packing(p).maps.clear()),
        ("an offset too few", |p| packing(p).maps[0].offsets = vec![0]),
        ("an offset too far", |p| packing(p).maps[0].offsets = vec![0, -1, 4]),
        ("an offset too far back", |p| packing(p).maps[0].offsets = vec![0, -1, -4]),
        ("an offset that leads to another image", |p| packing(p).maps[0].offsets = vec![0, 3]),
        ("more images than the ring has room for", |p| packing(p).maps[0].images = 2048),
        ("another block", |p| packing(p).maps[0].layout = Layout::new(2, 2, vec![Some(0), Some(1)]).unwrap()),
        ("more outputs", |p| packing(p).maps[0].layout = layout(3, [0, 1, 2, -1, -1, -1, -1, -1])),
        ("a packing of the signature alone", |p| p.packing = None),
        ("a packing of the program alone", |p| p.signature.packing = None),
        ("another input of the client", |p| client(p).input = layout(3, [0, 1, 2, -1, -1, -1, -1, -1])),
        ("rotations that nobody needs", |p| client(p).rotations = vec![1, 4095]),
        ("rotations in disorder", |p| client(p).rotations = vec![4095, 4095]),
        ("a rotation by nothing", |p| client(p).rotations = vec![0, 4095]),
        ("keys of too few limbs", |p| client(p).limbs = vec![1]),
        ("keys of more limbs than there are", |p| client(p).limbs = vec![3]),
        ("limbs of another rotation", |p| client(p).limbs = vec![2, 2]),
        ("rotations without keys", |p| p.signature.switches_keys = false),
    ];
    for (what, change) in changes {
        let mut p = literal();
        change(&mut p);
        assert!(Program::try_from(p).is_err(), "{what}");
    }
    // Three components cannot be rotated.
    let mut p = literal();
    p.steps.swap(0, 1);
    p.steps[0].op = StepOp::Square { input: 0 };
    let StepOp::Linear { terms, .. } = &mut p.steps[1].op else { panic!("a linear step") };
    terms.iter_mut().for_each(|t| t.input = 1);
    p.signature.output_scale = 1024.0 * 1024.0 * 8.0;
    let error = Program::try_from(p).unwrap_err().to_string();
    assert!(error.contains("3 components"), "{error}");
}

#[test]
fn a_map_without_masks_has_one_weight_at_each_offset() {
    let with = |rows: Vec<Vec<(u32, i32)>>, folds: Vec<u32>| {
        let mut literal = literal();
        let weights = SparseMatrix::from_rows(3, rows).unwrap();
        let StepOp::Linear { terms, .. } = &mut literal.steps[0].op else { unreachable!("the first step is linear") };
        *terms = vec![LinearTerm { input: 0, weights }];
        let packing = literal.packing.as_mut().unwrap();
        packing.input = layout(3, [0, 1, 2, -1, -1, -1, -1, -1]);
        let result = Layout::new(4, 2, vec![Some(0), Some(1), None, None]).unwrap();
        packing.maps =
            vec![PackedMap { layout: result, images: 1024, offsets: vec![0, 1], giant: 1, folds, unmasked: true }];
        let signature = &literal.signature;
        let values = infer_values(signature.input_value(), &literal.steps, &signature.parameters.moduli).unwrap();
        literal.signature.packing = Some(ClientPacking::new(packing, &literal.steps, &values, 2));
        Program::try_from(literal)
    };
    let sums = |a, b| vec![vec![(0, a), (1, b)], vec![(1, a), (2, b)]];
    let program = with(sums(2, 2), vec![]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    save_program(&program, &folder.path().join("p")).unwrap();
    assert_eq!(load_program(&folder.path().join("p")).unwrap(), program);
    assert!(with(sums(2, -7), vec![]).is_ok(), "a number for each offset");
    let refused = [
        (vec![vec![(0, 2), (1, 2)], vec![(1, 2), (2, 3)]], vec![]),
        (vec![vec![(0, 2), (1, 2)], vec![(1, 2)]], vec![]),
        (sums(2, 2), vec![2]),
    ];
    for (rows, folds) in refused {
        assert!(with(rows.clone(), folds).is_err(), "{rows:?}");
    }
}
