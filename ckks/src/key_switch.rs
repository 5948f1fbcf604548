//! Relinearisation, and rescaling right after it: both leave the pointwise world for coefficients
//! and come back, and are done ciphertext by ciphertext, so that nothing between them is stored.

use crate::base_conversion::Division;
use crate::batch::BatchShape;
use crate::kernel::{Aligned, PairProduct};
use crate::rescale::limbs_after;
use crate::switching_ring::SwitchingRing;
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
    /// Seconds of all divisions, summed over threads: where limbs are dropped, that by the special
    /// primes is one of them.
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

    /// Brings three components back to two. Adds the noise that
    /// [`noise::relinearise`](crate::noise::relinearise) says: without special primes, relinearise
    /// only at a scale far above the moduli.
    ///
    /// # Errors
    /// When the batch has not three components, or belongs to other parameters.
    pub fn relinearise(&self, batch: &Batch) -> Result<Batch> {
        Ok(self.relinearise_and_rescale(batch, 0)?.batch)
    }

    /// Relinearises, then divides as [`rescale`](crate::rescale()) does: the same bits as one after
    /// the other, in one division by the special primes and those that are dropped.
    ///
    /// # Errors
    /// When the batch has not three components, belongs to other parameters, or has no limb more
    /// than divisions.
    pub fn relinearise_and_rescale(&self, batch: &Batch, divisions: usize) -> Result<Relinearised> {
        let parameters = &self.parameters;
        batch.expect("relinearising", parameters, 3)?;
        let (n, before) = (parameters.degree(), batch.limbs());
        let limbs = limbs_after(parameters, before, divisions)?;
        let ring = SwitchingRing::new(parameters, before);
        let with_limbs = || Division::new(parameters, limbs, (limbs..before).chain(parameters.special()).collect());
        let longer = (divisions > 0).then(with_limbs);
        let division = longer.as_ref().unwrap_or(&ring.division);
        let (relinearising, rescaling) = (ThreadSeconds::default(), ThreadSeconds::default());
        let shape = BatchShape { limbs, components: 2, len: batch.len() };
        let workspace = || Workspace::new(&ring);
        let result = Batch::build_with(parameters, shape, workspace, |workspace, element, out| {
            let mut laps = Laps::start();
            workspace.read(&ring, batch, element);
            workspace.add_products(&ring, self.key);
            if divisions > 0 {
                laps.add_to(&relinearising);
            }
            let [sums, scratch] = [&mut workspace.sums, &mut workspace.scratch].map(Aligned::words_mut);
            let components = sums.chunks_exact_mut(ring.words());
            for (sums, out) in components.zip(out.chunks_exact_mut(limbs * n)) {
                division.divide(sums, scratch);
                out.copy_from_slice(&sums[..limbs * n]);
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
}

/// What a thread keeps from ciphertext to ciphertext.
struct Workspace {
    /// The third component, `[limb][N]` values.
    third: Aligned,
    /// Its digits, as they are prepared.
    prepared: Aligned,
    /// All digits modulo one prime, `[digit][N]` values.
    extended: Aligned,
    /// Multiplied by P: `[half][prime][N]`.
    sums: Aligned,
    scratch: Aligned,
}

impl Workspace {
    fn new(ring: &SwitchingRing<'_>) -> Self {
        let (n, limbs) = (ring.parameters.degree(), ring.limbs);
        Self {
            third: Aligned::zeros(limbs * n),
            prepared: Aligned::zeros(limbs * n),
            extended: Aligned::zeros(ring.digits.count() * n),
            sums: Aligned::zeros(2 * ring.words()),
            scratch: Aligned::zeros(n),
        }
    }

    /// Reads a ciphertext of three components, the first two multiplied by P.
    fn read(&mut self, ring: &SwitchingRing<'_>, batch: &Batch, element: usize) {
        let n = ring.parameters.degree();
        for (limb, values) in self.third.words_mut().chunks_exact_mut(n).enumerate() {
            batch.read(element, 2, limb, values);
        }
        for (component, sums) in self.sums.words_mut().chunks_exact_mut(ring.words()).enumerate() {
            for (&prime, sum) in ring.primes.iter().zip(sums.chunks_exact_mut(n)) {
                if prime < ring.limbs {
                    batch.read(element, component, prime, sum);
                }
                ring.scale(prime, sum);
            }
        }
    }

    /// `sums += digit * key` over the digits of the third component, for both halves.
    fn add_products(&mut self, ring: &SwitchingRing<'_>, key: &EvaluationKey) {
        let (n, digits) = (ring.parameters.degree(), &ring.digits);
        let Self { third, prepared, extended, sums, scratch } = self;
        let [third, prepared, extended, sums, scratch] =
            [third, prepared, extended, sums, scratch].map(Aligned::words_mut);
        prepared.copy_from_slice(third);
        for (digit, values) in digits.split(prepared).into_iter().enumerate() {
            digits.prepare(digit, values, scratch);
        }
        let (first, second) = sums.split_at_mut(ring.words());
        let sums = first.chunks_exact_mut(n).zip(second.chunks_exact_mut(n));
        for (&prime, (first, second)) in ring.primes.iter().zip(sums) {
            for (digit, out) in extended.chunks_exact_mut(n).enumerate() {
                if !digits.has_limb(digit, prime) {
                    digits.extend(digit, prime, prepared, out);
                }
            }
            let term = |(digit, extended)| PairProduct {
                factor: if digits.has_limb(digit, prime) { &third[prime * n..(prime + 1) * n] } else { extended },
                values: key.halves(digit, prime),
            };
            let terms: Vec<PairProduct<'_>> = extended.chunks_exact(n).enumerate().map(term).collect();
            ring.parameters.kernel().add_products(ring.modulus(prime), &terms, [first, second]);
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
        for special in 0..=3 {
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
        let p = parameters(0);
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

    /// Without special primes the digits are as large as the modulus that `phase` sees; the noise
    /// tests cover that.
    #[test]
    fn relinearising_with_special_primes_keeps_the_phase_but_for_rounding() {
        (1..=3).for_each(assert_the_phase_is_kept);
    }

    fn assert_the_phase_is_kept(special: usize) {
        let p = parameters(special);
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
                assert!(largest < 2 * N as u64, "{largest} at {limbs} limbs, {special} special primes");
            }
        }
    }
}
