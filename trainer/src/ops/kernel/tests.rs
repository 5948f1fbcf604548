//! Every set of instructions that this processor has, against the products in plain Rust.

use half::bf16;

#[cfg(target_arch = "x86_64")]
use super::x86::{avx2, avx512};
use super::*;

fn numbers<T: Operand>(n: usize, salt: usize) -> Vec<T> {
    (0..n).map(|i| T::rounded((((i + 1) * 7919 + salt * 104_729) % 2003) as f32 / 1001.5 - 1.0)).collect()
}

fn near(name: &str, a: &Tile, b: &Tile, width: usize) {
    for (a, b) in a.iter().zip(b) {
        for (a, b) in a.iter().zip(b).take(width) {
            assert!((a - b).abs() < 1e-5, "{name}: {a} {b}");
        }
    }
}

/// Calls `compute` with a product of so many offsets and each width, and with what it is.
fn each_product<T: Operand>(pixels: usize, compute: impl Fn(&Dot<'_, T>, &Outer<'_, T>)) {
    let (source, right) = (numbers(400, 1), numbers(400, 2));
    let rows = [0, 6, 10, 30, 32, 78, 100, 290];
    let offsets = [[3_u32, 0, 250, 17, 90], [11_u32, 60, 2, 0, 33]].map(|o| Offsets::new(o[..pixels].to_vec()));
    for width in [LANES, WIDTH] {
        let run = 7_usize.next_multiple_of(T::GROUP);
        let panel = numbers(3 * run * width, 3);
        let dot = Dot { source: &source, rows: &rows, segments: &[0, 40, 90], run, panel: &panel, width };
        let (left, right) = (source.as_slice(), right.as_slice());
        let [left_at, right_at] = &offsets;
        compute(&dot, &Outer { left, left_at, left_from: 5, right, right_at, right_from: 3, width });
    }
}

/// A path that computes both products of `f32`.
type Path = (&'static str, fn(Checked<'_, Dot<'_, f32>>, &mut Tile), fn(Checked<'_, Outer<'_, f32>>, &mut Tile));

fn paths() -> Vec<Path> {
    let mut paths: Vec<Path> = vec![("chosen", f32::dot, f32::outer)];
    #[cfg(target_arch = "x86_64")]
    {
        if avx512::Instructions::detect().is_some() {
            paths.push((
                "avx512",
                |p, t| avx512::Instructions::detect().unwrap().dot(p, t),
                |p, t| avx512::Instructions::detect().unwrap().outer(p, t),
            ));
        }
        if avx2::Instructions::detect().is_some() {
            paths.push((
                "avx2",
                |p, t| avx2::Instructions::detect().unwrap().dot(p, t),
                |p, t| avx2::Instructions::detect().unwrap().outer(p, t),
            ));
        }
    }
    paths
}

#[test]
fn vector_sums_equal_plain_ones() {
    for pixels in 1..=5 {
        each_product::<f32>(pixels, |dot, outer| {
            let mut expected = [[7.0; WIDTH]; ROWS];
            for (name, dot_by, outer_by) in paths() {
                let mut found = [[9.0; WIDTH]; ROWS];
                dot_by(dot.checked(), &mut found);
                portable::dot(dot.checked(), &mut expected);
                near(name, &found, &expected, dot.width);
                // Added to what is there, which is the same within rounding.
                outer_by(outer.checked(), &mut found);
                portable::outer(outer.checked(), &mut expected);
                near(name, &found, &expected, outer.width);
            }
        });
    }
}

#[test]
fn sums_of_bfloat16_are_those_of_their_values() {
    for pixels in 1..=5 {
        each_product::<bf16>(pixels, |dot, outer| {
            let values = |numbers: &[bf16]| numbers.iter().map(|v| v.to_f32()).collect::<Vec<f32>>();
            let (source, right) = (values(dot.source), values(outer.right));
            // Lines of the panel one after the other, as `f32` has them.
            let lines = dot.segments.len() * dot.run;
            let panel: Vec<f32> = (0..lines * dot.width)
                .map(|i| {
                    let (line, column) = (i / dot.width, i % dot.width);
                    dot.panel[(line / 2 * dot.width + column) * 2 + line % 2].to_f32()
                })
                .collect();
            let Dot { rows, segments, run, width, .. } = *dot;
            let plain = Dot { source: &source, rows, segments, run, panel: &panel, width };
            let Outer { left_at, left_from, right_at, right_from, .. } = *outer;
            let plain_outer = Outer { left: &source, left_at, left_from, right: &right, right_at, right_from, width };
            let (mut found, mut expected) = ([[9.0; WIDTH]; ROWS], [[7.0; WIDTH]; ROWS]);
            portable::dot(plain.checked(), &mut expected);
            bf16::dot(dot.checked(), &mut found);
            near("chosen", &found, &expected, width);
            portable::dot(dot.checked(), &mut found);
            near("portable", &found, &expected, width);
            let sums = expected;
            portable::outer(plain_outer.checked(), &mut expected);
            let mut found = sums;
            bf16::outer(outer.checked(), &mut found);
            near("chosen", &found, &expected, width);
            let mut found = sums;
            portable::outer(outer.checked(), &mut found);
            near("portable", &found, &expected, width);
        });
    }
}

/// The order of the sums is that of the pixels, however many are added at a time.
#[test]
fn a_sum_in_two_parts_has_the_bits_of_the_whole() {
    fn in_parts<T: Operand>(outer: &Outer<'_, T>, add: impl Fn(&Outer<'_, T>, &mut Tile)) {
        let mut whole = [[0.5; WIDTH]; ROWS];
        let mut parts = whole;
        add(outer, &mut whole);
        for part in [0..2, 2..outer.left_at.all.len()] {
            let of = |offsets: &Offsets| Offsets::new(offsets.all[part.clone()].to_vec());
            let (left_at, right_at) = (&of(outer.left_at), &of(outer.right_at));
            add(&Outer { left_at, right_at, ..*outer }, &mut parts);
        }
        assert_eq!(whole, parts);
    }
    for pixels in 3..=5 {
        each_product::<f32>(pixels, |_, outer| {
            for (_, _, outer_by) in paths() {
                in_parts(outer, |part, tile| outer_by(part.checked(), tile));
            }
            in_parts(outer, |part, tile| portable::outer(part.checked(), tile));
        });
        each_product::<bf16>(pixels, |_, outer| {
            in_parts(outer, |part, tile| part.add_to(tile));
            in_parts(outer, |part, tile| portable::outer(part.checked(), tile));
        });
    }
}

