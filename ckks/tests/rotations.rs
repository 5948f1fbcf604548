//! Rotations and linear maps by them from outside: against plain numbers, and the noise against
//! what is predicted.

#![allow(clippy::unwrap_used)]

use beaa_ckks::pointwise::InputBatch;
use beaa_ckks::pointwise::InputBatch::Stored;
use beaa_ckks::{
    Batch, CiphertextId, Decryptor, Diagonal, DiagonalMatrix, DiagonalShape, Encoding, Encryptor, Error, GaloisKeys,
    Kernel, KeyedRotation, Parameters, ParametersLiteral, Rotator, SecretKey, SecretRng, noise, primes, rotation_order,
};

struct Setup {
    parameters: Parameters,
    secret: SecretKey,
    keys: GaloisKeys,
    rng: SecretRng,
}

fn parameters(degree: usize, bits: &[u32], special: &[u32], kernel: Kernel) -> Parameters {
    let mut moduli = Vec::new();
    for &b in bits.iter().chain(special) {
        moduli.extend(primes::ntt_primes(degree, b, 1, &moduli).unwrap());
    }
    let special = moduli.split_off(bits.len());
    let literal = ParametersLiteral { degree, moduli, special, security: 128 };
    Parameters::with_kernel(literal, kernel).unwrap()
}

impl Setup {
    fn new(parameters: Parameters, rotations: &[usize]) -> Self {
        let mut rng = SecretRng::insecure(7, "test");
        let secret = SecretKey::generate(&parameters, &mut rng);
        let keyed = KeyedRotation::of_all_limbs(&parameters, rotations);
        let keys = GaloisKeys::generate(&secret, &keyed, &mut rng).unwrap();
        Self { parameters, secret, keys, rng }
    }

    /// Rows in rotation order.
    fn encrypt(&mut self, rows: &[Vec<f64>], scale: f64, limbs: usize) -> Batch {
        let seed = self.rng.public_seed();
        let n = self.parameters.degree();
        let order = rotation_order(n);
        let encryptor = Encryptor::new(&self.parameters, &self.secret).unwrap();
        let id = |i: usize| CiphertextId { seed, index: i as u64 };
        let encoding = Encoding { scale, limbs };
        let mut halves = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            let mut slots = vec![0.0; n];
            order.iter().zip(row).for_each(|(&slot, &v)| slots[slot as usize] = v);
            let mut half = vec![0; limbs * n];
            encryptor.encrypt(&slots, encoding, id(i), &mut self.rng, &mut half).unwrap();
            halves.push(half);
        }
        Batch::build(&self.parameters, limbs, 2, rows.len(), |i, out| {
            let (b, a) = out.split_at_mut(limbs * n);
            b.copy_from_slice(&halves[i]);
            a.copy_from_slice(&id(i).expand_a(&self.parameters, limbs)?);
            Ok(())
        })
        .unwrap()
    }

    /// Rows in rotation order.
    fn decrypt(&self, batch: &Batch, scale: f64) -> Vec<Vec<f64>> {
        let decryptor = Decryptor::new(&self.parameters, &self.secret).unwrap();
        let order = rotation_order(self.parameters.degree());
        let row = |slots: Vec<f64>| order.iter().map(|&slot| slots[slot as usize]).collect();
        (0..batch.len()).map(|i| row(decryptor.decrypt(batch, i, scale).unwrap())).collect()
    }

    fn rotator(&self) -> Rotator<'_> {
        Rotator::new(&self.parameters, &self.keys).unwrap()
    }

    fn matrix(&self, map: &Map) -> DiagonalMatrix {
        let shape = map.shape(self.parameters.degree());
        DiagonalMatrix::new(&self.parameters, shape, &map.diagonals, |d, out| {
            assert_eq!(out.len(), shape.period);
            out.iter_mut().enumerate().for_each(|(p, v)| *v = map.scale * map.constant(d, p));
        })
        .unwrap()
    }

    fn predicted(&self, limbs: usize, map: &noise::DiagonalMap) -> f64 {
        let literal = self.parameters.literal();
        let special = &literal.special;
        noise::multiply(self.parameters.degree(), &literal.moduli[..limbs], special, map)
    }
}

