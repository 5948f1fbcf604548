//! Every path against sums of big integers, and against each other to the last bit.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::primes::ntt_primes;

struct Case {
    q: Modulus,
    rows: Vec<(Vec<u32>, Vec<i32>)>,
    columns: usize,
    input_components: usize,
    output_components: usize,
    accumulate: bool,
}

fn check(case: &Case, seed: u64) {
    let Case { q, rows, columns, input_components: ic, output_components: oc, accumulate } = case;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Extreme residues often, where carries and corrections go wrong.
    let mut residue = || if rng.random_bool(0.3) { q.value() - 1 } else { rng.random_range(0..q.value()) };
    let input: Vec<u64> = (0..columns * ic * TILE).map(|_| residue()).collect();
    let bias: Vec<u64> = rows.iter().map(|_| residue()).collect();
    let before: Vec<u64> = (0..rows.len() * oc * TILE).map(|_| residue()).collect();
    let mut expected = before.clone();
    for (r, (cols, weights)) in rows.iter().enumerate() {
        for c in 0..*oc {
            for t in 0..TILE {
                let at = (r * oc + c) * TILE + t;
                let mut sum = if c == 0 { i128::from(bias[r]) } else { 0 };
                if c < *ic {
                    sum += cols
                        .iter()
                        .zip(weights)
                        .map(|(&k, &w)| i128::from(w) * i128::from(input[(k as usize * ic + c) * TILE + t]))
                        .sum::<i128>();
                }
                if *accumulate {
                    sum += i128::from(before[at]);
                }
                expected[at] = q.reduce_i128(sum);
            }
        }
    }
    if *accumulate {
        // Accumulating products leave rows without weights, and components without input, as they
        // are.
        for (r, (cols, _)) in rows.iter().enumerate() {
            for c in 0..*oc {
                if cols.is_empty() || c >= *ic {
                    let at = (r * oc + c) * TILE;
                    expected[at..at + TILE].copy_from_slice(&before[at..at + TILE]);
                }
            }
        }
    }
    for kernel in Kernel::available() {
        for bits in [0, q.bits()] {
            let mut output = before.clone();
            let panels =
                Panels::for_residues(kernel, bits, rows.len(), *columns, |r| (&rows[r].0, &rows[r].1)).unwrap();
            let product = TileProduct {
                panels: &panels,
                input: ProductInput::Plain(&input),
                input_components: *ic,
                output_components: *oc,
                bias: Some(&bias),
                accumulates: *accumulate,
            };
            kernel.multiply(*q, &product, &mut ProductWorkspace::default(), &mut output);
            assert!(output == expected, "{kernel:?}, q of {} bits, arranged for {bits}, {} rows", q.bits(), rows.len());
        }
    }
}

fn modulus(bits: u32) -> Modulus {
    Modulus::new(ntt_primes(64, bits, 1, &[]).unwrap()[0])
}

fn dense(rows: usize, columns: usize, weight: i32, seed: u64) -> Vec<(Vec<u32>, Vec<i32>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pick = || match rng.random_range(-weight..=weight) {
        0 => weight,
        w => w,
    };
    (0..rows).map(|_| ((0..columns as u32).collect(), (0..columns).map(|_| pick()).collect())).collect()
}

#[test]
fn dense_products_are_exact_at_the_limits() {
    // (bits of the prime, largest weight): the widest that 52-bit products allow, and beyond.
    for (bits, weight) in [(40, 2047), (44, 127), (37, 16_383), (50, 1), (20, 1 << 20), (50, 1 << 30), (45, 4095)] {
        for rows in [1, 2, 3, 4, 5, 6, 7, 13] {
            let rows = dense(rows, 70, weight, 1);
            check(
                &Case {
                    q: modulus(bits),
                    rows,
                    columns: 70,
                    input_components: 3,
                    output_components: 3,
                    accumulate: false,
                },
                2,
            );
        }
    }
}

#[test]
fn more_columns_than_one_accumulation_holds() {
    let rows = dense(7, 5000, 2047, 3);
    check(
        &Case {
            q: modulus(40),
            rows: rows.clone(),
            columns: 5000,
            input_components: 2,
            output_components: 2,
            accumulate: false,
        },
        4,
    );
    check(
        &Case { q: modulus(40), rows, columns: 5000, input_components: 2, output_components: 2, accumulate: true },
        4,
    );
}

