//! Times of operations on graphics card 0, for `cuda/check`: nothing else may run on it. It says
//! nothing of what is right, which the tests do.

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use beaa_ckks::{
    Batch, CompressedBatch, CompressedShape, EvaluationKey, GaloisKeys, KeyedRotation, Parameters, ParametersLiteral,
    SecretKey, SecretRng, compress_b, primes,
};
use beaa_cuda::{CudaDevice, Device, DeviceGaloisKeys, DeviceKey, DevicePanels, Limbs, Ring, View, operations};
use beaa_ir::SparseMatrix;

/// The least time in which something is repeated.
const LEAST_SECONDS: f64 = 0.5;

/// Milliseconds of `work`, the mean of as many runs as take half a second; one before is not
/// counted.
fn mark(device: &CudaDevice, name: &str, work: impl Fn()) {
    work();
    device.synchronise().unwrap();
    let (started, mut runs) = (Instant::now(), 0);
    while started.elapsed().as_secs_f64() < LEAST_SECONDS {
        work();
        device.synchronise().unwrap();
        runs += 1;
    }
    println!("{name}: {:.4} ms", started.elapsed().as_secs_f64() * 1e3 / f64::from(runs));
}

/// Residues that look random and are the same in every run.
fn batch(p: &Parameters, components: usize, len: usize) -> Batch {
    let moduli: Vec<u64> = p.moduli(p.max_limbs()).map(|q| q.value()).collect();
    Batch::build(p, moduli.len(), components, len, |element, out| {
        for (i, polynomial) in out.chunks_mut(p.degree()).enumerate() {
            let q = moduli[i % moduli.len()];
            for (j, residue) in polynomial.iter_mut().enumerate() {
                *residue = ((element * 65_537 + i * 8191 + j) as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % q;
            }
        }
        Ok(())
    })
    .unwrap()
}

fn dense(rows: u32, columns: u32) -> SparseMatrix {
    let weight = |row: u32, column: u32| ((row * 7919 + column * 104_729) % 4095) as i32 - 2047;
    let rows = (0..rows).map(|r| (0..columns).map(|c| (c, weight(r, c))).filter(|(_, w)| *w != 0).collect());
    SparseMatrix::from_rows(columns as usize, rows.collect()).unwrap()
}

fn main() {
    let device = CudaDevice::open(0).unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1)
    });
    let degree = 8192;
    let moduli = primes::ntt_primes(degree, 36, 4, &[]).unwrap();
    let p = Parameters::without_security(ParametersLiteral { degree, moduli, special: vec![], security: 128 }).unwrap();
    println!("{}, N = {degree}, 4 limbs of 36 bits", device.name());
    let mut rng = SecretRng::insecure(1, "marks");
    let secret = SecretKey::generate(&p, &mut rng);
    let key = EvaluationKey::generate(&secret, &mut rng);
    let rotations = GaloisKeys::generate(&secret, &KeyedRotation::of_all_limbs(&p, &[1]), &mut rng).unwrap();
    let ring = Ring::new(&device, &p).unwrap();
    let key = DeviceKey::new(&ring, &key).unwrap();
    let rotations = DeviceGaloisKeys::new(&ring, &rotations, rotations.rotations()).unwrap();

    let items = 1024;
    let [from, to] = [0, 1].map(|_| device.allocate(4 * items * degree).unwrap());
    let views = (View::dense(&to, items, degree), View::dense(&from, items, degree));
    mark(&device, "4096 forward transforms", || {
        operations::forward(&ring, views, items, Limbs::first(4), None).unwrap();
    });
    mark(&device, "4096 inverse transforms", || operations::inverse(&ring, views, items, Limbs::first(4)).unwrap());

    let (inputs, outputs) = (batch(&p, 2, 845), batch(&p, 3, 100));
    let sent = compress_b(&p, 4, 845, |_, half| {
        half.fill(1);
        Ok::<_, beaa_ckks::Error>(())
    });
    let sent = sent.unwrap();
    let shape = CompressedShape { limbs: 4, len: 845, components: 2, seed: Some([7; 32]) };
    let sent = CompressedBatch::new(&p, shape, &sent).unwrap();
    mark(&device, "845 ciphertexts to the card, with seed, unpacked there", || {
        drop(operations::unpack(&ring, &sent).unwrap());
    });
    mark(&device, "845 ciphertexts to the card, as residues", || drop(operations::upload(&ring, &inputs).unwrap()));
    let inputs = operations::upload(&ring, &inputs).unwrap();
    let outputs = operations::upload(&ring, &outputs).unwrap();
    mark(&device, "100 ciphertexts from the card", || drop(operations::download(&ring, &outputs).unwrap()));
    mark(&device, "845 squares", || drop(operations::square(&ring, &inputs, 4).unwrap()));
    let squares = operations::square(&ring, &inputs, 4).unwrap();
    let weights = DevicePanels::new(&device, &dense(100, 845)).unwrap();
    mark(&device, "100 x 845 weights times squares", || {
        let term = operations::Term { input: &squares, weights: &weights };
        drop(operations::linear(&ring, &[term], &[1; 100], 4).unwrap());
    });
    mark(&device, "100 relinearisations", || drop(operations::relinearise(&ring, &key, &outputs).unwrap()));
    let pairs = operations::relinearise(&ring, &key, &outputs).unwrap();
    mark(&device, "100 rotations, one after the other", || {
        drop(operations::rotate(&ring, &rotations, &pairs, 1).unwrap());
    });
    mark(&device, "100 rescalings of 3 components", || drop(operations::rescale(&ring, &outputs).unwrap()));
}
