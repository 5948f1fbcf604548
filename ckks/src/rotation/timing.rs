//! Seconds of each step of a product with diagonals, for whoever models its cost:
//! `cargo test --release -p beaa-ckks --lib -- --ignored --nocapture seconds_of_steps`.

use super::diagonal_product::{DiagonalProduct, HELD_WORDS};
use super::rotation_steps::RotationSpace;
use super::word_pool::WordPool;
use super::{Diagonal, DiagonalMatrix, DiagonalShape, GaloisKeys, KeyedRotation, Rotator};
use crate::pointwise::InputBatch;
use crate::primes::ntt_primes;
use crate::switching_ring::SwitchingRing;
use crate::{Batch, Parameters, ParametersLiteral, SecretKey, SecretRng};

const N: usize = 8192;
const LIMBS: usize = 4;

/// Seconds that this thread has been running, whoever else had the processor in between.
fn thread_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// The mean of as many runs as a quarter of a second holds.
fn seconds(mut run: impl FnMut()) -> f64 {
    run();
    let start = thread_seconds();
    for runs in 1.. {
        run();
        let seconds = thread_seconds() - start;
        if seconds > 0.25 {
            return seconds / f64::from(runs);
        }
    }
    unreachable!("runs without end")
}

fn parameters() -> Parameters {
    let moduli = ntt_primes(N, 40, LIMBS, &[]).unwrap();
    let special = ntt_primes(N, 45, 1, &moduli).unwrap();
    Parameters::without_security(ParametersLiteral { degree: N, moduli, special, security: 128 }).unwrap()
}

fn batch(p: &Parameters, len: usize) -> Batch {
    Batch::build(p, LIMBS, 2, len, |element, out| {
        for (i, v) in (element as u64..).zip(out) {
            *v = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 25;
        }
        Ok(())
    })
    .unwrap()
}

fn matrix(p: &Parameters, shape: DiagonalShape, babies: usize, giants: &[usize]) -> DiagonalMatrix {
    let mut diagonals = Vec::new();
    for output in 0..shape.outputs as u32 {
        for &giant in giants {
            for input in 0..shape.inputs as u32 {
                diagonals.extend((0..babies).map(|baby| Diagonal { output, giant, input, baby }));
            }
        }
    }
    DiagonalMatrix::new(p, shape, &diagonals, |d, out| out.fill(d as f64)).unwrap()
}

#[test]
#[ignore = "a measurement, not a check"]
fn seconds_of_steps() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(measure);
}

fn measure() {
    let p = parameters();
    let (babies, rotations) = (8, (1..8).chain([64, 128, N / 2]).collect::<Vec<_>>());
    let mut rng = SecretRng::insecure(1, "test");
    let secret = SecretKey::generate(&p, &mut rng);
    let keys = GaloisKeys::generate(&secret, &KeyedRotation::of_all_limbs(&p, &rotations), &mut rng).unwrap();
    let rotator = Rotator::new(&p, &keys).unwrap();
    let (ring, pool) = (&SwitchingRing::new(&p, LIMBS), WordPool::default());
    println!("N = {N}, {LIMBS} limbs and a special prime, {:?}, one thread, microseconds", p.kernel());
    let report = |what: &str, seconds: f64| println!("{what:44}{:10.1}", seconds * 1e6);

    let mut values = vec![1; N];
    report("transform", seconds(|| p.transforms(1)[0].forward(&mut values)));
    report("inverse transform", seconds(|| p.transforms(1)[0].inverse(&mut values)));
    let x = batch(&p, 1);
    let shape = DiagonalShape { limbs: LIMBS, inputs: 1, outputs: 1, period: N };
    let rotation = |slots| KeyedRotation { slots, limbs: LIMBS };
    let one_key = keys.key("measuring", rotation(1)).unwrap();
    let (mut pair, mut space) = (vec![1; 2 * ring.words()], RotationSpace::new(ring, &pool));
    report("switch keys and rotate, not hoisted", seconds(|| ring.rotate(one_key, &mut pair, &mut space)));
    report("divide one component by P", seconds(|| ring.divide(&mut pair[..ring.words()], space.polynomial())));
    report("rotate one ciphertext", seconds(|| drop(rotator.rotate(&x, 1).unwrap())));

    let sums = |x: &Batch, matrix: &DiagonalMatrix| {
        let terms = [(InputBatch::Stored(x), matrix)];
        let product =
            DiagonalProduct::new((ring, &pool), &terms, HELD_WORDS, |slots| keys.key("measuring", rotation(slots)))
                .unwrap();
        seconds(|| drop(product.sums().unwrap()))
    };
    let (one, two, many) = (
        sums(&x, &matrix(&p, shape, 1, &[0])),
        sums(&x, &matrix(&p, shape, 2, &[0])),
        sums(&x, &matrix(&p, shape, babies, &[0])),
    );
    let baby = (many - two) / (babies - 2) as f64;
    let wide = DiagonalShape { outputs: 65, ..shape };
    let product = (sums(&x, &matrix(&p, wide, babies, &[0])) - many) / (64 * babies) as f64;
    report("sums of one input, not rotated", one);
    report("decompose one input", two - one - baby);
    report("one baby and its product", baby);
    report("one product of eight in a sum", product);
    let sum = sums(&x, &matrix(&p, wide, 1, &[0])) - one;
    report("a sum of one product", sum / 64.0);
    let memory = seconds(|| vec![0_u8; 64 * 2 * ring.words() * 8].chunks_mut(4096).for_each(|page| page[0] = 1));
    report("memory of a sum", memory / 64.0);
    let finish = |matrix: &DiagonalMatrix| {
        let terms = [(InputBatch::Stored(&x), matrix)];
        let product =
            DiagonalProduct::new((ring, &pool), &terms, HELD_WORDS, |slots| keys.key("measuring", rotation(slots)))
                .unwrap();
        let (sums, mut rotated, mut space) = (product.sums().unwrap(), pair.clone(), RotationSpace::new(ring, &pool));
        let mut pair = pair.clone();
        seconds(|| product.finish(&sums, 0, [&mut pair, &mut rotated], &mut space))
    };
    report("one giant", finish(&matrix(&p, shape, 1, &[0, 64, 128])) - finish(&matrix(&p, shape, 1, &[0, 64])));
    let folded = |folds: &[usize]| {
        let matrix = matrix(&p, shape, 1, &[0]);
        seconds(|| drop(rotator.multiply(&[(InputBatch::Stored(&x), &matrix)], &[vec![1.0; N]], folds).unwrap()))
    };
    let (none, one) = (folded(&[]), folded(&[N / 2]));
    report("one fold", one - none);
    report("all of a product without rotation", none);
}