/// Sums of pieces that must be added up after one pair, after some, in the middle of a block and
/// after several; an odd column; each number of pieces, at the widest prime that it holds.
#[test]
fn sums_of_pieces_are_exact_at_the_limits() {
    for (bits, columns, weight) in
        [(31, 301, 32_767), (32, 700, 2047), (33, 301, 900), (47, 700, 127), (48, 130, 32_767)]
    {
        let q = modulus(bits);
        for rows in [6, 13] {
            let mut rows = dense(rows, columns, weight, 13);
            // The largest sums that weights can have.
            rows[0].1.fill(weight);
            rows[5].1.fill(-weight);
            for (input_components, accumulate) in [(2, false), (3, true)] {
                let rows = rows.clone();
                check(&Case { q, rows, columns, input_components, output_components: 3, accumulate }, 14);
            }
        }
    }
}

#[test]
fn squares_are_multiplied_as_they_are_made() {
    let mut rng = ChaCha8Rng::seed_from_u64(15);
    for bits in [30, 36, 45, 49] {
        let q = modulus(bits);
        let rows = dense(30, 75, 511, 16);
        let input: Vec<u64> = (0..75 * 2 * TILE).map(|_| rng.random_range(0..q.value())).collect();
        let outputs = Kernel::available().into_iter().map(|kernel| {
            let mut squares = vec![0; 75 * 3 * TILE];
            kernel.square(q, &input, &mut squares);
            let panels = Panels::for_residues(kernel, bits, rows.len(), 75, |r| (&rows[r].0, &rows[r].1)).unwrap();
            [ProductInput::Square(&input), ProductInput::Plain(&squares)].map(|input| {
                let mut output = vec![0; rows.len() * 3 * TILE];
                let product = TileProduct {
                    panels: &panels,
                    input,
                    input_components: 3,
                    output_components: 3,
                    bias: None,
                    accumulates: false,
                };
                kernel.multiply(q, &product, &mut ProductWorkspace::default(), &mut output);
                output
            })
        });
        let outputs: Vec<_> = outputs.flatten().collect();
        assert!(outputs.iter().all(|output| *output == outputs[0]), "{bits} bits");
    }
}

#[test]
fn sparse_rows_empty_rows_and_missing_components() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for accumulate in [false, true] {
        let rows: Vec<_> = (0..40)
            .map(|r| {
                let columns: Vec<u32> = (0..50).filter(|_| r % 7 != 3 && rng.random_bool(0.2)).collect();
                let weights = columns.iter().map(|_| if rng.random_bool(0.5) { -2048 } else { 2047 }).collect();
                (columns, weights)
            })
            .collect();
        check(&Case { q: modulus(39), rows, columns: 50, input_components: 2, output_components: 3, accumulate }, 6);
    }
}

#[test]
fn squares_and_products_are_exact() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for bits in [16, 30, 36, 45, 50] {
        let q = modulus(bits);
        let mut residue = || if rng.random_bool(0.3) { q.value() - 1 } else { rng.random_range(0..q.value()) };
        let input: Vec<u64> = (0..5 * 2 * TILE).map(|_| residue()).collect();
        for kernel in Kernel::available() {
            let mut output = vec![0; 5 * 3 * TILE];
            kernel.square(q, &input, &mut output);
            for e in 0..5 {
                for t in 0..TILE {
                    let (a, b) = (input[e * 2 * TILE + t], input[e * 2 * TILE + TILE + t]);
                    let got: [u64; 3] = std::array::from_fn(|c| output[(e * 3 + c) * TILE + t]);
                    let cross = q.mul(a, b);
                    assert_eq!(got, [q.mul(a, a), q.add(cross, cross), q.mul(b, b)], "{kernel:?} {bits}");
                }
            }
            let (a, rest) = input.split_at(TILE);
            let (b, rest) = rest.split_at(TILE);
            let mut sum = rest[..TILE].to_vec();
            kernel.multiply_add(q, &mut sum, a, b);
            for t in 0..TILE {
                assert_eq!(sum[t], q.add(rest[t], q.mul(a[t], b[t])), "{kernel:?} {bits}");
            }
        }
    }
}

