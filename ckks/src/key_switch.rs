//! Relinearisation and rescaling: the operations that leave the pointwise world for coefficients and come back. Several in
//! a row are done ciphertext by ciphertext, so that nothing between them is stored. Must never run on residues of another
//! level than they say.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::error::operand;
use crate::kernel::Aligned;
use crate::ring::ntt::Transform;
use crate::{Batch, EvaluationKey, Parameters, Result, kernel};

/// What to do to each ciphertext, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switch {
    /// Three components back to two.
    pub relinearise: bool,
    /// So many divisions by the last prime.
    pub rescales: usize,
}

/// What it came to.
#[derive(Debug)]
pub struct Switched {
    /// The result.
    pub batch: Batch,
    /// Seconds of relinearising, summed over threads.
    pub relinearising: f64,
    /// Seconds of rescaling, all divisions together, summed over threads.
    pub rescaling: f64,
}

/// Three components back to two. Adds noise of variance about `limbs * q^2 / 12 * sigma^2 * (2N)^2 / P^2` per slot, where
/// P is the special prime, or 1 without one: then relinearise only at a scale far above q.
pub fn relinearise(parameters: &Parameters, key: &EvaluationKey, batch: &Batch) -> Result<Batch> {
    Ok(switch(parameters, Some(key), batch, Switch { relinearise: true, rescales: 0 })?.batch)
}

/// Divides by the last prime, with rounding, and drops its limb.
pub fn rescale(parameters: &Parameters, batch: &Batch) -> Result<Batch> {
    Ok(switch(parameters, None, batch, Switch { relinearise: false, rescales: 1 })?.batch)
}

/// Relinearises and rescales. The same bits as one operation after the other.
pub fn switch(parameters: &Parameters, key: Option<&EvaluationKey>, batch: &Batch, what: Switch) -> Result<Switched> {
    let key = match (what.relinearise, key) {
        (false, _) => None,
        (true, Some(key)) => {
            batch.expect("relinearising", parameters, 3)?;
            Some(key)
        }
        (true, None) => return Err(operand("relinearising", "no key", "an evaluation key")),
    };
    batch.expect("rescaling", parameters, batch.components())?;
    let (n, before) = (parameters.degree(), batch.limbs());
    let Some(limbs) = before.checked_sub(what.rescales).filter(|&l| l > 0) else {
        let found = format!("{before} limbs for {} divisions", what.rescales);
        return Err(operand("rescaling", found, "at least one limb more than divisions"));
    };
    let components = if what.relinearise { 2 } else { batch.components() };
    let (relinearising, rescaling) = (AtomicU64::new(0), AtomicU64::new(0));
    let room = || Workspace::new(parameters, batch);
    let result = Batch::build_with(parameters, limbs, components, batch.len(), room, |room, element, out| {
        let mut last = Instant::now();
        let mut lap = |to: &AtomicU64| {
            let now = Instant::now();
            to.fetch_add(u64::try_from((now - last).as_nanos()).unwrap_or(u64::MAX), Relaxed);
            last = now;
        };
        room.read(batch, element);
        let Workspace { values, digit, extended, sums } = room;
        let values = values.words_mut();
        if let Some(key) = key {
            relinearise_one(parameters, key, values, [digit, extended, sums]);
            lap(&relinearising);
        }
        for (values, out) in values.chunks_exact_mut(before * n).zip(out.chunks_exact_mut(limbs * n)) {
            divide(parameters, values, limbs, extended.words_mut());
            out.copy_from_slice(values.get(..limbs * n).unwrap_or_default());
        }
        lap(if what.rescales > 0 { &rescaling } else { &relinearising });
        Ok(())
    })?;
    let seconds = |nanoseconds: AtomicU64| nanoseconds.into_inner() as f64 / 1e9;
    Ok(Switched { batch: result, relinearising: seconds(relinearising), rescaling: seconds(rescaling) })
}

