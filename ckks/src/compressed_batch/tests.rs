//! Packing and unpacking batches, whole and in parts.

use super::*;
use crate::compress::{compress_b, compress_batch};
use crate::ring::modulus::Modulus;
use crate::{ParametersLiteral, primes::ntt_primes};

const N: usize = 64;

fn parameters(bits: u32) -> Parameters {
    let moduli = ntt_primes(N, bits, 2, &[]).unwrap();
    Parameters::without_security(ParametersLiteral { degree: N, moduli, special: vec![], security: 128 }).unwrap()
}

fn shape(limbs: usize, len: usize, components: usize) -> CompressedShape {
    CompressedShape { limbs, len, components, seed: None }
}

fn batch(p: &Parameters, components: usize) -> Batch {
    Batch::build(p, 2, components, 3, |element, out| {
        let moduli: Vec<u64> = p.moduli(2).map(Modulus::value).collect();
        for (i, limb) in out.chunks_mut(N).enumerate() {
            let q = moduli[i % 2];
            for (j, v) in limb.iter_mut().enumerate() {
                let x = (element * 1000 + i * 100 + j) as u64;
                *v = if x.is_multiple_of(3) { q - 1 - x % 7 } else { x.wrapping_mul(0x9E37_79B9_7F4A_7C15) % q };
            }
        }
        Ok(())
    })
    .unwrap()
}

#[test]
fn packing_round_trips_at_every_width() {
    for bits in 15..=50 {
        let p = parameters(bits);
        let before = batch(&p, 3);
        let bytes = compress_batch(&p, &before).unwrap();
        assert_eq!(bytes.len(), 3 * compressed_bytes(&p, 2, 3));
        let packed = CompressedBatch::new(&p, shape(2, 3, 3), &bytes).unwrap();
        assert!(packed.expand().unwrap() == before, "{bits} bits");
    }
}

#[test]
fn halves_are_completed_from_the_seed() {
    let p = parameters(33);
    let whole = batch(&p, 2);
    let bytes = compress_b(&p, 2, 3, |element, half| {
        half.chunks_mut(N).enumerate().for_each(|(limb, out)| whole.read(element, 0, limb, out));
        Ok::<_, crate::Error>(())
    })
    .unwrap();
    let seed = [7; 32];
    let packed = CompressedBatch::new(&p, CompressedShape { seed: Some(seed), ..shape(2, 3, 2) }, &bytes).unwrap();
    let expanded = packed.expand().unwrap();
    let mut got = vec![0; N];
    for element in 0..3 {
        let expected = crate::CiphertextId { seed, index: element as u64 }.expand_a(&p, 2).unwrap();
        for limb in 0..2 {
            expanded.read(element, 1, limb, &mut got);
            assert_eq!(got, expected[limb * N..(limb + 1) * N]);
            expanded.read(element, 0, limb, &mut got);
            let mut stored = vec![0; N];
            whole.read(element, 0, limb, &mut stored);
            assert_eq!(got, stored);
        }
    }
    let mut some = vec![0; expanded.block_len()];
    assert!(packed.read(1, Some(&[0, 2]), &mut some));
    assert_eq!(some[..2 * TILE], expanded.block(1)[..2 * TILE]);
    assert_eq!(some[2 * TILE..4 * TILE], [0; 2 * TILE], "nobody asked for the second");
    assert_eq!(some[4 * TILE..], expanded.block(1)[4 * TILE..]);
}

struct Released(std::sync::Mutex<Vec<bool>>);

impl Release for Released {
    fn release(&self, bytes: Range<usize>) {
        self.0.lock().unwrap()[bytes].fill(true);
    }
}

#[test]
fn what_has_been_read_is_released() {
    let p = parameters(20);
    let bytes = compress_batch(&p, &batch(&p, 2)).unwrap();
    let released = Released(vec![false; bytes.len()].into());
    CompressedBatch::new(&p, shape(2, 3, 2), &bytes).unwrap().releasing(&released).expand().unwrap();
    assert!(released.0.lock().unwrap().iter().all(|r| *r));
}

#[test]
fn what_is_no_residue_or_of_the_wrong_size_is_refused() {
    let p = parameters(20);
    let bytes = vec![0xff; 2 * compressed_bytes(&p, 2, 2)];
    assert!(CompressedBatch::new(&p, shape(2, 2, 2), &bytes).unwrap().expand().is_err());
    assert!(CompressedBatch::new(&p, shape(2, 3, 2), &bytes).is_err());
    assert!(CompressedBatch::new(&p, shape(2, 0, 2), &[]).is_err());
    assert!(CompressedBatch::new(&p, shape(3, 2, 2), &bytes).is_err());
    assert!(CompressedBatch::new(&p, shape(2, usize::MAX, 2), &bytes).is_err());
    assert!(CompressedBatch::new(&p, CompressedShape { seed: Some([0; 32]), ..shape(2, 2, 3) }, &bytes).is_err());
}