#[test]
fn rounding_is_to_the_nearest_and_to_even() {
    // Half way between two neighbours, of which the even one is the lower and the upper one.
    let (below, above) = (1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0);
    let odd = [0.0, -0.0, 1.0, below, above, -3.0e38, 1.0e-30, f32::MAX, f32::INFINITY, f32::NEG_INFINITY];
    let all: Vec<f32> = odd.into_iter().chain(numbers::<f32>(40, 5)).collect();
    for n in 0..all.len() {
        assert_eq!(*bf16::round(&all[..n]), all[..n].iter().map(|v| bf16::from_f32(*v)).collect::<Vec<_>>());
    }
    assert!(bf16::round(&[f32::NAN; 17]).iter().all(|v| v.is_nan()));
    assert_eq!([below, above].map(|v| bf16::rounded(v).value()), [1.0, 1.0 + 4.0 / 256.0], "ties to even");
}

#[test]
#[should_panic(expected = "reading up to element 401 of 400")]
fn an_offset_that_leads_outside_stops_the_program() {
    let (source, panel): (Vec<f32>, Vec<f32>) = (numbers(400, 1), numbers(7 * LANES, 2));
    let rows = [0, 1, 2, 3, 4, 5, 6, 354];
    let product = Dot { source: &source, rows: &rows, segments: &[40], run: 7, panel: &panel, width: LANES };
    product.compute(&mut [[0.0; WIDTH]; ROWS]);
}

#[test]
#[should_panic(expected = "a segment of 7; expected groups of 2")]
fn half_a_pair_stops_the_program() {
    let (source, panel): (Vec<bf16>, Vec<bf16>) = (numbers(400, 1), numbers(7 * LANES, 2));
    let product = Dot { source: &source, rows: &[0; ROWS], segments: &[0], run: 7, panel: &panel, width: LANES };
    product.compute(&mut [[0.0; WIDTH]; ROWS]);
}

#[test]
#[should_panic(expected = "on the right")]
fn an_offset_to_the_right_that_leads_outside_stops_the_program() {
    let numbers = numbers::<f32>(40, 1);
    let (left, right) = (numbers.as_slice(), numbers.as_slice());
    let [left_at, right_at] = &[vec![0_u32], vec![9_u32]].map(Offsets::new);
    let product = Outer { left, left_at, left_from: 0, right, right_at, right_from: 0, width: WIDTH };
    product.add_to(&mut [[0.0; WIDTH]; ROWS]);
}