/// What a thread keeps from ciphertext to ciphertext.
struct Workspace {
    /// A whole ciphertext, `[component][limb][N]`.
    values: Aligned,
    digit: Aligned,
    extended: Aligned,
    /// With a special prime, what is to be divided by it: `[half][prime][N]`.
    sums: Aligned,
}

impl Workspace {
    fn new(parameters: &Parameters, batch: &Batch) -> Self {
        let n = parameters.degree();
        let primes = parameters.special().map_or(0, |_| batch.limbs() + 1);
        Self {
            values: Aligned::zeros(batch.components() * batch.limbs() * n),
            digit: Aligned::zeros(n),
            extended: Aligned::zeros(n),
            sums: Aligned::zeros(2 * primes * n),
        }
    }

    fn read(&mut self, batch: &Batch, element: usize) {
        let n = self.digit.words().len();
        for (place, out) in self.values.words_mut().chunks_exact_mut(n).enumerate() {
            batch.read(element, place / batch.limbs(), place % batch.limbs(), out);
        }
    }
}

/// Adds to the first two components what the third one stands for.
fn relinearise_one(parameters: &Parameters, key: &EvaluationKey, values: &mut [u64], room: [&mut Aligned; 3]) {
    let n = parameters.degree();
    let limbs = values.len() / (3 * n);
    let [digit, extended, sums] = room.map(Aligned::words_mut);
    let (pair, third) = values.split_at_mut(2 * limbs * n);
    let Some(special) = parameters.special() else {
        return add_digits(parameters, key, third, pair, [digit, extended]);
    };
    sums.fill(0);
    add_digits(parameters, key, third, sums, [digit, extended]);
    let half = sums.len() / 2;
    for (sums, values) in sums.chunks_exact_mut(half).zip(pair.chunks_exact_mut(limbs * n)) {
        divide_by(parameters, special, sums, limbs, extended);
        let limbs = values.chunks_exact_mut(n).zip(sums.chunks_exact(n));
        for (t, (values, sums)) in parameters.transforms(limbs.len()).iter().zip(limbs) {
            for (v, &s) in values.iter_mut().zip(sums) {
                *v = t.modulus().add(*v, s);
            }
        }
    }
}

/// `sums += digit * key` over the digits of the third component, for both halves and all primes that take part: the
/// batch's, and the special one, which is stored after all moduli.
fn add_digits(
    parameters: &Parameters,
    key: &EvaluationKey,
    third: &[u64],
    sums: &mut [u64],
    [digit, extended]: [&mut [u64]; 2],
) {
    let n = digit.len();
    let transforms = parameters.transforms(third.len() / n);
    let special = parameters.special().map(|t| (parameters.max_limbs(), t));
    let (first, second) = sums.split_at_mut(sums.len() / 2);
    for ((i, t), third) in transforms.iter().enumerate().zip(third.chunks_exact(n)) {
        digit.copy_from_slice(third);
        t.inverse(digit);
        let sums = first.chunks_exact_mut(n).zip(second.chunks_exact_mut(n));
        for ((prime, to), (first, second)) in transforms.iter().enumerate().chain(special).zip(sums) {
            if prime == i {
                key.accumulate(parameters, i, prime, third, [first, second]);
            } else {
                base_extend(parameters, t, to, digit, extended);
                key.accumulate(parameters, i, prime, extended, [first, second]);
            }
        }
    }
}

/// The first `limbs` limbs become `rest = (rest - top) / p`, where the limb after them holds the values modulo `p`.
fn divide_by(parameters: &Parameters, p: &Transform, values: &mut [u64], limbs: usize, extended: &mut [u64]) {
    let n = extended.len();
    let (rest, top) = values.split_at_mut(limbs * n);
    p.inverse(top);
    for (t, limb) in parameters.transforms(limbs).iter().zip(rest.chunks_exact_mut(n)) {
        let q = t.modulus();
        let inverse = q.factor(q.inverse(q.reduce(p.modulus().value())));
        base_extend(parameters, p, t, top, extended);
        kernel::mod_down_step(parameters.kernel(), q, limb, extended, inverse);
    }
}

