//! Relinearisation, and rescaling right after it: both leave the pointwise world for coefficients
//! and come back, and are done ciphertext by ciphertext, so that nothing between them is stored.

use crate::batch::BatchShape;
use crate::kernel::{Aligned, BaseChange};
use crate::rescale::RescalePlan;
use crate::timing::{Laps, ThreadSeconds};
use crate::{Batch, EvaluationKey, Parameters, Result};

/// Switches keys: brings ciphertexts of three components back to two.
#[derive(Debug)]
pub struct KeySwitcher<'k> {
    parameters: Parameters,
    key: &'k EvaluationKey,
}

/// A batch after relinearisation and divisions.
#[derive(Debug)]
pub struct Relinearised {
    /// The result, of two components, with a limb less for each division.
    pub batch: Batch,
    /// Seconds of relinearising, summed over threads.
    pub relinearise_seconds: f64,
    /// Seconds of all divisions, summed over threads.
    pub rescale_seconds: f64,
}

impl<'k> KeySwitcher<'k> {
    /// Binds a key to the parameters of what it will relinearise.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`](crate::Error::KeyMismatch) when the key belongs to parameters of
    /// another degree or other primes.
    pub fn new(parameters: &Parameters, key: &'k EvaluationKey) -> Result<Self> {
        parameters.expect_key("relinearising", key.parameters())?;
        Ok(Self { parameters: parameters.clone(), key })
    }

    /// Brings three components back to two. Adds noise of variance about `limbs * q^2 / 12 *
    /// sigma^2 * (2N)^2 / P^2` per slot, where P is the special prime, or 1 without one: then
    /// relinearise only at a scale far above q.
    ///
    /// # Errors
    /// When the batch has not three components, or belongs to other parameters.
    pub fn relinearise(&self, batch: &Batch) -> Result<Batch> {
        Ok(self.relinearise_and_rescale(batch, 0)?.batch)
    }

    /// Relinearises, then divides as [`rescale`](crate::rescale()) does: the same bits as one after
    /// the other.
    ///
    /// # Errors
    /// When the batch has not three components, belongs to other parameters, or has no limb more
    /// than divisions.
    pub fn relinearise_and_rescale(&self, batch: &Batch, divisions: usize) -> Result<Relinearised> {
        let parameters = &self.parameters;
        batch.expect("relinearising", parameters, 3)?;
        let (n, before) = (parameters.degree(), batch.limbs());
        let plan = RescalePlan::new(parameters, before, divisions)?;
        let (relinearising, rescaling) = (ThreadSeconds::default(), ThreadSeconds::default());
        let shape = BatchShape { limbs: plan.limbs, components: 2, len: batch.len() };
        let workspace = || Workspace::new(parameters, before);
        let result = Batch::build_with(parameters, shape, workspace, |workspace, element, out| {
            let mut laps = Laps::start();
            for (i, values) in workspace.values.words_mut().chunks_exact_mut(n).enumerate() {
                batch.read(element, i / before, i % before, values);
            }
            self.relinearise_one(workspace);
            if divisions > 0 {
                laps.add_to(&relinearising);
            }
            let Workspace { values, extended, .. } = workspace;
            let components = values.words_mut().chunks_exact_mut(before * n);
            for (values, out) in components.zip(out.chunks_exact_mut(plan.limbs * n)) {
                plan.divide(values, extended.words_mut());
                out.copy_from_slice(&values[..plan.limbs * n]);
            }
            laps.add_to(if divisions > 0 { &rescaling } else { &relinearising });
            Ok(())
        })?;
        Ok(Relinearised {
            batch: result,
            relinearise_seconds: relinearising.seconds(),
            rescale_seconds: rescaling.seconds(),
        })
    }

    /// Adds to the first two components of the workspace's ciphertext what the third one stands
    /// for.
    fn relinearise_one(&self, workspace: &mut Workspace) {
        let parameters = &self.parameters;
        let n = parameters.degree();
        let Workspace { values, digit, extended, sums } = workspace;
        let [values, digit, extended, sums] = [values, digit, extended, sums].map(Aligned::words_mut);
        let limbs = values.len() / (3 * n);
        let (pair, third) = values.split_at_mut(2 * limbs * n);
        let Some(special) = parameters.special() else {
            return self.add_digits(third, pair, digit, extended);
        };
        sums.fill(0);
        self.add_digits(third, sums, digit, extended);
        for (sums, values) in sums.chunks_exact_mut((limbs + 1) * n).zip(pair.chunks_exact_mut(limbs * n)) {
            self.divide_by_special(special, sums, extended);
            let polynomials = values.chunks_exact_mut(n).zip(sums.chunks_exact(n));
            for (t, (values, sums)) in parameters.transforms(limbs).iter().zip(polynomials) {
                for (v, &s) in values.iter_mut().zip(sums) {
                    *v = t.modulus().add(*v, s);
                }
            }
        }
    }

