//! The scheme from outside: what is encrypted, computed and decrypted is right, and the noise is
//! what is predicted.

#![allow(clippy::unwrap_used)]

use beaa_ckks::pointwise::{self, InputBatch, Op, Operand};
use beaa_ckks::{
    Batch, CiphertextId, Decryptor, Encoding, Encryptor, Error, EvaluationKey, Kernel, KeySwitcher, Panels, Parameters,
    ParametersLiteral, SecretKey, SecretRng, noise, primes, rescale,
};

struct Setup {
    parameters: Parameters,
    secret: SecretKey,
    key: EvaluationKey,
    rng: SecretRng,
}

fn setup(degree: usize, bits: &[u32], special: &[u32], kernel: Kernel) -> Setup {
    let mut moduli = Vec::new();
    for &b in bits.iter().chain(special) {
        moduli.extend(primes::ntt_primes(degree, b, 1, &moduli).unwrap());
    }
    let special = moduli.split_off(bits.len());
    let literal = ParametersLiteral { degree, moduli, special, security: 128 };
    let parameters = Parameters::with_kernel(literal, kernel).unwrap();
    let mut rng = SecretRng::insecure(7, "test");
    let secret = SecretKey::generate(&parameters, &mut rng);
    let key = EvaluationKey::generate(&secret, &mut rng);
    Setup { parameters, secret, key, rng }
}

impl Setup {
    fn encrypt(&mut self, rows: &[Vec<f64>], scale: f64, limbs: usize) -> Batch {
        let seed = self.rng.public_seed();
        let n = self.parameters.degree();
        let encryptor = Encryptor::new(&self.parameters, &self.secret).unwrap();
        let id = |i: usize| CiphertextId { seed, index: i as u64 };
        let encoding = Encoding { scale, limbs };
        let encrypt = |(i, row): (usize, &Vec<f64>)| {
            let mut half = vec![0; limbs * n];
            encryptor.encrypt(row, encoding, id(i), &mut self.rng, &mut half).unwrap();
            half
        };
        let halves: Vec<Vec<u64>> = rows.iter().enumerate().map(encrypt).collect();
        Batch::build(&self.parameters, limbs, 2, rows.len(), |i, out| {
            let (b, a) = out.split_at_mut(limbs * n);
            b.copy_from_slice(&halves[i]);
            a.copy_from_slice(&id(i).expand_a(&self.parameters, limbs)?);
            Ok(())
        })
        .unwrap()
    }

    fn decrypt(&self, batch: &Batch, scale: f64) -> Vec<Vec<f64>> {
        let decryptor = Decryptor::new(&self.parameters, &self.secret).unwrap();
        (0..batch.len()).map(|i| decryptor.decrypt(batch, i, scale).unwrap()).collect()
    }

    fn relinearise(&self, batch: &Batch) -> Batch {
        KeySwitcher::new(&self.parameters, &self.key).unwrap().relinearise(batch).unwrap()
    }

    fn rescale(&self, batch: &Batch) -> Batch {
        rescale(&self.parameters, batch, 1).unwrap().batch
    }
}

fn values(rows: usize, n: usize) -> Vec<Vec<f64>> {
    (0..rows).map(|r| (0..n).map(|i| ((r * 31 + i * 17) as f64 * 0.37).sin()).collect()).collect()
}

fn deviation(got: &[Vec<f64>], expected: &[Vec<f64>]) -> f64 {
    let count = got.iter().map(Vec::len).sum::<usize>() as f64;
    let squares: f64 = got.iter().flatten().zip(expected.iter().flatten()).map(|(g, e)| (g - e).powi(2)).sum();
    (squares / count).sqrt()
}

/// Within 10 %: the estimate itself, over at least 8 x 4096 correlated samples, is good to a few
/// percent.
fn assert_close(measured: f64, predicted: f64, what: &str) {
    let ratio = measured / predicted;
    assert!((0.9..1.1).contains(&ratio), "{what}: measured {measured:e}, predicted {predicted:e}, ratio {ratio:.3}");
}

