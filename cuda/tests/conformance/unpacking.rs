//! Bits of ciphertexts, and what seeds stand for.

use beaa_ckks::{CompressedBatch, CompressedShape, Parameters, compress_b, compress_batch};
use beaa_cuda::{Ring, operations};

use crate::kit::{DEGREES, device, devices, every_width, fill, parameters, random, rng, same};

/// Unpacked on the device and on the processor.
fn same_residues(p: &Parameters, shape: CompressedShape, bytes: &[u8], number: usize) {
    let packed = CompressedBatch::new(p, shape, bytes).unwrap();
    let device = device(number);
    let ring = Ring::new(&device, p).unwrap();
    let found = operations::unpack(&ring, &packed).unwrap();
    same(&ring, &found, &packed.expand().unwrap(), &format!("{shape:?} at {}", p.degree()));
}

#[test]
fn bits_are_unpacked_as_by_the_engine_at_every_degree_and_width() {
    for degree in DEGREES {
        let p = every_width(degree);
        let limbs = p.max_limbs();
        let (len, components) = if degree == 2048 { (5, 3) } else { (1, 2) };
        let batch = random(&p, limbs, components, len, 7);
        let shape = CompressedShape { limbs, len, components, seed: None };
        same_residues(&p, shape, &compress_batch(&p, &batch).unwrap(), degree.ilog2() as usize);
    }
}

#[test]
fn seeds_are_expanded_as_by_the_engine_at_every_degree_and_width() {
    for degree in DEGREES {
        let p = every_width(degree);
        let (limbs, len) = (p.max_limbs(), 3);
        let moduli: Vec<u64> = p.moduli(limbs).map(|q| q.value()).collect();
        let halves = |element: usize, values: &mut [u64]| {
            let mut rng = rng(element as u64);
            values.chunks_exact_mut(degree).zip(&moduli).for_each(|(values, &q)| fill(q, &mut rng, values));
            Ok::<_, beaa_ckks::Error>(())
        };
        let seed: [u8; 32] = std::array::from_fn(|i| (i * 89 + degree) as u8);
        let shape = CompressedShape { limbs, len, components: 2, seed: Some(seed) };
        same_residues(&p, shape, &compress_b(&p, limbs, len, halves).unwrap(), degree.ilog2() as usize);
    }
}

#[test]
fn what_is_not_below_its_prime_is_refused() {
    let p = parameters(2048, &[45, 40], &[]);
    let mut bytes = compress_batch(&p, &random(&p, 2, 2, 3, 1)).unwrap();
    let shape = CompressedShape { limbs: 2, len: 3, components: 2, seed: None };
    // The last residue of the last limb becomes the largest number of 40 bits.
    let end = bytes.len();
    bytes[end - 5..].fill(0xff);
    for device in devices() {
        let ring = Ring::new(&device, &p).unwrap();
        let packed = CompressedBatch::new(&p, shape, &bytes).unwrap();
        let refused = operations::unpack(&ring, &packed).unwrap_err().to_string();
        assert!(refused.contains("not below its prime"), "{refused}");
    }
}
