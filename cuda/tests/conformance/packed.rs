//! Rotations, and linear maps of ciphertexts that hold several elements.

use beaa_ckks::pointwise::InputBatch;
use beaa_ckks::{
    Diagonal, DiagonalMatrix, DiagonalShape, GaloisKeys, KeyedRotation, Parameters, Rotator, SecretKey, SecretRng,
};
use beaa_cuda::operations::{PackedTerm, diagonals, rotate};
use beaa_cuda::{DeviceDiagonals, DeviceGaloisKeys, Ring};
use beaa_runtime::ckks::PackedSums;
use rand::RngExt;

use crate::kit::{DEGREES, device, devices, every_width, parameters, random, rng, same, upload};

fn keys(p: &Parameters, rotations: &[KeyedRotation]) -> GaloisKeys {
    let mut rng = SecretRng::insecure(5, "conformance of rotations");
    GaloisKeys::generate(&SecretKey::generate(p, &mut rng), rotations, &mut rng).unwrap()
}

#[test]
fn rotations_are_those_of_the_engine_with_special_primes_and_without() {
    for degree in DEGREES {
        for special in [&[][..], &[50], &[49, 44], &[40, 41, 42]] {
            let p = parameters(degree, &[50, 41, 30], special);
            // The second one is for fewer limbs than there are.
            let all = [(1, 3), (degree / 2 + 3, 2), (degree - 1, 3)];
            let all = all.map(|(slots, limbs)| KeyedRotation { slots, limbs });
            let keys = keys(&p, &all);
            let rotator = Rotator::new(&p, &keys).unwrap();
            let device = device(degree.ilog2() as usize);
            let ring = Ring::new(&device, &p).unwrap();
            let device_keys = DeviceGaloisKeys::new(&ring, &keys, keys.rotations()).unwrap();
            for KeyedRotation { slots, limbs } in all {
                let batch = random(&p, limbs, 2, 2, slots as u64);
                let found = rotate(&ring, &device_keys, &upload(&ring, &batch), slots).unwrap();
                let expected = rotator.rotate(&batch, slots).unwrap();
                same(&ring, &found, &expected, &format!("by {slots} at {degree}, special {special:?}"));
            }
            let value = upload(&ring, &random(&p, 3, 2, 1, 1));
            assert!(rotate(&ring, &device_keys, &value, degree / 2 + 3).is_err(), "a key for two limbs");
            assert!(rotate(&ring, &device_keys, &value, 2).is_err(), "no key");
        }
    }
}

/// A matrix with random constants, some of them the largest: `[output, giant, input, baby]`.
fn matrix(p: &Parameters, shape: DiagonalShape, diagonals: &[[usize; 4]], seed: u64) -> DiagonalMatrix {
    let of = |&[output, giant, input, baby]: &[usize; 4]| Diagonal {
        output: output as u32,
        giant,
        input: input as u32,
        baby,
    };
    let diagonals: Vec<Diagonal> = diagonals.iter().map(of).collect();
    DiagonalMatrix::new(p, shape, &diagonals, |d, out| {
        let mut rng = rng(seed + d as u64);
        out.fill_with(|| f64::from(rng.random_range(-2_000_000_i32..=2_000_000)));
    })
    .unwrap()
}

/// Inputs that are rotated and not, sums that are rotated and not, of two terms.
const FIRST: [[usize; 4]; 8] =
    [[0, 0, 0, 0], [0, 0, 2, 1], [0, 8, 1, 2], [0, 8, 1, 0], [1, 0, 2, 2], [1, 8, 0, 1], [1, 8, 2, 1], [1, 8, 2, 0]];
const SECOND: [[usize; 4]; 3] = [[1, 0, 0, 0], [0, 16, 0, 0], [1, 0, 1, 1]];
const NOT_ROTATED: [[usize; 4]; 3] = [[1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0]];