#[test]
fn fresh_noise_is_as_predicted() {
    let n = 4096;
    let mut s = setup(n, &[36, 36], &[], Kernel::detect());
    let rows = values(8, n);
    let scale = 2_f64.powi(24);
    let batch = s.encrypt(&rows, scale, 2);
    let error = deviation(&s.decrypt(&batch, scale), &rows);
    assert_close(error * scale, noise::fresh(n), "fresh");
}

#[test]
fn rescale_divides_the_value_and_adds_what_is_predicted() {
    let n = 4096;
    let mut s = setup(n, &[40, 30], &[], Kernel::detect());
    let q = s.parameters.literal().moduli[1] as f64;
    let rows = values(8, n);
    // A scale so large that the fresh noise vanishes beside that of rescaling once divided.
    let scale = 2_f64.powi(56);
    let batch = s.encrypt(&rows, scale, 2);
    let after = s.rescale(&batch);
    assert_eq!((after.limbs(), after.components(), after.len()), (1, 2, 8));
    let error = deviation(&s.decrypt(&after, scale / q), &rows);
    assert_close(error * scale / q, noise::rescale(n, 2), "rescale, two components");

    let fresh = s.encrypt(&rows, 2_f64.powi(28), 2);
    let squared =
        pointwise::run(&s.parameters, fresh.limbs(), &[InputBatch::Stored(&fresh)], &[Op::Square(Operand::Input(0))])
            .unwrap()
            .batch;
    let exact = s.decrypt(&squared, 2_f64.powi(56));
    let after = s.rescale(&squared);
    let error = deviation(&s.decrypt(&after, 2_f64.powi(56) / q), &exact);
    assert_close(error * 2_f64.powi(56) / q, noise::rescale(n, 3), "rescale, three components");
}

#[test]
fn relinearisation_noise_is_as_predicted_with_and_without_special_primes() {
    let n = 4096;
    let ways: [(&[u32], i32); 4] = [(&[], 33), (&[45], 20), (&[40, 40], 20), (&[36, 36, 36], 20)];
    for (special, scale_bits) in ways {
        let mut s = setup(n, &[36, 36, 36], special, Kernel::detect());
        let rows = values(4, n);
        let scale = 2_f64.powi(scale_bits);
        let fresh = s.encrypt(&rows, scale, 3);
        let squared = pointwise::run(
            &s.parameters,
            fresh.limbs(),
            &[InputBatch::Stored(&fresh)],
            &[Op::Square(Operand::Input(0))],
        )
        .unwrap()
        .batch;
        let before = s.decrypt(&squared, scale * scale);
        let after = s.relinearise(&squared);
        assert_eq!((after.limbs(), after.components()), (3, 2));
        let error = deviation(&s.decrypt(&after, scale * scale), &before);
        let literal = s.parameters.literal();
        let predicted = noise::relinearise(n, &literal.moduli, &literal.special);
        assert_close(error * scale * scale, predicted, &format!("special primes {special:?}"));
    }
}