/// Divides by all primes from number `limbs` on, the last one first, rounding each time. What the primes to be dropped
/// have in common is worked out on coefficients, as digits to the base of these primes, and carried to each of the others
/// once: `d_m + ...` stands for `d_last + p_last (d_(last-1) + p_(last-1) (...))`.
fn divide(parameters: &Parameters, values: &mut [u64], limbs: usize, extended: &mut [u64]) {
    let n = extended.len();
    let kernel = parameters.kernel();
    let (rest, tops) = values.split_at_mut(limbs * n);
    let dropped = parameters.transforms(limbs + tops.len() / n).get(limbs..).unwrap_or_default();
    for (t, top) in dropped.iter().zip(tops.chunks_exact_mut(n)) {
        t.inverse(top);
    }
    for last in (1..dropped.len()).rev() {
        let (below, digits) = tops.split_at_mut(last * n);
        let (Some(p), Some(digit)) = (dropped.get(last), digits.get(..n)) else { continue };
        for (t, top) in dropped.iter().zip(below.chunks_exact_mut(n)) {
            let q = t.modulus();
            kernel::base_extend(kernel, p.modulus(), q, digit, extended);
            kernel::mod_down_step(kernel, q, top, extended, q.factor(q.inverse(q.reduce(p.modulus().value()))));
        }
    }
    let Some((first, others)) = dropped.split_first() else { return };
    let (lowest, digits) = tops.split_at(n);
    // One more polynomial would do as well; the digit's lift is added while it is made.
    for (t, limb) in parameters.transforms(limbs).iter().zip(rest.chunks_exact_mut(n)) {
        let q = t.modulus();
        kernel::base_extend(kernel, first.modulus(), q, lowest, extended);
        let mut product = q.reduce(first.modulus().value());
        for (p, digit) in others.iter().zip(digits.chunks_exact(n)) {
            let p_in_q = q.reduce(p.modulus().value());
            kernel::scale_add_extended(kernel, (p.modulus(), q), extended, q.factor(p_in_q), digit);
            product = q.mul(product, p_in_q);
        }
        t.forward(extended);
        kernel::mod_down_step(kernel, q, limb, extended, q.factor(q.inverse(product)));
    }
}