/// A linear map by its diagonals.
struct Map {
    limbs: usize,
    inputs: usize,
    outputs: usize,
    /// Slots after which constants repeat; none where they never do.
    period: Option<usize>,
    diagonals: Vec<Diagonal>,
    scale: f64,
    /// Whether all constants are the same, which polynomials hold without rounding.
    uniform: bool,
}

impl Map {
    fn shape(&self, n: usize) -> DiagonalShape {
        let Self { limbs, inputs, outputs, period, .. } = *self;
        DiagonalShape { limbs, inputs, outputs, period: period.unwrap_or(n) }
    }

    fn constant(&self, diagonal: usize, position: usize) -> f64 {
        let position = self.period.map_or(position, |period| position % period);
        if self.uniform { 1.0 } else { ((diagonal * 37 + position * 11) as f64 * 0.61).sin() }
    }

    /// All diagonals of all inputs and outputs, by the definition.
    fn add_to(&self, sums: &mut [Vec<f64>], x: &[Vec<f64>]) {
        for (d, diagonal) in self.diagonals.iter().enumerate() {
            let n = x[0].len();
            for p in 0..n {
                let from = x[diagonal.input as usize][(p + diagonal.baby + diagonal.giant) % n];
                sums[diagonal.output as usize][p] += self.constant(d, p) * from;
            }
        }
    }
}

fn dense(limbs: usize, [inputs, outputs]: [usize; 2], babies: &[usize], giants: &[usize], scale: f64) -> Map {
    let mut diagonals = Vec::new();
    // In no order at all: the matrix sorts them.
    for &baby in babies.iter().rev() {
        for input in 0..inputs as u32 {
            for &giant in giants {
                diagonals.extend((0..outputs as u32).map(|output| Diagonal { output, giant, input, baby }));
            }
        }
    }
    Map { limbs, inputs, outputs, period: None, diagonals, scale, uniform: false }
}

fn fold(rows: &mut [Vec<f64>], by: usize) {
    for row in rows {
        *row = (0..row.len()).map(|p| row[p] + row[(p + by) % row.len()]).collect();
    }
}

fn values(rows: usize, n: usize) -> Vec<Vec<f64>> {
    (0..rows).map(|r| (0..n).map(|i| ((r * 31 + i * i * 17) as f64 * 0.71).sin()).collect()).collect()
}

fn deviation(got: &[Vec<f64>], expected: &[Vec<f64>]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let count = got.iter().map(Vec::len).sum::<usize>() as f64;
    let squares: f64 = got.iter().flatten().zip(expected.iter().flatten()).map(|(g, e)| (g - e).powi(2)).sum();
    (squares / count).sqrt()
}

fn mean_square(rows: &[Vec<f64>]) -> f64 {
    let count = rows.iter().map(Vec::len).sum::<usize>() as f64;
    rows.iter().flatten().map(|v| v * v).sum::<f64>() / count
}

/// Within a factor of 2.
fn assert_near(measured: f64, predicted: f64, what: &str) {
    let ratio = measured / predicted;
    assert!((0.5..2.0).contains(&ratio), "{what}: measured {measured:e}, predicted {predicted:e}, ratio {ratio:.3}");
}

/// With special primes, and without: then the noise of switching keys is as large as a modulus.
const WAYS: [(&[u32], i32); 3] = [(&[40], 30), (&[], 55), (&[39, 41], 30)];

