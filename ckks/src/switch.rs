//! Relinearisation and rescaling: the operations that leave the pointwise world for coefficients and come back.
//! Must never run on residues of another level than they say.

use crate::error::operand;
use crate::{Batch, EvaluationKey, Parameters, Result, kernel};

/// Three components back to two. Adds noise of variance about `limbs * q^2 / 12 * sigma^2 * (2N)^2 / P^2` per slot, where
/// P is the special prime, or 1 without one: then relinearise only at a scale far above q.
pub fn relinearise(parameters: &Parameters, key: &EvaluationKey, batch: &Batch) -> Result<Batch> {
    batch.expect("relinearising", parameters, 3)?;
    let (n, limbs) = (parameters.degree(), batch.limbs());
    // The primes that take part: the batch's, and the special one, which is stored after all moduli.
    let mut primes: Vec<usize> = (0..limbs).collect();
    primes.extend(parameters.special().map(|_| parameters.max_limbs()));
    Batch::build(parameters, limbs, 2, batch.len(), |element, out| {
        let mut sums = [vec![0; primes.len() * n], vec![0; primes.len() * n]];
        let (mut values, mut digit, mut lifted) = (vec![0; n], vec![0; n], vec![0; n]);
        for (i, t) in parameters.transforms(limbs).iter().enumerate() {
            batch.read(element, 2, i, &mut values);
            digit.copy_from_slice(&values);
            t.inverse(&mut digit);
            for (k, &prime) in primes.iter().enumerate() {
                let Some(target) = parameters.all_transforms().get(prime) else { continue };
                let operand = if prime == i {
                    &values
                } else {
                    lift(parameters, t, target, &digit, &mut lifted);
                    &lifted
                };
                let [s0, s1] = &mut sums;
                let at = k * n..(k + 1) * n;
                let (Some(s0), Some(s1)) = (s0.get_mut(at.clone()), s1.get_mut(at)) else { continue };
                key.accumulate(parameters, i, prime, operand, [s0, s1]);
            }
        }
        for (component, (sum, out)) in sums.iter_mut().zip(out.chunks_mut(limbs * n)).enumerate() {
            let (sum, top) = sum.split_at_mut(limbs * n);
            if let Some(special) = parameters.special() {
                divide(parameters, limbs, special, top, sum, &mut lifted);
            }
            for ((i, t), (out, sum)) in
                parameters.transforms(limbs).iter().enumerate().zip(out.chunks_mut(n).zip(sum.chunks(n)))
            {
                batch.read(element, component, i, out);
                for (o, &s) in out.iter_mut().zip(sum) {
                    *o = t.modulus().add(*o, s);
                }
            }
        }
        Ok(())
    })
}

/// Divides by the last prime, with rounding, and drops its limb.
pub fn rescale(parameters: &Parameters, batch: &Batch) -> Result<Batch> {
    batch.expect("rescaling", parameters, batch.components())?;
    let (n, limbs) = (parameters.degree(), batch.limbs().saturating_sub(1));
    let Some(last) = parameters.transforms(limbs + 1).last().filter(|_| limbs > 0) else {
        return Err(operand("rescaling", "1 limb", "at least 2"));
    };
    Batch::build(parameters, limbs, batch.components(), batch.len(), |element, out| {
        let (mut top, mut lifted) = (vec![0; n], vec![0; n]);
        for (component, out) in out.chunks_mut(limbs * n).enumerate() {
            for (i, limb) in out.chunks_mut(n).enumerate() {
                batch.read(element, component, i, limb);
            }
            batch.read(element, component, limbs, &mut top);
            divide(parameters, limbs, last, &mut top, out, &mut lifted);
        }
        Ok(())
    })
}

/// `rest = (rest - top) / p` for every limb of `rest`, where `top` holds the values modulo `p` of the same element.
fn divide(
    parameters: &Parameters,
    limbs: usize,
    p: &crate::ntt::Transform,
    top: &mut [u64],
    rest: &mut [u64],
    lifted: &mut [u64],
) {
    p.inverse(top);
    for (t, limb) in parameters.transforms(limbs).iter().zip(rest.chunks_mut(top.len())) {
        let q = t.modulus();
        let inverse = q.factor(q.inverse(q.reduce(p.modulus().value())));
        lift(parameters, p, t, top, lifted);
        kernel::subtract_scale(parameters.kernel(), q, limb, lifted, inverse);
    }
}

/// Coefficients modulo one prime, taken as integers of least absolute value, as values modulo another.
fn lift(
    parameters: &Parameters,
    from: &crate::ntt::Transform,
    to: &crate::ntt::Transform,
    coefficients: &[u64],
    out: &mut [u64],
) {
    kernel::lift(parameters.kernel(), from.modulus(), to.modulus(), coefficients, out);
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

    /// Decrypts to coefficients by schoolbook products: `c_0 + c_1 s + c_2 s^2`.
    fn phase(p: &Parameters, secret: &SecretKey, batch: &Batch, element: usize) -> Vec<u64> {
        let t = &p.transforms(1)[0];
        let q = t.modulus();
        let s: Vec<u64> = secret.to_bytes().iter().map(|&b| q.reduce_i64(i64::from(b.cast_signed()))).collect();
        (0..batch.components()).rev().fold(vec![0; N], |sum, component| {
            let mut c = vec![0; N];
            batch.read(element, component, 0, &mut c);
            t.inverse(&mut c);
            crate::ntt::schoolbook(q, &sum, &s).iter().zip(&c).map(|(&a, &b)| q.add(a, b)).collect()
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
