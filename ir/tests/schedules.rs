//! Schedules by hand: what is fused, when values die, and how many bytes that comes to.

use beaa_ir::ckks::{LinearTerm, MemoryModel, ProgramShape, StepOp, StepShape, ValueInfo, schedule};

const DEGREE: usize = 64;
const MACHINE: MemoryModel = MemoryModel {
    threads: 2,
    tile: 32,
    chunk: 4,
    shortest_period: 32,
    held_words: 1 << 22,
    input_in_place: false,
    arranged_weights_kept: false,
};

fn value(len: usize, limbs: usize, components: usize) -> ValueInfo {
    ValueInfo { len, limbs, scale: 1024.0, components }
}

fn step(op: StepOp<(), ()>) -> StepShape {
    StepShape { op, entries: 0 }
}

fn linear(inputs: &[usize], entries: usize) -> StepShape {
    let terms = inputs.iter().map(|&input| LinearTerm { input, weights: () }).collect();
    StepShape { op: StepOp::Linear { terms, weight_scale: 1.0, bias: () }, entries }
}

/// linear, square, linear, relinearise, rescale, then a sum with the first linear's result at fewer
/// limbs.
fn outline() -> ProgramShape {
    use StepOp::{DropLimbs, Relinearise, Rescale, Square};
    ProgramShape {
        steps: vec![
            linear(&[0], 12),
            step(Square { input: 1 }),
            linear(&[2], 20),
            step(Relinearise { input: 3 }),
            step(Rescale { input: 4 }),
            step(DropLimbs { input: 1, limbs: 2 }),
            linear(&[5, 6], 9),
        ],
        values: vec![
            value(6, 3, 2),
            value(4, 3, 2),
            value(4, 3, 3),
            value(5, 3, 3),
            value(5, 3, 2),
            value(5, 2, 2),
            value(4, 2, 2),
            value(2, 2, 2),
        ],
        output: 7,
        degree: DEGREE,
        limbs: 3,
        special: 2,
        packing: None,
    }
}

fn bytes(v: ValueInfo) -> u64 {
    (v.len * v.limbs * v.components * DEGREE * 8) as u64
}

#[test]
fn pointwise_steps_are_fused_as_far_as_their_results_have_one_reader() {
    let plan = schedule(&outline(), &MACHINE, true);
    let parts: Vec<(usize, usize)> = plan.parts.iter().map(|p| (p.first, p.last)).collect();
    // The first result is read again by the last step; dropping limbs takes part in what follows
    // it. Relinearised ciphertexts are rescaled one by one.
    assert_eq!(parts, [(0, 0), (1, 2), (3, 4), (5, 6)]);
    let frees: Vec<&[usize]> = plan.parts.iter().map(|p| p.frees.as_slice()).collect();
    assert_eq!(frees, [&[0][..], &[2], &[3, 4], &[1, 5, 6]]);
    let single = schedule(&outline(), &MACHINE, false);
    assert!(single.parts.iter().enumerate().all(|(i, p)| (p.first, p.last) == (i, i)));
}

#[test]
fn bytes_are_those_of_live_values_and_of_the_part_that_runs() {
    let outline = outline();
    let of = |ids: &[usize]| ids.iter().map(|&v| bytes(outline.values[v])).sum::<u64>();
    let plan = schedule(&outline, &MACHINE, true);
    let live: Vec<u64> = plan.parts.iter().map(|p| p.live_bytes).collect();
    assert_eq!(live, [of(&[0, 1]), of(&[1, 3]), of(&[1, 3, 5]), of(&[1, 5, 7])]);
    let polynomial = (DEGREE * 8) as u64;
    // Four whole results of two components and two limbs; per thread a component of three limbs
    // before and after it is decomposed, two digits, two sums over five primes, and a polynomial.
    assert_eq!(plan.parts[2].working_bytes, (4 * 2 * 2 + 2 * (2 * 3 + 2 + 2 * 5 + 1)) * polynomial);
    // Per thread the squares of one tile; five biases of three limbs; twenty weights.
    assert_eq!(plan.parts[1].working_bytes, 2 * 4 * 3 * 32 * 8 + 5 * 3 * 8 + 20 * 12);
    // Limbs that are dropped are not copied.
    assert_eq!(plan.parts[3].working_bytes, 2 * 2 * 8 + 9 * 12);
    // Two digits of two polynomials for each of five primes, and the weights.
    assert_eq!(plan.fixed_bytes, 2 * 2 * 5 * polynomial + 41 * 8);
    let worst = plan.parts.iter().map(|p| p.live_bytes + p.working_bytes).max();
    assert_eq!(Some(plan.peak_bytes), worst.map(|w| w + plan.fixed_bytes));
    // The relinearisation, step 3.
    assert_eq!(plan.worst().map(|p| p.first), Some(3));
}

#[test]
fn an_input_that_is_read_in_place_takes_a_tile_for_each_thread() {
    let outline = outline();
    let machine = MemoryModel { input_in_place: true, ..MACHINE };
    let (stored, in_place) = (schedule(&outline, &MACHINE, true), schedule(&outline, &machine, true));
    assert_eq!(stored.parts[0].live_bytes - in_place.parts[0].live_bytes, bytes(outline.values[0]));
    assert_eq!(in_place.parts[0].working_bytes - stored.parts[0].working_bytes, 2 * 6 * 2 * 32 * 8);
    // What is not pointwise needs it whole.
    let mut other = outline;
    other.steps[0] = step(StepOp::Rescale { input: 0 });
    other.values[1] = value(6, 3, 2);
    assert!(schedule(&other, &machine, true).parts[0].live_bytes >= bytes(other.values[0]));
}