#[test]
fn a_rotation_moves_slots_on_every_path_and_adds_what_is_predicted() {
    let n = 2048;
    for (special, bits) in WAYS {
        let mut answers = Vec::new();
        for kernel in Kernel::available() {
            let mut s = Setup::new(parameters(n, &[30, 31, 32], special, kernel), &[1, 5, n - 1]);
            let rows = values(3, n);
            let scale = 2_f64.powi(bits);
            for limbs in [2, 3] {
                let x = s.encrypt(&rows, scale, limbs);
                let before = s.decrypt(&x, scale);
                for rotation in [1, 5, n - 1] {
                    let y = s.rotator().rotate(&x, rotation).unwrap();
                    assert_eq!((y.limbs(), y.components(), y.len()), (limbs, 2, 3));
                    let expected: Vec<Vec<f64>> =
                        before.iter().map(|r| (0..n).map(|p| r[(p + rotation) % n]).collect()).collect();
                    let literal = s.parameters.literal();
                    let predicted = noise::rotate(n, &literal.moduli[..limbs], &literal.special);
                    let error = deviation(&s.decrypt(&y, scale), &expected);
                    assert_near(error * scale, predicted, &format!("by {rotation}, {limbs} limbs, {special:?}"));
                    answers.push(y);
                }
            }
        }
        let paths = answers.chunks(6).collect::<Vec<_>>();
        assert!(paths.windows(2).all(|p| p[0] == p[1]), "every path gives the same bits");
    }
}

/// Several inputs and outputs, babies, giants, folds, two terms, a bias, fewer limbs than there
/// are; constants that never repeat, that do after several values of a transform, after all of a
/// tile's, and after fewer slots than a transform has.
#[test]
fn products_with_diagonals_are_those_of_plain_numbers() {
    for period in [None, Some(64), Some(32), Some(4)] {
        products_are_those_of_plain_numbers(128, period);
    }
    products_are_those_of_plain_numbers(2048, Some(32));
}

fn products_are_those_of_plain_numbers(n: usize, period: Option<usize>) {
    // Within the images whose constants are the same.
    let folds = [2, 4].map(|part| period.unwrap_or(n) / part);
    let rotations = [1, 2, 16, 32, folds[0], folds[1], n - 1];
    for (special, bits) in WAYS {
        let mut answers = Vec::new();
        for kernel in Kernel::available() {
            let mut s = Setup::new(parameters(n, &[30, 31, 32, 33], special, kernel), &rotations_of(&rotations));
            let (scale, weight_scale) = (2_f64.powi(bits), 2_f64.powi(20));
            let maps = [
                dense(3, [3, 2], &[n - 1, 0, 1, 2], &[0, 16, 32], weight_scale),
                dense(3, [1, 2], &[0, 1], &[16], weight_scale),
            ]
            .map(|map| Map { period, ..map });
            let (x, y) = (values(3, n), values(4, n)[3..].to_vec());
            let bias: Vec<Vec<f64>> = (0..2).map(|v| (0..n).map(|p| (v * p) as f64 / 50.0 - 1.0).collect()).collect();
            let mut expected = vec![vec![0.0; n]; 2];
            maps[0].add_to(&mut expected, &x);
            maps[1].add_to(&mut expected, &y);
            folds.iter().for_each(|&by| fold(&mut expected, by));
            expected.iter_mut().zip(&bias).for_each(|(e, b)| e.iter_mut().zip(b).for_each(|(e, b)| *e += b));

            let (cx, cy) = (s.encrypt(&x, scale, 3), s.encrypt(&y, scale, 3));
            let [first, second] = maps.each_ref().map(|map| s.matrix(map));
            let stored = period.map_or(n, |period| period.max(32));
            assert_eq!(first.rotations(), [1, 2, 16, 32, n - 1]);
            assert_eq!(first.bytes(), 72 * (3 + special.len()) * stored * 8);
            let result_scale = scale * weight_scale;
            let units: Vec<Vec<f64>> = bias.iter().map(|b| b.iter().map(|v| v * result_scale).collect()).collect();
            let product =
                s.rotator().multiply(&[(Stored(&cx), &first), (Stored(&cy), &second)], &units, &folds).unwrap();
            assert_eq!((product.limbs(), product.components(), product.len()), (3, 2, 2));

            let map = noise::DiagonalMap {
                products: 38.0,
                rotated_products: 28.0,
                giants: 2.0,
                folds: 2,
                constant_square: weight_scale.powi(2) / 2.0,
                input_square: scale * scale * mean_square(&x),
                exact: false,
                period: period.unwrap_or(n),
            };
            // What the inputs bring along comes on top, multiplied and folded.
            let inputs = 38.0 * noise::fresh(n).powi(2) * map.constant_square * 4.0;
            let predicted = (s.predicted(3, &map).powi(2) + inputs).sqrt();
            let error = deviation(&s.decrypt(&product, result_scale), &expected);
            assert_near(error * result_scale, predicted, &format!("{special:?}"));
            assert!(error < 0.02, "{error:e} of numbers about 1");
            answers.push(product);
        }
        assert!(answers.windows(2).all(|w| w[0] == w[1]), "every path gives the same bits");
    }
}