/// Coefficients modulo one prime, taken as integers of least absolute value, as values modulo another.
fn base_extend(parameters: &Parameters, from: &Transform, to: &Transform, coefficients: &[u64], out: &mut [u64]) {
    kernel::base_extend(parameters.kernel(), from.modulus(), to.modulus(), coefficients, out);
    to.forward(out);
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::{ParametersLiteral, SecretKey, SecretRng, primes::ntt_primes};

    const N: usize = 64;

    fn parameters(special: bool) -> Parameters {
        let moduli = ntt_primes(N, 25, 3, &[]).unwrap();
        let special = if special { ntt_primes(N, 30, 1, &moduli).unwrap() } else { vec![] };
        Parameters::without_security(ParametersLiteral { degree: N, moduli, special, security: 128 }).unwrap()
    }

    fn random(p: &Parameters, limbs: usize, components: usize) -> Batch {
        Batch::build(p, limbs, components, 3, |element, out| {
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(element as u64);
            for (i, limb) in out.chunks_mut(N).enumerate() {
                let q = p.moduli(limbs).nth(i % limbs).unwrap().value();
                limb.fill_with(|| rng.random_range(0..q));
            }
            Ok(())
        })
        .unwrap()
    }

    /// The integers of least absolute value with the coefficients' residues: Chinese remainders in 128 bits.
    fn integers(p: &Parameters, batch: &Batch, element: usize, component: usize) -> Vec<i128> {
        let product: i128 = p.moduli(batch.limbs()).map(|q| i128::from(q.value())).product();
        let mut sums = vec![0_i128; N];
        for (i, t) in p.transforms(batch.limbs()).iter().enumerate() {
            let mut values = vec![0; N];
            batch.read(element, component, i, &mut values);
            t.inverse(&mut values);
            let q = t.modulus();
            let rest = product / i128::from(q.value());
            let inverse = q.inverse(q.reduce_i128(rest));
            for (s, &v) in sums.iter_mut().zip(&values) {
                *s = (*s + rest * i128::from(q.mul(v, inverse))) % product;
            }
        }
        sums.into_iter().map(|s| if s > product / 2 { s - product } else { s }).collect()
    }

    #[test]
    fn rescaling_is_division_with_rounding() {
        let p = parameters(false);
        let before = random(&p, 3, 3);
        let after = rescale(&p, &before).unwrap();
        let last = i128::from(p.literal().moduli[2]);
        for element in 0..3 {
            for component in 0..3 {
                let (x, y) = (integers(&p, &before, element, component), integers(&p, &after, element, component));
                for (x, y) in x.into_iter().zip(y) {
                    assert_eq!(y, (x + (x.signum() * last) / 2) / last, "{x} / {last}");
                }
            }
        }
    }

    #[test]
    fn several_at_once_are_one_after_the_other_to_the_last_bit() {
        for special in [false, true] {
            let p = parameters(special);
            let mut rng = SecretRng::insecure(2, "test");
            let secret = SecretKey::generate(&p, &mut rng);
            let key = EvaluationKey::generate(&p, &secret, &mut rng);
            let before = random(&p, 3, 3);
            let one = relinearise(&p, &key, &before).unwrap();
            let both =
                |rescales| switch(&p, Some(&key), &before, Switch { relinearise: true, rescales }).unwrap().batch;
            assert!(both(0) == one);
            let two = rescale(&p, &one).unwrap();
            assert!(both(1) == two);
            assert!(both(2) == rescale(&p, &two).unwrap());
            let twice = switch(&p, None, &before, Switch { relinearise: false, rescales: 2 }).unwrap().batch;
            assert!(twice == rescale(&p, &rescale(&p, &before).unwrap()).unwrap());
        }
    }

    #[test]
    fn too_few_limbs_or_no_key_are_refused() {
        let p = parameters(false);
        let batch = random(&p, 2, 3);
        assert!(switch(&p, None, &batch, Switch { relinearise: false, rescales: 2 }).is_err());
        assert!(switch(&p, None, &batch, Switch { relinearise: true, rescales: 0 }).is_err());
    }

    /// Decrypts to coefficients by schoolbook products: `c_0 + c_1 s + c_2 s^2`.
    fn phase(p: &Parameters, secret: &SecretKey, batch: &Batch, element: usize) -> Vec<u64> {
        let t = &p.transforms(1)[0];
        let q = t.modulus();
        let s: Vec<u64> = secret.to_bytes().iter().map(|&b| q.reduce_i64(i64::from(b.cast_signed()))).collect();
        (0..batch.components()).rev().fold(vec![0; N], |sum, component| {
            let mut c = vec![0; N];
            batch.read(element, component, 0, &mut c);
            t.inverse(&mut c);
            crate::ring::ntt::schoolbook(q, &sum, &s).iter().zip(&c).map(|(&a, &b)| q.add(a, b)).collect()
        })
    }

    /// Without a special prime the digits are as large as the modulus that `phase` sees; the noise tests cover that.
    #[test]
    fn relinearising_with_a_special_prime_keeps_the_phase_but_for_rounding() {
        let p = parameters(true);
        let mut rng = SecretRng::insecure(1, "test");
        let secret = SecretKey::generate(&p, &mut rng);
        let key = EvaluationKey::generate(&p, &secret, &mut rng);
        for limbs in 1..=3 {
            let before = random(&p, limbs, 3);
            let after = relinearise(&p, &key, &before).unwrap();
            let q = p.moduli(1).next().unwrap();
            for element in 0..3 {
                let pairs = phase(&p, &secret, &before, element).into_iter().zip(phase(&p, &secret, &after, element));
                let largest = pairs.map(|(a, b)| q.centre(q.sub(a, b)).unsigned_abs()).max().unwrap();
                assert!(largest < 2 * N as u64, "{largest} at {limbs} limbs");
            }
        }
    }
}