/// As many terms as fill one accumulation, and more.
#[test]
fn sums_of_products_are_exact() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for (bits, terms) in [(16, 3), (30, 0), (36, 1), (50, 5), (50, 1024), (50, 1025), (40, 2100)] {
        let q = modulus(bits);
        let mut residues = |len: usize| -> Vec<u64> {
            (0..len)
                .map(|_| if rng.random_bool(0.7) { q.value() - 1 } else { rng.random_range(0..q.value()) })
                .collect()
        };
        let len = 2 * TILE;
        let operands: Vec<[Vec<u64>; 3]> = (0..terms).map(|_| [residues(len), residues(len), residues(len)]).collect();
        let before = [residues(len), residues(len)];
        let expected: [Vec<u64>; 2] = std::array::from_fn(|half| {
            let sum =
                |i: usize| operands.iter().fold(before[half][i], |sum, o| q.add(sum, q.mul(o[0][i], o[half + 1][i])));
            (0..len).map(sum).collect()
        });
        let products: Vec<PairProduct<'_>> =
            operands.iter().map(|[factor, first, second]| PairProduct { factor, values: [first, second] }).collect();
        for kernel in Kernel::available() {
            let mut sums = before.clone();
            let [first, second] = &mut sums;
            kernel.add_products(q, &products, [first, second]);
            assert!(sums == expected, "{kernel:?} {bits} {terms}");
        }
    }
}

/// Constants of every width, more than are added up before they are reduced, and none.
#[test]
fn products_with_constants_that_repeat() {
    let q = modulus(50);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut residues = |len: usize| -> Vec<u64> {
        (0..len).map(|_| if rng.random_bool(0.3) { q.value() - 1 } else { rng.random_range(0..q.value()) }).collect()
    };
    let values = residues(5 * 2 * TILE);
    let pairs = values.as_chunks::<{ 2 * TILE }>().0;
    for (width, count) in [1, 2, 4, 8, 16, 32].into_iter().flat_map(|width| [0, 3, 1500].map(|count| (width, count))) {
        let (constants, before) = (residues(count * width), residues(2 * TILE));
        let columns: Vec<u32> = (0..count as u32).map(|k| 7 + k * 3 % 5).collect();
        let products =
            TileProducts { constants: &constants, width, columns: &columns, first: 0_usize.wrapping_sub(7), pairs };
        let expected: Vec<u64> = (0..2 * TILE)
            .map(|i| {
                let factor = |k: usize| constants[k * width + i % TILE * width / TILE];
                (0..count).fold(before[i], |sum, k| q.add(sum, q.mul(factor(k), pairs[columns[k] as usize - 7][i])))
            })
            .collect();
        for kernel in Kernel::available() {
            let mut sums: [u64; 2 * TILE] = before.as_slice().try_into().unwrap();
            kernel.add_tile_products(q, products, &mut sums);
            assert!(sums == *expected, "{kernel:?}, width {width}, {count} constants");
        }
    }
}

#[test]
fn permutations_of_vectors_and_within_them() {
    let sources: Vec<u32> = (0..64_u32).map(|i| (i / 8 * 3 + 1) % 8 * 8 + (i * 5 + i / 8) % 8).collect();
    let values: Vec<u64> = (0..64).map(|i| i * i).collect();
    let expected: Vec<u64> = sources.iter().map(|&s| values[s as usize]).collect();
    for kernel in Kernel::available() {
        let mut out = vec![0; 64];
        kernel.permute(&Permutation::new(&sources), &values, &mut out);
        assert_eq!(out, expected, "{kernel:?}");
    }
}

#[test]
#[should_panic(expected = "are not of one vector")]
fn a_permutation_that_mixes_vectors_stops() {
    Permutation::new(&[0, 1, 2, 3, 4, 5, 6, 8]);
}