/// Both terms on the engine and on the device, which works in `workspace` words.
fn same_product(p: &Parameters, [first, second]: [&[[usize; 4]]; 2], folds: &[usize], workspace: usize, number: usize) {
    let (n, limbs) = (p.degree(), p.max_limbs());
    let keys = keys(p, &KeyedRotation::of_all_limbs(p, &[1, 2, 8, 16, n / 2]));
    let rotator = Rotator::new(p, &keys).unwrap();
    let shape = |inputs, period| DiagonalShape { limbs, inputs, outputs: 2, period };
    // As many slots as there are, fewer than a tile has values, and less than is stored.
    let matrices = [matrix(p, shape(3, n), first, 1), matrix(p, shape(2, [128, 4, n / 2][number % 3]), second, 2)];
    let inputs = [random(p, limbs, 2, 3, 1), random(p, limbs, 2, 2, 2)];
    let bias: Vec<Vec<f64>> =
        (0..2).map(|output| (0..n).map(|i| ((i * 7919 + output) % 65_521) as f64 * 16.0).collect()).collect();
    let terms = [0, 1].map(|i| (InputBatch::Stored(&inputs[i]), &matrices[i]));
    let expected = rotator.multiply(&terms, &bias, folds).unwrap();

    let device = device(number);
    let ring = Ring::new(&device, p).unwrap().with_workspace(workspace);
    let device_keys = DeviceGaloisKeys::new(&ring, &keys, keys.rotations()).unwrap();
    let values = inputs.each_ref().map(|batch| upload(&ring, batch));
    let weights = matrices.each_ref().map(|m| DeviceDiagonals::new(&ring, m).unwrap());
    let terms = [0, 1].map(|i| PackedTerm { input: &values[i], weights: &weights[i] });
    let sums = PackedSums { bias, folds: folds.to_vec() };
    let found = diagonals(&ring, Some(&device_keys), &terms, &sums).unwrap();
    same(&ring, &found, &expected, &format!("{first:?} and {second:?} folded by {folds:?} at {n}, {workspace} words"));
}

#[test]
fn maps_by_diagonals_are_those_of_the_engine_at_every_degree() {
    for (number, degree) in DEGREES.into_iter().enumerate() {
        for special in [&[][..], &[50], &[49, 44], &[40, 41, 42]] {
            let p = parameters(degree, &[50, 41, 30], special);
            same_product(&p, [&FIRST, &SECOND], &[degree / 2], 1 << 25, number);
        }
    }
}

#[test]
fn maps_by_diagonals_are_those_of_the_engine_at_every_width() {
    same_product(&every_width(2048), [&FIRST, &SECOND], &[], 1 << 25, 1);
}

#[test]
fn inputs_a_few_at_a_time_and_maps_without_a_rotation_give_the_same_bits() {
    for special in [&[][..], &[45], &[44, 43]] {
        let p = parameters(2048, &[45, 40, 35], special);
        for number in 0..3 {
            // One rotated input at a time, three, all.
            for workspace in [1, 3 * 8 * 2048, 1 << 25] {
                same_product(&p, [&FIRST, &SECOND], &[2, 1024], workspace, number);
            }
            same_product(&p, [&NOT_ROTATED, &NOT_ROTATED], &[], 1 << 25, number);
        }
    }
}

#[test]
fn keys_and_constants_of_other_parameters_are_refused() {
    let (p, other) = (parameters(2048, &[40, 30], &[]), parameters(2048, &[41, 30], &[]));
    for device in devices() {
        let ring = Ring::new(&device, &p).unwrap();
        let rotations = KeyedRotation::of_all_limbs(&other, &[1]);
        assert!(DeviceGaloisKeys::new(&ring, &keys(&other, &rotations), &rotations).is_err());
        let wanted = KeyedRotation::of_all_limbs(&p, &[1, 2]);
        assert!(DeviceGaloisKeys::new(&ring, &keys(&p, &wanted[..1]), &wanted).is_err(), "a rotation without a key");
        let shape = DiagonalShape { limbs: 2, inputs: 1, outputs: 1, period: 2048 };
        assert!(DeviceDiagonals::new(&ring, &matrix(&other, shape, &[[0, 0, 0, 0]], 1)).is_err());
    }
}