/// The whole of a two-layer network: linear, square, linear, relinearise, rescale, square, linear;
/// late relinearisation, three components at the end; on every arithmetic path, which must agree to
/// the last bit.
#[test]
fn a_small_network_is_computed_right_and_alike_on_every_path() {
    let n = 1024;
    let (inputs, hidden, outputs) = (6, 5, 3);
    let weight = |r: usize, c: usize| ((r * 7 + c * 5) % 13) as i32 - 6;
    let matrix = |rows: usize, columns: usize| -> Vec<(Vec<u32>, Vec<i32>)> {
        (0..rows)
            .map(|r| {
                let kept: Vec<u32> = (0..columns as u32).filter(|&c| weight(r, c as usize) != 0).collect();
                let weights = kept.iter().map(|&c| weight(r, c as usize)).collect();
                (kept, weights)
            })
            .collect()
    };
    let (w1, w2, w3) = (matrix(hidden, inputs), matrix(hidden, hidden), matrix(outputs, hidden));
    let panels = |w: &[(Vec<u32>, Vec<i32>)], columns| {
        Panels::new(Kernel::detect(), w.len(), columns, |r| (&w[r].0, &w[r].1)).unwrap()
    };
    let (p1, p2, p3) = (panels(&w1, inputs), panels(&w2, hidden), panels(&w3, hidden));
    let rows = values(inputs, n);
    let apply = |w: &[(Vec<u32>, Vec<i32>)], x: &[f64]| -> Vec<f64> {
        w.iter()
            .map(|(cols, ws)| {
                cols.iter().zip(ws).map(|(&c, &w)| f64::from(w) / 8.0 * x[c as usize]).sum::<f64>() + 0.25
            })
            .collect()
    };
    let square = |x: Vec<f64>| -> Vec<f64> { x.iter().map(|v| v * v).collect() };
    let mut expected = vec![vec![0.0; n]; outputs];
    for i in 0..n {
        let x: Vec<f64> = rows.iter().map(|r| r[i]).collect();
        for (o, v) in apply(&w3, &square(apply(&w2, &square(apply(&w1, &x))))).into_iter().enumerate() {
            expected[o][i] = v;
        }
    }
    let mut answers = Vec::new();
    for kernel in Kernel::available() {
        let mut s = setup(n, &[38, 38, 38], &[], kernel);
        let scale = 2_f64.powi(30);
        let x = s.encrypt(&rows, scale, 3);
        let scale1 = scale * 8.0;
        let scale2 = scale1 * scale1 * 8.0;
        let bias = |scale: f64, len: usize| vec![(0.25 * scale).round() as i128; len];
        let (b1, b2) = (bias(scale1, hidden), bias(scale2, hidden));
        let y = pointwise::run(
            &s.parameters,
            x.limbs(),
            &[InputBatch::Stored(&x)],
            &[
                Op::Linear { terms: vec![(Operand::Input(0), &p1)], bias: &b1 },
                Op::Square(Operand::Result(0)),
                Op::Linear { terms: vec![(Operand::Result(1), &p2)], bias: &b2 },
            ],
        )
        .unwrap()
        .batch;
        let y = s.rescale(&s.relinearise(&y));
        let scale3 = scale2 / s.parameters.literal().moduli[2] as f64;
        let scale4 = scale3 * scale3 * 8.0;
        let b3 = bias(scale4, outputs);
        let z = pointwise::run(
            &s.parameters,
            y.limbs(),
            &[InputBatch::Stored(&y)],
            &[Op::Square(Operand::Input(0)), Op::Linear { terms: vec![(Operand::Result(0), &p3)], bias: &b3 }],
        )
        .unwrap()
        .batch;
        assert_eq!((z.limbs(), z.components(), z.len()), (2, 3, outputs));
        let got = s.decrypt(&z, scale4);
        let largest = expected.iter().flatten().fold(0.0_f64, |m, v| m.max(v.abs()));
        let error = got.iter().flatten().zip(expected.iter().flatten()).fold(0.0_f64, |m, (g, e)| m.max((g - e).abs()));
        assert!(error < largest * 1e-3, "error {error:e} of {largest}");
        answers.push(z);
    }
    assert!(answers.windows(2).all(|w| w[0] == w[1]));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let mut s = setup(256, &[36, 36], &[], Kernel::detect());
            let x = s.encrypt(&values(40, 256), 2_f64.powi(20), 2);
            let y =
                pointwise::run(&s.parameters, x.limbs(), &[InputBatch::Stored(&x)], &[Op::Square(Operand::Input(0))])
                    .unwrap()
                    .batch;
            s.rescale(&s.relinearise(&y))
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn sums_of_two_terms_scaling_and_fewer_limbs() {
    let n = 256;
    let mut s = setup(n, &[36, 36], &[], Kernel::detect());
    let rows = values(2, n);
    let scale = 2_f64.powi(12);
    let x = s.encrypt(&rows, scale, 2);
    let identity = Panels::new(Kernel::detect(), 2, 2, |r| ([&[0_u32][..], &[1]][r], &[1][..])).unwrap();
    let ops = [
        Op::Square(Operand::Input(0)),
        Op::Scale(Operand::Input(0), 1 << 12),
        Op::Linear { terms: vec![(Operand::Result(0), &identity), (Operand::Result(1), &identity)], bias: &[0, 0] },
    ];
    let sum = pointwise::run(&s.parameters, x.limbs(), &[InputBatch::Stored(&x)], &ops).unwrap().batch;
    let expected: Vec<Vec<f64>> = rows.iter().map(|r| r.iter().map(|v| v * v + v).collect()).collect();
    assert!(deviation(&s.decrypt(&sum, scale * scale), &expected) < 4.0 * noise::fresh(n) / scale);
    let short = x.first_limbs(1).unwrap();
    assert!(deviation(&s.decrypt(&short, scale), &rows) < 2.0 * noise::fresh(n) / scale);
    // Fewer limbs from the start give what dropping them at the end does.
    let square = |limbs| {
        let ops = [Op::Square(Operand::Input(0))];
        pointwise::run(&s.parameters, limbs, &[InputBatch::Stored(&x)], &ops).unwrap().batch
    };
    assert!(square(2).first_limbs(1).unwrap() == square(1));
}

#[test]
fn elements_that_nothing_reads_need_not_be_scaled() {
    let n = 4096;
    let mut s = setup(n, &[36, 36], &[], Kernel::detect());
    let x = s.encrypt(&values(5, n), 2_f64.powi(12), 2);
    let input = [InputBatch::Stored(&x)];
    let run = |ops: &[Op<'_>]| pointwise::run(&s.parameters, x.limbs(), &input, ops).unwrap().batch;
    let rows: [(&[u32], &[i32]); 3] = [(&[3], &[2]), (&[1, 3], &[5, -7]), (&[], &[])];
    let panels = Panels::new(Kernel::detect(), 3, 5, |r| rows[r]).unwrap();
    let bias = [1, -2, 3];
    let scaled = run(&[Op::Scale(Operand::Input(0), 1 << 12)]);
    let linear = |from| Op::Linear { terms: vec![(from, &panels)], bias: &bias };
    let apart = pointwise::run(&s.parameters, x.limbs(), &[InputBatch::Stored(&scaled)], &[linear(Operand::Input(0))]);
    let together = run(&[Op::Scale(Operand::Input(0), 1 << 12), linear(Operand::Result(0))]);
    assert!(together == apart.unwrap().batch);
    // What a square or another factor reads is all of it.
    let squared = run(&[
        Op::Scale(Operand::Input(0), 3),
        Op::Scale(Operand::Result(0), 5),
        Op::Square(Operand::Result(1)),
        Op::Linear { terms: vec![(Operand::Result(0), &panels)], bias: &bias },
        Op::Square(Operand::Result(1)),
    ]);
    assert!(squared == run(&[Op::Scale(Operand::Input(0), 15), Op::Square(Operand::Result(0))]));
}

#[test]
fn operands_that_do_not_fit_are_errors() {
    let mut s = setup(256, &[36, 36], &[], Kernel::detect());
    let x = s.encrypt(&values(2, 256), 2_f64.powi(20), 2);
    let short = s.encrypt(&values(2, 256), 2_f64.powi(20), 1);
    let panels = Panels::new(Kernel::detect(), 1, 3, |_| (&[0_u32, 2][..], &[1, 1][..])).unwrap();
    let switcher = KeySwitcher::new(&s.parameters, &s.key).unwrap();
    assert!(switcher.relinearise(&x).is_err(), "two components");
    assert!(rescale(&s.parameters, &short, 1).is_err(), "one limb");
    assert!(
        pointwise::run(
            &s.parameters,
            x.limbs(),
            &[InputBatch::Stored(&x), InputBatch::Stored(&short)],
            &[Op::Square(Operand::Input(0))]
        )
        .is_err(),
        "too few limbs"
    );
    assert!(pointwise::run(&s.parameters, 1, &[], &[]).is_err(), "nothing");
    assert!(
        pointwise::run(&s.parameters, x.limbs(), &[InputBatch::Stored(&x)], &[Op::Square(Operand::Result(0))]).is_err(),
        "its own result"
    );
    let op = Op::Linear { terms: vec![(Operand::Input(0), &panels)], bias: &[0] };
    assert!(
        pointwise::run(&s.parameters, x.limbs(), &[InputBatch::Stored(&x)], &[op]).is_err(),
        "three columns for two inputs"
    );
    assert!(Panels::new(Kernel::detect(), 1, 2, |_| (&[2_u32][..], &[1][..])).is_err(), "column out of range");
    let decryptor = Decryptor::new(&s.parameters, &s.secret).unwrap();
    assert!(decryptor.decrypt(&x, 2, 1.0).is_err(), "no such element");
    let encryptor = Encryptor::new(&s.parameters, &s.secret).unwrap();
    let id = CiphertextId { seed: s.rng.public_seed(), index: 0 };
    let mut encrypt = |slots: &[f64], scale, limbs| {
        encryptor.encrypt(slots, Encoding { scale, limbs }, id, &mut s.rng, &mut vec![0; limbs * 256])
    };
    assert!(encrypt(&[1.0; 256], 2_f64.powi(60), 1).is_err(), "larger than the modulus");
    assert_eq!(
        encrypt(&[1.0; 257], 1.0, 1).unwrap_err(),
        Error::Slots { operation: "encoding", found: 257, expected: 256 }
    );
    assert_eq!(
        encrypt(&[1.0], 1.0, 3).unwrap_err(),
        Error::Limbs { operation: "encrypting", found: 3, allowed: 1..=2 }
    );
    let mut short = vec![0; 511];
    let refused = encryptor.encrypt(&[1.0], Encoding { scale: 1.0, limbs: 2 }, id, &mut s.rng, &mut short);
    assert!(refused.unwrap_err().to_string().contains("room for 511 values"));
}

/// Primes of 36 bits at degree 256; `skip` leaves out the largest.
fn ring(degree: usize, count: usize, skip: usize, special: bool) -> Parameters {
    let mut moduli = primes::ntt_primes(degree, 36, count + skip, &[]).unwrap();
    moduli.drain(..skip);
    let special = if special { primes::ntt_primes(degree, 40, 1, &moduli).unwrap() } else { vec![] };
    Parameters::without_security(ParametersLiteral { degree, moduli, special, security: 128 }).unwrap()
}

/// Every way in which a key can be one of other parameters than those that `expected` says.
fn assert_refused(expected: &Parameters, found: &Parameters) {
    let mut rng = SecretRng::insecure(1, "doors");
    let secret = SecretKey::generate(found, &mut rng);
    let key = EvaluationKey::generate(&secret, &mut rng);
    let rings = |error: Error| match error {
        Error::KeyMismatch { found, expected, .. } => Some((*found, *expected)),
        _ => None,
    };
    assert_ne!(found.ring(), expected.ring());
    let both = Some((found.ring(), expected.ring()));
    assert_eq!(rings(Encryptor::new(expected, &secret).unwrap_err()), both);
    assert_eq!(rings(Decryptor::new(expected, &secret).unwrap_err()), both);
    assert_eq!(rings(KeySwitcher::new(expected, &key).unwrap_err()), both);
}

/// Such a key has no values modulo the last prime: residues encrypted with it would be message plus
/// error, unmasked.
#[test]
fn a_key_of_fewer_primes_is_refused() {
    assert_refused(&ring(256, 3, 0, false), &ring(256, 2, 0, false));
}

#[test]
fn a_key_of_more_primes_is_refused() {
    assert_refused(&ring(256, 2, 0, false), &ring(256, 3, 0, false));
}

#[test]
fn a_key_of_other_primes_is_refused() {
    assert_refused(&ring(256, 2, 0, false), &ring(256, 2, 1, false));
}

#[test]
fn a_key_of_the_same_primes_in_another_order_is_refused() {
    let p = ring(256, 2, 0, false);
    let mut literal = p.literal().clone();
    literal.moduli.reverse();
    assert_refused(&p, &Parameters::without_security(literal).unwrap());
}

/// Such a key would leave the upper half of the coefficients' values unmasked. Primes of degree 256
/// serve 128, too.
#[test]
fn a_key_of_another_degree_is_refused() {
    let p = ring(256, 2, 0, false);
    for degree in [128, 512] {
        let moduli = ring(512, 2, 0, false).literal().moduli.clone();
        let literal = |degree| ParametersLiteral { degree, moduli: moduli.clone(), special: vec![], security: 128 };
        let of = |degree| Parameters::without_security(literal(degree)).unwrap();
        assert_refused(&of(p.degree()), &of(degree));
    }
}

#[test]
fn a_key_with_or_without_a_special_prime_is_refused_by_the_other() {
    assert_refused(&ring(256, 2, 0, true), &ring(256, 2, 0, false));
    assert_refused(&ring(256, 2, 0, false), &ring(256, 2, 0, true));
}

#[test]
fn a_key_of_the_same_ring_serves_every_path_and_security() {
    let p = ring(256, 2, 0, false);
    let mut literal = p.literal().clone();
    literal.security = 192;
    let same = Parameters::with_kernel(literal, Kernel::Portable).unwrap();
    let secret = SecretKey::generate(&same, &mut SecretRng::insecure(1, "doors"));
    assert!(Encryptor::new(&p, &secret).is_ok());
}

#[test]
fn a_batch_of_other_primes_is_refused() {
    let (p, mut s) = (ring(256, 2, 1, false), setup(256, &[36, 36], &[], Kernel::detect()));
    let x = s.encrypt(&values(1, 256), 2_f64.powi(20), 2);
    let decryptor_key = SecretKey::generate(&p, &mut s.rng);
    assert!(Decryptor::new(&p, &decryptor_key).unwrap().decrypt(&x, 0, 1.0).is_err());
    assert!(rescale(&p, &x, 1).is_err());
    assert!(pointwise::run(&p, 2, &[InputBatch::Stored(&x)], &[Op::Square(Operand::Input(0))]).is_err());
}

#[test]
fn keys_survive_their_bytes_and_refuse_others() {
    let mut s = setup(256, &[36, 36], &[40], Kernel::detect());
    let bytes = s.secret.to_bytes();
    let secret = SecretKey::from_bytes(&s.parameters, &bytes).unwrap();
    let digits: Vec<u8> = s.key.compressed_digits().flatten().collect();
    assert_eq!(digits.len(), EvaluationKey::compressed_len(&s.parameters));
    let key = EvaluationKey::from_compressed(&s.parameters, *s.key.seed(), &digits).unwrap();
    let rows = values(1, 256);
    let x = s.encrypt(&rows, 2_f64.powi(22), 2);
    let squared = pointwise::run(&s.parameters, x.limbs(), &[InputBatch::Stored(&x)], &[Op::Square(Operand::Input(0))])
        .unwrap()
        .batch;
    let y = KeySwitcher::new(&s.parameters, &key).unwrap().relinearise(&squared).unwrap();
    let got = Decryptor::new(&s.parameters, &secret).unwrap().decrypt(&y, 0, 2_f64.powi(44)).unwrap();
    assert!(got.iter().zip(&rows[0]).all(|(g, v)| (g - v * v).abs() < 1e-2));
    assert!(SecretKey::from_bytes(&s.parameters, &bytes[1..]).is_err());
    assert!(SecretKey::from_bytes(&s.parameters, &[2; 256]).is_err());
    let read = |bytes: &[u8]| EvaluationKey::from_compressed(&s.parameters, *s.key.seed(), bytes);
    assert!(read(&vec![0xff; digits.len()]).is_err(), "no residues");
    assert!(read(&digits[1..]).is_err(), "too few");
    assert_eq!(format!("{:?}", s.secret), "SecretKey(..)");
}
