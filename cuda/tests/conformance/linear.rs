//! Integer weights times ciphertexts.

use beaa_ckks::pointwise::{InputBatch, Op, Operand, run};
use beaa_ckks::{Batch, Panels, Parameters};
use beaa_cuda::{DevicePanels, Ring, operations};
use beaa_cuda_shim::TestDevice;
use beaa_ir::SparseMatrix;
use rand::RngExt;

use crate::kit::{DEGREES, device, devices, every_width, parameters, random, rng, same, upload};

/// How weights are drawn.
#[derive(Clone, Copy)]
struct Weights {
    rows: usize,
    columns: usize,
    /// Of 100 weights as many are there.
    filled: u32,
    /// Rows with the same columns that follow each other.
    alike: usize,
    largest: i32,
}

fn matrix(weights: Weights, seed: u64) -> SparseMatrix {
    let mut rng = rng(seed);
    let mut columns: Vec<u32> = Vec::new();
    let rows = (0..weights.rows).map(|row| {
        if row % weights.alike == 0 {
            columns = (0..weights.columns as u32).filter(|_| rng.random_range(0..100) < weights.filled).collect();
        }
        let values = columns.iter().map(|_| match rng.random_range(0..8) {
            0 => weights.largest,
            1 => -weights.largest,
            _ => rng.random_range(-weights.largest..=weights.largest),
        });
        columns.iter().copied().zip(values.collect::<Vec<i32>>()).filter(|(_, w)| *w != 0).collect::<Vec<_>>()
    });
    SparseMatrix::from_rows(weights.columns, rows.collect()).unwrap()
}

/// The engine's result, and that of the kernels on all devices.
fn compare(p: &Parameters, limbs: usize, terms: &[(Batch, SparseMatrix)], bias: &[i128], what: &str) {
    compare_on(devices(), p, limbs, (terms, bias), what);
}

/// The engine's result, and that of the kernels.
fn compare_on(
    devices: Vec<TestDevice>,
    p: &Parameters,
    limbs: usize,
    (terms, bias): (&[(Batch, SparseMatrix)], &[i128]),
    what: &str,
) {
    let arranged: Vec<Panels> =
        terms.iter().map(|(_, m)| Panels::new(p.kernel(), m.rows(), m.columns(), |row| m.row(row)).unwrap()).collect();
    let inputs: Vec<InputBatch<'_>> = terms.iter().map(|(batch, _)| InputBatch::Stored(batch)).collect();
    let products = arranged.iter().enumerate().map(|(i, panels)| (Operand::Input(i), panels)).collect();
    let expected = run(p, limbs, &inputs, &[Op::Linear { terms: products, bias }]).unwrap().batch;
    for device in devices {
        let ring = Ring::new(&device, p).unwrap();
        let values: Vec<_> = terms.iter().map(|(batch, _)| upload(&ring, batch)).collect();
        let weights: Vec<_> = terms.iter().map(|(_, m)| DevicePanels::new(&device, m).unwrap()).collect();
        let products: Vec<_> =
            values.iter().zip(&weights).map(|(input, weights)| operations::Term { input, weights }).collect();
        let found = operations::linear(&ring, &products, bias, limbs).unwrap();
        same(&ring, &found, &expected, what);
    }
}

fn biases(rows: usize, seed: u64) -> Vec<i128> {
    let mut rng = rng(seed);
    (0..rows).map(|_| i128::from(rng.random::<i64>()) << rng.random_range(0..60)).collect()
}

#[test]
fn dense_and_sparse_products_are_those_of_the_engine() {
    let p = parameters(2048, &[50, 36, 20], &[]);
    let weights = Weights { rows: 15, columns: 70, filled: 100, alike: 15, largest: 2047 };
    for (what, weights) in [
        ("dense", weights),
        ("sparse", Weights { filled: 10, alike: 1, ..weights }),
        ("pairs alike", Weights { filled: 40, alike: 2, ..weights }),
        ("thirteen alike, some rows empty", Weights { rows: 40, filled: 2, alike: 13, ..weights }),
        ("one row", Weights { rows: 1, columns: 1, ..weights }),
        ("no weight at all", Weights { filled: 0, ..weights }),
        ("just a tile of columns", Weights { columns: 64, ..weights }),
    ] {
        let terms = [(random(&p, 3, 2, weights.columns, 1), matrix(weights, 2))];
        compare(&p, 3, &terms, &biases(weights.rows, 3), what);
    }
}

#[test]
fn the_largest_weights_and_residues_are_summed_exactly() {
    let p = parameters(2048, &[50, 49, 20], &[]);
    for largest in [i32::MAX, 1 << 24, 1] {
        let weights = Weights { rows: 9, columns: 700, filled: 100, alike: 9, largest };
        let all_equal = vec![vec![largest; 700]; 9];
        let extreme = all_equal.into_iter().map(|row| (0_u32..).zip(row).collect::<Vec<_>>());
        let extreme = SparseMatrix::from_rows(700, extreme.collect()).unwrap();
        for matrix in [matrix(weights, 5), extreme] {
            compare(&p, 3, &[(random(&p, 3, 2, 700, 4), matrix)], &biases(9, 6), "large weights");
        }
    }
}

#[test]
fn terms_of_other_components_and_limbs_are_added() {
    let p = parameters(2048, &[40, 40, 40], &[]);
    let weights = Weights { rows: 11, columns: 20, filled: 50, alike: 3, largest: 500 };
    let other = Weights { columns: 7, ..weights };
    let two = || (random(&p, 2, 2, 20, 1), matrix(weights, 1));
    let three = || (random(&p, 3, 3, 7, 2), matrix(other, 2));
    compare(&p, 2, &[two(), three()], &biases(11, 1), "two components, then three");
    compare(&p, 2, &[three(), two()], &biases(11, 1), "three components, then two");
    compare(&p, 1, &[three(), three(), two()], &biases(11, 1), "three terms on one limb");
}

#[test]
fn products_are_those_of_the_engine_at_every_degree_and_width() {
    for degree in DEGREES {
        let p = every_width(degree);
        let weights = Weights { rows: 3, columns: 5, filled: 80, alike: 3, largest: 1000 };
        let terms = [(random(&p, p.max_limbs(), 2, 5, 1), matrix(weights, 2))];
        let one = vec![device(degree.ilog2() as usize)];
        compare_on(one, &p, p.max_limbs(), (&terms, &biases(3, 3)), "every width");
    }
}
