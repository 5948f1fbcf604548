//! Relinearisation and rescaling.

use beaa_ckks::{EvaluationKey, KeySwitcher, Parameters, SecretKey, SecretRng, rescale};
use beaa_cuda::{DeviceKey, Ring, operations};

use crate::kit::{DEGREES, device, devices, every_width, parameters, random, same, upload};

fn key(p: &Parameters) -> EvaluationKey {
    let mut rng = SecretRng::insecure(5, "conformance of kernels");
    EvaluationKey::generate(&SecretKey::generate(p, &mut rng), &mut rng)
}

#[test]
fn relinearisation_is_that_of_the_engine_with_special_primes_and_without() {
    for degree in DEGREES {
        for special in [&[][..], &[50], &[49, 44], &[40, 41, 42]] {
            let p = parameters(degree, &[50, 41, 30], special);
            let key = key(&p);
            let switcher = KeySwitcher::new(&p, &key).unwrap();
            for limbs in 1..=3 {
                let device = device(limbs);
                let ring = Ring::new(&device, &p).unwrap();
                let device_key = DeviceKey::new(&ring, &key).unwrap();
                let batch = random(&p, limbs, 3, 3, 1);
                let found = operations::relinearise(&ring, &device_key, &upload(&ring, &batch)).unwrap();
                let expected = switcher.relinearise(&batch).unwrap();
                same(&ring, &found, &expected, &format!("{limbs} limbs at {degree}, special {special:?}"));
            }
        }
    }
}

#[test]
fn relinearisation_is_that_of_the_engine_at_every_width() {
    let p = every_width(2048);
    let key = key(&p);
    let batch = random(&p, p.max_limbs(), 3, 1, 3);
    let expected = KeySwitcher::new(&p, &key).unwrap().relinearise(&batch).unwrap();
    for device in devices() {
        let ring = Ring::new(&device, &p).unwrap();
        let device_key = DeviceKey::new(&ring, &key).unwrap();
        let found = operations::relinearise(&ring, &device_key, &upload(&ring, &batch)).unwrap();
        same(&ring, &found, &expected, "every width");
    }
}

#[test]
fn rescaling_is_that_of_the_engine_at_every_degree() {
    for degree in DEGREES {
        let p = parameters(degree, &[50, 36, 45, 20], &[]);
        for components in [2, 3] {
            let device = device(components);
            let batch = random(&p, 4, components, 3, 2);
            let ring = Ring::new(&device, &p).unwrap();
            let mut value = upload(&ring, &batch);
            for divisions in 1..=3 {
                value = operations::rescale(&ring, &value).unwrap();
                let expected = rescale(&p, &batch, divisions).unwrap().batch;
                same(&ring, &value, &expected, &format!("{divisions} divisions at {degree}"));
            }
        }
    }
}

#[test]
fn portions_of_any_size_give_the_same_bits() {
    for special in [&[][..], &[45], &[44, 43]] {
        let p = parameters(2048, &[45, 40, 35], special);
        let key = key(&p);
        let batch = random(&p, 3, 3, 7, 4);
        let relinearised = KeySwitcher::new(&p, &key).unwrap().relinearise(&batch).unwrap();
        let rescaled = rescale(&p, &batch, 1).unwrap().batch;
        let device = device(2);
        // Of one ciphertext, of three, which do not divide seven, and of all.
        for words in [1, 3 * 23 * 2048, 1 << 25] {
            let ring = Ring::new(&device, &p).unwrap().with_workspace(words);
            let device_key = DeviceKey::new(&ring, &key).unwrap();
            let value = upload(&ring, &batch);
            let found = operations::relinearise(&ring, &device_key, &value).unwrap();
            same(&ring, &found, &relinearised, &format!("relinearised in {words} words"));
            let found = operations::rescale(&ring, &value).unwrap();
            same(&ring, &found, &rescaled, &format!("rescaled in {words} words"));
        }
    }
}

#[test]
fn a_key_of_other_parameters_is_refused() {
    let device = device(0);
    let ring = Ring::new(&device, &parameters(2048, &[40, 30], &[])).unwrap();
    assert!(DeviceKey::new(&ring, &key(&parameters(2048, &[41, 30], &[]))).is_err());
}
