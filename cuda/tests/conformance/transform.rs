//! The transform, at every degree and width.

use beaa_ckks::{Parameters, bench_support};
use beaa_cuda::{Device as _, Limbs, Ring, View, operations};

use crate::kit::{DEGREES, device, devices, every_width, fill, parameters, rng, words};

/// Random polynomials, `[limb][item][N]`.
fn polynomials(p: &Parameters, items: usize, seed: u64) -> Vec<u64> {
    let (n, mut rng) = (p.degree(), rng(seed));
    let mut all = vec![0; p.max_limbs() * items * n];
    for (q, limb) in p.moduli(p.max_limbs()).zip(all.chunks_exact_mut(items * n)) {
        fill(q.value(), &mut rng, limb);
    }
    // The largest residues everywhere, where sums grow most.
    for (q, limb) in p.moduli(p.max_limbs()).zip(all.chunks_exact_mut(items * n)) {
        limb[..n].fill(q.value() - 1);
    }
    all
}

/// Each polynomial as `one` changes it, which is told its limb.
fn each(p: &Parameters, items: usize, before: &[u64], one: impl Fn(usize, &mut [u64])) -> Vec<u64> {
    let mut after = before.to_vec();
    for (i, polynomial) in after.chunks_exact_mut(p.degree()).enumerate() {
        one(i / items, polynomial);
    }
    after
}

#[test]
fn values_and_coefficients_are_those_of_the_engine_at_every_degree_and_width() {
    const ITEMS: usize = 2;
    for degree in DEGREES {
        let p = every_width(degree);
        let coefficients = polynomials(&p, ITEMS, degree as u64);
        let values = each(&p, ITEMS, &coefficients, |limb, a| bench_support::forward(&p, limb, a));
        let limbs = Limbs::first(p.max_limbs());
        for device in devices() {
            let ring = Ring::new(&device, &p).unwrap();
            let [from, to] = [&coefficients, &values].map(|w| device.upload(w).unwrap());
            let after = device.allocate(coefficients.len()).unwrap();
            let [from, to, after] = [&from, &to, &after].map(|m| View::dense(m, ITEMS, degree));
            operations::forward(&ring, (after, from), ITEMS, limbs, None).unwrap();
            assert!(words(&device, after.memory) == values, "forward at {degree}, {device:?}");
            operations::inverse(&ring, (after, to), ITEMS, limbs).unwrap();
            assert!(words(&device, after.memory) == coefficients, "inverse at {degree}, {device:?}");
        }
    }
}

#[test]
fn coefficients_modulo_one_prime_have_the_values_of_the_engine_modulo_all_others() {
    const ITEMS: usize = 2;
    for degree in DEGREES {
        let p = every_width(degree);
        let (n, count) = (degree, p.max_limbs());
        let all = polynomials(&p, ITEMS, 7);
        for source in [0, count / 2, count - 1] {
            let from = &all[source * ITEMS * n..(source + 1) * ITEMS * n];
            let mut expected = vec![0; all.len()];
            for (i, out) in expected.chunks_exact_mut(n).enumerate() {
                let (limb, item) = (i / ITEMS, i % ITEMS);
                bench_support::base_extend(&p, source, limb, &from[item * n..(item + 1) * n], out);
                bench_support::forward(&p, limb, out);
            }
            let device = device(source);
            let ring = Ring::new(&device, &p).unwrap();
            let (from, to) = (device.upload(from).unwrap(), device.allocate(all.len()).unwrap());
            let from = View { limb_stride: 0, ..View::dense(&from, ITEMS, n) };
            let views = (View::dense(&to, ITEMS, n), from);
            operations::forward(&ring, views, ITEMS, Limbs::first(count), Some(source)).unwrap();
            assert!(words(&device, &to) == expected, "extension of limb {source} at {degree}");
        }
    }
}

#[test]
fn a_degree_without_kernels_is_refused_with_those_that_have_some() {
    let device = device(0);
    for degree in [1024, 65536] {
        let refused = Ring::new(&device, &parameters(degree, &[40], &[])).err().unwrap().to_string();
        assert!(refused.contains(&degree.to_string()) && refused.contains("32768"), "{refused}");
    }
}