#[test]
fn extending_and_dividing_are_exact() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for (from, to) in [(50, 20), (20, 50), (37, 36), (36, 37), (50, 49)] {
        let (p, q) = (modulus(from), modulus(to));
        let ends = [0, 1, p.value() / 2, p.value() / 2 + 1, p.value() - 1];
        let x: Vec<u64> = (0..64).map(|i| if i < 5 { ends[i] } else { rng.random_range(0..p.value()) }).collect();
        let y: Vec<u64> = (0..64).map(|_| rng.random_range(0..q.value())).collect();
        let factor = q.inverse(q.reduce(p.value()));
        for kernel in Kernel::available() {
            let mut extended = vec![0; 64];
            kernel.base_extend(BaseChange { from: p, to: q }, &x, &mut extended);
            let mut divided = y.clone();
            kernel.mod_down_step(q, &mut divided, &extended, q.factor(factor));
            let mut scaled = y.clone();
            kernel.scale(q, &mut scaled, q.factor(factor));
            let mut summed = vec![1; 64];
            let terms = [(p, factor, &x), (q, q.value() - 1, &y), (p, 1, &x)];
            let terms = terms.map(|(from, factor, residues)| BaseTerm { from, factor, residues });
            kernel.base_combine(q, &terms, &mut summed);
            for i in 0..64 {
                let integer =
                    if x[i] > p.value() / 2 { i128::from(x[i]) - i128::from(p.value()) } else { i128::from(x[i]) };
                assert_eq!(extended[i], q.reduce_i128(integer), "{kernel:?} {from} {to}");
                assert_eq!(divided[i], q.mul(q.sub(y[i], extended[i]), factor), "{kernel:?} {from} {to}");
                assert_eq!(scaled[i], q.mul(y[i], factor), "{kernel:?} {from} {to}");
                let sum = q.add(q.mul(extended[i], factor), q.sub(extended[i], y[i]));
                assert_eq!(summed[i], sum, "{kernel:?} {from} {to}");
            }
        }
    }
}

/// Rows that lack a few columns, no two panels the same ones.
#[test]
fn rows_that_read_nearly_the_same_columns_are_worked_on_together() {
    let lacking = |columns: u32, share: u32| -> Vec<(Vec<u32>, Vec<i32>)> {
        let row = |r: u32| {
            // Whole panels lack the same column.
            let read = |c: &u32| (r / 6 * 31 + c * 17) % 100 >= share;
            let columns: Vec<u32> = (0..columns).filter(read).collect();
            let weights = columns.iter().map(|&c| (c + r) as i32 % 15 - 7).map(|w| if w == 0 { 3 } else { w });
            (columns.clone(), weights.collect())
        };
        (0..24).map(row).collect()
    };
    let groups = |rows: &[(Vec<u32>, Vec<i32>)], columns: usize| {
        let panels = |kernel| Panels::new(kernel, rows.len(), columns, |r| (&rows[r].0, &rows[r].1)).unwrap();
        let count = |panels: Panels| panels.groups().len() + panels.paired().groups().len();
        Kernel::available().into_iter().map(|kernel| count(panels(kernel))).collect::<Vec<_>>()
    };
    let nearly = lacking(300, 6);
    assert!(groups(&nearly, 300).iter().all(|&n| n == 1), "{:?}", groups(&nearly, 300));
    // Half of the columns are not nearly all, and few columns stay in the cache.
    assert!(groups(&lacking(300, 50), 300).iter().all(|&n| n > 1));
    assert!(groups(&lacking(60, 6), 60).iter().all(|&n| n > 1));
    for (bits, accumulate) in [(40, false), (45, true)] {
        let (q, rows) = (modulus(bits), nearly.clone());
        check(&Case { q, rows, columns: 300, input_components: 2, output_components: 3, accumulate }, 4);
    }
}

#[test]
#[should_panic(expected = "operands of different length")]
fn operands_of_different_length_stop() {
    Kernel::Portable.multiply_add(modulus(30), &mut [0; 64], &[0; 64], &[0; 32]);
}

#[test]
#[should_panic(expected = "words of a product's input")]
fn an_input_that_is_too_short_stops() {
    let panels = Panels::new(Kernel::Portable, 1, 2, |_| (&[0, 1], &[1, 1])).unwrap();
    let product = TileProduct {
        panels: &panels,
        input: ProductInput::Plain(&[0; 2 * TILE]),
        input_components: 2,
        output_components: 2,
        bias: None,
        accumulates: false,
    };
    Kernel::Portable.multiply(modulus(30), &product, &mut ProductWorkspace::default(), &mut [0; 2 * TILE]);
}