fn rotations_of(rotations: &[usize]) -> Vec<usize> {
    let mut sorted = rotations.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

/// What it is called; special primes, bits of inputs and of constants; babies, giants, folds.
type Case<'a> = (&'a str, (&'a [u32], i32, i32), &'a [usize], &'a [usize], &'a [usize]);

/// Each part of the noise where it is the largest.
#[test]
fn noise_of_products_is_as_predicted() {
    let n = 2048;
    let keys = [1, 2, 3, 64, 128, n / 4, n / 2];
    let (rounding, switching) = ((&[45_u32][..], 40, 12), (&[31_u32][..], 20, 20));
    // Constants without rounding.
    let (uniform, divided) = ((&[31_u32][..], 20, 0), (&[45_u32][..], 20, 0));
    let cases: [Case<'_>; 11] = [
        ("rounding of constants", rounding, &[0], &[0], &[]),
        ("rounding of more constants", rounding, &[0, 1, 2], &[0, 64], &[]),
        ("babies", switching, &[1, 2, 3], &[0], &[]),
        ("babies without a special prime", (&[], 40, 20), &[1, 2, 3], &[0], &[]),
        ("babies with two special primes", (&[31, 32], 20, 20), &[1, 2, 3], &[0], &[]),
        ("giants and folds with two special primes", (&[31, 32], 20, 0), &[0], &[64, 128], &[n / 2]),
        ("giants", uniform, &[0], &[64, 128], &[]),
        ("giants, divided", divided, &[0], &[64, 128], &[]),
        ("folds", uniform, &[0], &[0], &[n / 2, n / 4]),
        ("folds, divided", divided, &[0], &[0], &[n / 2, n / 4]),
        ("folds of babies and giants", switching, &[0, 1, 2, 3], &[0, 64, 128], &[n / 2, n / 4]),
    ];
    for ((what, (special, bits, weight_bits), babies, giants, folds), period) in
        cases.into_iter().flat_map(|case| [None, Some(64)].map(|period| (case, period)))
    {
        let mut s = Setup::new(parameters(n, &[30, 31, 32], special, Kernel::detect()), &keys);
        let (scale, weight_scale) = (2_f64.powi(bits), 2_f64.powi(weight_bits));
        let uniform = weight_bits == 0;
        let map = Map { uniform, period, ..dense(3, [2, 2], babies, giants, weight_scale) };
        let matrix = s.matrix(&map);
        let x = s.encrypt(&values(2, n), scale, 3);
        // With its noise, which is not that of the product.
        let before = s.decrypt(&x, 1.0);
        let mut expected = vec![vec![0.0; n]; 2];
        map.add_to(&mut expected, &before);
        folds.iter().for_each(|&by| fold(&mut expected, by));
        expected.iter_mut().flatten().for_each(|e| *e *= weight_scale);
        let product = s.rotator().multiply(&[(Stored(&x), &matrix)], &vec![vec![0.0; n]; 2], folds).unwrap();
        let of = |steps: &[usize]| steps.iter().filter(|s| **s > 0).count() as f64;
        let predicted = s.predicted(
            3,
            &noise::DiagonalMap {
                products: 2.0 * (babies.len() * giants.len()) as f64,
                rotated_products: 2.0 * of(babies) * giants.len() as f64,
                giants: of(giants),
                folds: folds.len() as u32,
                constant_square: weight_scale.powi(2) / 2.0,
                input_square: mean_square(&before),
                exact: uniform,
                period: period.unwrap_or(n),
            },
        );
        assert_near(deviation(&s.decrypt(&product, 1.0), &expected), predicted, &format!("{what}, {period:?}"));
    }
}

/// One hoisted baby of ones is a rotation.
#[test]
fn hoisted_rotations_mean_what_single_ones_do() {
    let n = 256;
    for (special, bits) in WAYS {
        let mut s = Setup::new(parameters(n, &[30, 31, 32], special, Kernel::detect()), &[3, 7]);
        let (scale, ones) = (2_f64.powi(bits), 2_f64.powi(20));
        let x = s.encrypt(&values(2, n), scale, 3);
        let apart = s.decrypt(&s.rotator().rotate(&s.rotator().rotate(&x, 3).unwrap(), 7).unwrap(), scale);
        let diagonals = [0, 1].map(|u| Diagonal { output: u, giant: 7, input: u, baby: 3 });
        let shape = DiagonalShape { limbs: 3, inputs: 2, outputs: 2, period: n };
        let matrix = DiagonalMatrix::new(&s.parameters, shape, &diagonals, |_, out| out.fill(ones)).unwrap();
        let hoisted = s.rotator().multiply(&[(Stored(&x), &matrix)], &vec![vec![0.0; n]; 2], &[]).unwrap();
        let literal = s.parameters.literal();
        let one = noise::rotate(n, &literal.moduli, &literal.special) / scale;
        assert!(deviation(&s.decrypt(&hoisted, scale * ones), &apart) < 4.0 * one);
    }
}

/// At a scale that no 64-bit integer holds.
#[test]
fn a_bias_may_be_larger_than_a_word() {
    let n = 64;
    let mut s = Setup::new(parameters(n, &[40, 40, 40], &[45], Kernel::detect()), &[]);
    let x = s.encrypt(&[vec![1.0; n]], 2_f64.powi(40), 3);
    let shape = DiagonalShape { limbs: 3, inputs: 1, outputs: 1, period: n };
    let one = [Diagonal { output: 0, giant: 0, input: 0, baby: 0 }];
    let weight = 2_f64.powi(40);
    let matrix = DiagonalMatrix::new(&s.parameters, shape, &one, |_, out| out.fill(weight)).unwrap();
    let scale = 2_f64.powi(80);
    let bias: Vec<f64> = (0..n).map(|p| p as f64 * scale).collect();
    let y = s.rotator().multiply(&[(Stored(&x), &matrix)], &[bias], &[]).unwrap();
    let found = &s.decrypt(&y, scale)[0];
    assert!(found.iter().enumerate().all(|(p, v)| (v - p as f64 - 1.0).abs() < 1e-6));
    let too_large = vec![vec![2_f64.powi(119); n]];
    let error = s.rotator().multiply(&[(Stored(&x), &matrix)], &too_large, &[]).unwrap_err();
    assert!(matches!(error, Error::Overflow { .. }), "{error}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let mut s = Setup::new(parameters(64, &[30, 31], &[40], Kernel::detect()), &[1, 16, 32]);
            let x = s.encrypt(&values(3, 64), 2_f64.powi(20), 2);
            let matrix = s.matrix(&dense(2, [3, 2], &[0, 1], &[0, 16], 2_f64.powi(20)));
            let product = s.rotator().multiply(&[(Stored(&x), &matrix)], &vec![vec![1.0; 64]; 2], &[32]).unwrap();
            let rotated = s.rotator().rotate(&x, 16).unwrap();
            (s.keys.compressed_digits().collect::<Vec<_>>(), product, rotated)
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn galois_keys_survive_their_bytes_and_refuse_others() {
    let rotations = [2, 9, 40];
    let mut s = Setup::new(parameters(64, &[30, 31], &[40], Kernel::detect()), &rotations);
    let bytes: Vec<u8> = s.keys.compressed_digits().flatten().collect();
    let keyed = |rotations: &[usize]| KeyedRotation::of_all_limbs(&s.parameters, rotations);
    assert_eq!(bytes.len(), GaloisKeys::compressed_len(&s.parameters, &keyed(&rotations)));
    assert_eq!(s.keys.rotations(), keyed(&rotations));
    let read = |rotations: &[usize], bytes: &[u8]| {
        GaloisKeys::from_compressed(&s.parameters, *s.keys.seed(), &keyed(rotations), bytes)
    };
    let keys = read(&rotations, &bytes).unwrap();
    assert!(read(&rotations, &bytes[1..]).is_err(), "too few bytes");
    assert!(read(&rotations[1..], &bytes).is_err(), "too few rotations");
    assert!(read(&rotations, &vec![0xff; bytes.len()]).is_err(), "no residues");
    for wrong in [[0, 9, 40], [2, 9, 64], [2, 2, 40], [9, 2, 40]] {
        assert!(read(&wrong, &bytes).is_err(), "{wrong:?}");
        let mut rng = SecretRng::insecure(1, "test");
        assert!(GaloisKeys::generate(&s.secret, &keyed(&wrong), &mut rng).is_err(), "{wrong:?}");
    }
    let x = s.encrypt(&values(1, 64), 2_f64.powi(20), 2);
    let again = Rotator::new(&s.parameters, &keys).unwrap();
    assert!(again.rotate(&x, 9).unwrap() == s.rotator().rotate(&x, 9).unwrap());
    assert_eq!(format!("{keys:?}"), "GaloisKeys([2, 9, 40])");
}

#[test]
fn keys_of_fewer_limbs_rotate_what_has_no_more() {
    for special in [&[][..], &[40], &[39, 41]] {
        let p = parameters(64, &[30, 31, 32], special, Kernel::detect());
        let mut s = Setup::new(p.clone(), &[2, 9]);
        let few = [(2, 1), (9, 2)].map(|(slots, limbs)| KeyedRotation { slots, limbs });
        // The draws of the other setup, of which those for the other limbs are left out.
        let mut rng = SecretRng::insecure(7, "test");
        let secret = SecretKey::generate(&p, &mut rng);
        let keys = GaloisKeys::generate(&secret, &few, &mut rng).unwrap();
        let bytes: Vec<u8> = keys.compressed_digits().flatten().collect();
        assert_eq!(bytes.len(), GaloisKeys::compressed_len(&p, &few));
        assert!(2 * bytes.len() < GaloisKeys::compressed_len(&p, s.keys.rotations()));
        let keys = GaloisKeys::from_compressed(&p, *keys.seed(), &few, &bytes).unwrap();
        let x = s.encrypt(&values(2, 64), 2_f64.powi(20), 2);
        let rotator = Rotator::new(&p, &keys).unwrap();
        assert!(rotator.rotate(&x, 9).unwrap() == s.rotator().rotate(&x, 9).unwrap());
        let error = rotator.rotate(&x, 2).unwrap_err();
        assert!(matches!(error, Error::MissingGaloisKey { rotation: 2, limbs: 2, .. }), "{error}");
        for limbs in [0, 4] {
            let wrong = [KeyedRotation { slots: 2, limbs }];
            assert!(GaloisKeys::generate(&secret, &wrong, &mut SecretRng::insecure(1, "test")).is_err(), "{limbs}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let n = 64;
    let mut s = Setup::new(parameters(n, &[30, 31, 32], &[40], Kernel::detect()), &[1, 16]);
    let other = parameters(n, &[33, 34, 35], &[40], Kernel::detect());
    assert!(matches!(Rotator::new(&other, &s.keys), Err(Error::KeyMismatch { .. })));
    let x = s.encrypt(&values(2, n), 2_f64.powi(20), 3);
    let missing = |rotation: usize, error: Error| {
        assert!(matches!(error, Error::MissingGaloisKey { rotation: r, .. } if r == rotation), "{error}");
        assert!(error.to_string().contains(&format!("rotation by {rotation} slots")), "{error}");
    };
    [0, 2, n, n + 1].into_iter().for_each(|by| missing(by, s.rotator().rotate(&x, by).unwrap_err()));

    let map = |babies: &[usize], giants: &[usize]| s.matrix(&dense(3, [2, 2], babies, giants, 1000.0));
    let zero = vec![vec![0.0; n]; 2];
    let good = map(&[0, 1], &[0, 16]);
    let multiply = |terms: &[(InputBatch<'_>, &DiagonalMatrix)], bias: &[Vec<f64>], folds: &[usize]| {
        s.rotator().multiply(terms, bias, folds)
    };
    assert!(multiply(&[(Stored(&x), &good)], &zero, &[16]).is_ok());
    missing(2, multiply(&[(Stored(&x), &map(&[2], &[0]))], &zero, &[]).unwrap_err());
    missing(3, multiply(&[(Stored(&x), &map(&[0], &[3]))], &zero, &[]).unwrap_err());
    missing(32, multiply(&[(Stored(&x), &good)], &zero, &[32]).unwrap_err());
    missing(0, multiply(&[(Stored(&x), &good)], &zero, &[0]).unwrap_err());
    assert!(multiply(&[], &zero, &[]).is_err(), "no term");
    assert!(multiply(&[(Stored(&x), &good)], &zero[1..], &[]).is_err(), "too few biases");
    assert!(multiply(&[(Stored(&x), &good)], &vec![vec![0.0; n - 1]; 2], &[]).is_err(), "too few slots");
    assert!(multiply(&[(Stored(&x), &good)], &vec![vec![f64::NAN; n]; 2], &[]).is_err(), "no numbers");
    assert!(multiply(&[(Stored(&x.first_limbs(2).unwrap()), &good)], &zero, &[]).is_err(), "fewer limbs");
    let short = s.matrix(&dense(2, [2, 2], &[0], &[0], 1.0));
    assert!(multiply(&[(Stored(&x), &good), (Stored(&x), &short)], &zero, &[]).is_err(), "a matrix for fewer limbs");
    let wide = s.matrix(&dense(3, [3, 2], &[0], &[0], 1.0));
    assert!(multiply(&[(Stored(&x), &wide)], &zero, &[]).is_err(), "too few inputs");
    let three = Batch::build(&s.parameters, 3, 3, 2, |_, _| Ok(())).unwrap();
    assert!(multiply(&[(Stored(&three), &good)], &zero, &[]).is_err() && s.rotator().rotate(&three, 1).is_err());
    let foreign = Batch::build(&other, 3, 2, 2, |_, _| Ok(())).unwrap();
    assert!(multiply(&[(Stored(&foreign), &good)], &zero, &[]).is_err() && s.rotator().rotate(&foreign, 1).is_err());
    let elsewhere = dense(3, [2, 2], &[0], &[0], 1.0);
    let foreign = DiagonalMatrix::new(&other, elsewhere.shape(n), &elsewhere.diagonals, |_, _| {}).unwrap();
    assert!(multiply(&[(Stored(&x), &foreign)], &zero, &[]).is_err(), "a matrix of other primes");

    let shape = DiagonalShape { limbs: 3, inputs: 2, outputs: 2, period: n };
    let diagonal = Diagonal { output: 1, giant: 1, input: 1, baby: 1 };
    let prepare = |shape, diagonals: &[Diagonal], value: f64| {
        DiagonalMatrix::new(&s.parameters, shape, diagonals, |_, out| out.fill(value))
    };
    assert!(prepare(shape, &[diagonal], 1.0).is_ok());
    assert!(prepare(shape, &[], 1.0).is_err(), "no diagonal");
    assert!(prepare(shape, &[diagonal], f64::INFINITY).is_err(), "no number");
    assert!(prepare(DiagonalShape { limbs: 4, ..shape }, &[diagonal], 1.0).is_err(), "too many limbs");
    for period in [0, 3, 2 * n] {
        assert!(prepare(DiagonalShape { period, ..shape }, &[diagonal], 1.0).is_err(), "a period of {period}");
    }
    for wrong in [
        Diagonal { output: 2, ..diagonal },
        Diagonal { input: 2, ..diagonal },
        Diagonal { baby: n, ..diagonal },
        Diagonal { giant: n, ..diagonal },
    ] {
        assert!(prepare(shape, &[wrong], 1.0).is_err(), "{wrong:?}");
    }
}