    /// `sums += digit * key` over the digits of the third component, for both halves,
    /// `[half][prime][N]`, and all primes that take part: the batch's, and the special one if there
    /// is one.
    fn add_digits(&self, third: &[u64], sums: &mut [u64], digit: &mut [u64], extended: &mut [u64]) {
        let parameters = &self.parameters;
        let (n, kernel) = (parameters.degree(), parameters.kernel());
        let limbs = third.len() / n;
        let transforms = parameters.all_transforms();
        let (first, second) = sums.split_at_mut(sums.len() / 2);
        for (i, third) in third.chunks_exact(n).enumerate() {
            digit.copy_from_slice(third);
            transforms[i].inverse(digit);
            let sums = first.chunks_exact_mut(n).zip(second.chunks_exact_mut(n));
            for (prime, (first, second)) in (0..limbs).chain(parameters.special()).zip(sums) {
                let q = transforms[prime].modulus();
                let values = if prime == i {
                    third
                } else {
                    kernel.base_extend(BaseChange { from: transforms[i].modulus(), to: q }, digit, extended);
                    transforms[prime].forward(extended);
                    &*extended
                };
                for (sum, key) in [first, second].into_iter().zip(self.key.halves(i, prime)) {
                    kernel.multiply_add(q, sum, values, key);
                }
            }
        }
    }

    /// All limbs but the last become `rest = (rest - last) / P`, where the last one holds the
    /// values modulo P.
    fn divide_by_special(&self, special: usize, values: &mut [u64], extended: &mut [u64]) {
        let parameters = &self.parameters;
        let (n, kernel) = (parameters.degree(), parameters.kernel());
        let p = &parameters.all_transforms()[special];
        let (rest, last) = values.split_at_mut(values.len() - n);
        p.inverse(last);
        for (limb, values) in rest.chunks_exact_mut(n).enumerate() {
            let t = &parameters.all_transforms()[limb];
            kernel.base_extend(BaseChange { from: p.modulus(), to: t.modulus() }, last, extended);
            t.forward(extended);
            kernel.mod_down_step(t.modulus(), values, extended, parameters.residue(special, limb).inverse);
        }
    }
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
    fn new(parameters: &Parameters, limbs: usize) -> Self {
        let n = parameters.degree();
        let primes = parameters.special().map_or(0, |_| limbs + 1);
        Self {
            values: Aligned::zeros(3 * limbs * n),
            digit: Aligned::zeros(n),
            extended: Aligned::zeros(n),
            sums: Aligned::zeros(2 * primes * n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{N, parameters, random};
    use crate::{SecretKey, SecretRng, rescale};

    #[test]
    fn several_at_once_are_one_after_the_other_to_the_last_bit() {
        for special in [false, true] {
            let p = parameters(special);
            let mut rng = SecretRng::insecure(2, "test");
            let secret = SecretKey::generate(&p, &mut rng);
            let key = EvaluationKey::generate(&secret, &mut rng);
            let switcher = KeySwitcher::new(&p, &key).unwrap();
            let before = random(&p, 3, 3);
            let one = switcher.relinearise(&before).unwrap();
            let both = |divisions| switcher.relinearise_and_rescale(&before, divisions).unwrap().batch;
            assert!(both(0) == one);
            let two = rescale(&p, &one, 1).unwrap().batch;
            assert!(both(1) == two);
            assert!(both(2) == rescale(&p, &two, 1).unwrap().batch);
        }
    }

    #[test]
    fn batches_that_do_not_fit_are_refused() {
        let p = parameters(false);
        let mut rng = SecretRng::insecure(2, "test");
        let key = EvaluationKey::generate(&SecretKey::generate(&p, &mut rng), &mut rng);
        let switcher = KeySwitcher::new(&p, &key).unwrap();
        assert!(switcher.relinearise(&random(&p, 2, 2)).is_err(), "two components");
        assert!(switcher.relinearise_and_rescale(&random(&p, 2, 3), 2).is_err(), "two limbs");
        assert!(switcher.relinearise(&random(&crate::testing::other_primes(), 2, 3)).is_err(), "other primes");
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

    /// Without a special prime the digits are as large as the modulus that `phase` sees; the noise
    /// tests cover that.
    #[test]
    fn relinearising_with_a_special_prime_keeps_the_phase_but_for_rounding() {
        let p = parameters(true);
        let mut rng = SecretRng::insecure(1, "test");
        let secret = SecretKey::generate(&p, &mut rng);
        let key = EvaluationKey::generate(&secret, &mut rng);
        let switcher = KeySwitcher::new(&p, &key).unwrap();
        for limbs in 1..=3 {
            let before = random(&p, limbs, 3);
            let after = switcher.relinearise(&before).unwrap();
            let q = p.moduli(1).next().unwrap();
            for element in 0..3 {
                let pairs = phase(&p, &secret, &before, element).into_iter().zip(phase(&p, &secret, &after, element));
                let largest = pairs.map(|(a, b)| q.centre(q.sub(a, b)).unsigned_abs()).max().unwrap();
                assert!(largest < 2 * N as u64, "{largest} at {limbs} limbs");
            }
        }
    }
}
