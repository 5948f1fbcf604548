//! What every backend is held to. Backends of ckks programs run one suite: each operation gives the
//! right values, says the right length, limbs, scale and components, and refuses what does not fit.
//! A new one adds a harness and a test at the end. The tfhe backend runs another language, whose
//! meaning is exact: `tests/tfhe.rs` holds it to every integer of every stage.

#![allow(clippy::unwrap_used)]

use beaa_ckks::{
    Batch, CiphertextId, Decryptor, Encoding, Encryptor, EvaluationKey, Parameters, ParametersLiteral, SecretKey,
    SecretRng, noise, primes,
};
use beaa_ir::SparseMatrix;
use beaa_ir::ckks::{LinearTerm, Step, StepOp, ValueId, ValueInfo};
use beaa_ir::images::ImageMajor;
use beaa_runtime::Result;
use beaa_runtime::backend::{Backend, Sequence, arrange};
use beaa_runtime::ckks::{CkksBackend, CkksValue};
use beaa_runtime::plaintext::{PlaintextBackend, PlaintextValue};

const SLOTS: usize = 4096;
const BITS: [u32; 3] = [38, 36, 34];

/// What the suite needs of a backend beyond its trait: a way in and a way out.
trait Harness {
    type B<'h>: Backend
    where
        Self: 'h;
    fn backend(&self) -> Self::B<'_>;
    fn put(&self, rows: &[Vec<f64>], limbs: usize, scale: f64) -> Value<'_, Self>;
    fn get(&self, value: &Value<'_, Self>) -> Vec<Vec<f64>>;
    /// Whether there is noise: the most that `slots` of standard deviation `noise` may deviate.
    fn allowed(&self, noise: f64) -> f64;
}

/// A value of the harness's backend.
type Value<'h, H> = <<H as Harness>::B<'h> as Backend>::Value;

fn moduli() -> Vec<u64> {
    let mut moduli = Vec::new();
    for bits in BITS {
        moduli.extend(primes::ntt_primes(SLOTS, bits, 1, &moduli).unwrap());
    }
    moduli
}

struct Plaintext(Vec<u64>);

impl Harness for Plaintext {
    type B<'h> = PlaintextBackend;

    fn backend(&self) -> PlaintextBackend {
        PlaintextBackend::new(&self.0)
    }

    fn put(&self, rows: &[Vec<f64>], limbs: usize, scale: f64) -> PlaintextValue {
        let images = (0..SLOTS).map(|i| rows.iter().map(|r| r[i] as f32).collect::<Vec<f32>>());
        let images = ImageMajor::from_rows(rows.len(), images).unwrap();
        self.backend().input(ValueInfo { len: rows.len(), limbs, scale, components: 2 }, &images).unwrap()
    }

    fn get(&self, value: &PlaintextValue) -> Vec<Vec<f64>> {
        value.values.rows().map(<[f64]>::to_vec).collect()
    }

    fn allowed(&self, _noise: f64) -> f64 {
        1e-9
    }
}

struct Ckks {
    parameters: Parameters,
    secret: SecretKey,
    key: EvaluationKey,
}

impl Ckks {
    fn new() -> Self {
        let literal = ParametersLiteral { degree: SLOTS, moduli: moduli(), special: vec![], security: 128 };
        let parameters = Parameters::try_from(literal).unwrap();
        let mut rng = SecretRng::insecure(3, "conformance");
        let secret = SecretKey::generate(&parameters, &mut rng);
        let key = EvaluationKey::generate(&secret, &mut rng);
        Self { secret, key, parameters }
    }
}

impl Harness for Ckks {
    type B<'h> = CkksBackend<'h>;

    fn backend(&self) -> CkksBackend<'_> {
        CkksBackend::new(&self.parameters, &self.key).unwrap()
    }

    fn put(&self, rows: &[Vec<f64>], limbs: usize, scale: f64) -> CkksValue<'_> {
        let encryptor = Encryptor::new(&self.parameters, &self.secret).unwrap();
        let batch = Batch::build(&self.parameters, limbs, 2, rows.len(), |i, out| {
            let mut rng = SecretRng::insecure(i as u64, "put");
            let (b, a) = out.split_at_mut(limbs * SLOTS);
            let id = CiphertextId { seed: [9; 32], index: i as u64 };
            encryptor.encrypt(&rows[i], Encoding { scale, limbs }, id, &mut rng, b)?;
            a.copy_from_slice(&id.expand_a(&self.parameters, limbs)?);
            Ok(())
        });
        CkksValue::new(batch.unwrap(), scale)
    }

    fn get(&self, value: &CkksValue<'_>) -> Vec<Vec<f64>> {
        let batch = value.batch().unwrap();
        let decryptor = Decryptor::new(&self.parameters, &self.secret).unwrap();
        (0..batch.len()).map(|i| decryptor.decrypt(&batch, i, value.scale()).unwrap()).collect()
    }

    /// Twelve standard deviations: the noise of key switching is a sum of products of two normal
    /// numbers, whose tails fall only exponentially; with three limbs one slot in 1e9 goes beyond.
    fn allowed(&self, noise: f64) -> f64 {
        12.0 * noise
    }
}

fn rows(count: usize) -> Vec<Vec<f64>> {
    // Values that f32 holds exactly, as images are f32.
    (0..count)
        .map(|r| (0..SLOTS).map(|i| f64::from((((r * 37 + i * 11) % 101) as f32 - 50.0) / 64.0)).collect())
        .collect()
}

fn check<'h, H: Harness>(
    h: &'h H,
    what: &str,
    value: &Value<'h, H>,
    expected: &[Vec<f64>],
    noise: f64,
    info: ValueInfo,
) {
    assert_eq!(h.backend().info(value), info, "{what}");
    let got = h.get(value);
    let largest = got.iter().flatten().zip(expected.iter().flatten()).fold(0.0_f64, |m, (g, e)| m.max((g - e).abs()));
    let allowed = h.allowed(noise).max(1e-9);
    assert!(largest <= allowed, "{what}: off by {largest:e}, at most {allowed:e}");
}

fn map(rows: &[Vec<f64>], f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    rows.iter().map(|r| r.iter().map(|&v| f(v)).collect()).collect()
}

fn step(op: StepOp) -> Step {
    Step { layer: "layer".into(), op }
}

/// Runs `steps` as the first of a program whose input is `input`.
fn fused<B: Backend>(backend: &B, input: &B::Value, steps: &[Step]) -> Result<B::Value> {
    let weights = arrange(0, steps, |t| backend.arrange(t))?;
    Ok(backend.fused(&Sequence::new(0, steps, &weights, &[(0, input)])?)?.value)
}

fn suite<H: Harness>(h: &H) {
    let moduli = moduli();
    let b = h.backend();
    let scale = 2_f64.powi(24);
    let x = rows(4);
    let fresh = noise::fresh(SLOTS) / scale;
    let value = h.put(&x, 3, scale);
    let info = ValueInfo { len: 4, limbs: 3, scale, components: 2 };
    check(h, "input", &value, &x, fresh, info);

    // Linear: an ordinary row, an empty one, one with all columns.
    let entries = vec![vec![(0, 64), (2, -32)], vec![], vec![(0, 1), (1, -2), (2, 3), (3, -4)]];
    let matrix = SparseMatrix::from_rows(4, entries.clone()).unwrap();
    let bias = [1.5, -0.25, 0.0];
    let out_scale = scale * 64.0;
    let integers: Vec<i128> = bias.iter().map(|b| (b * out_scale) as i128).collect();
    let linear = |weights: SparseMatrix, bias: Vec<i128>| {
        step(StepOp::Linear { terms: vec![LinearTerm { input: 0, weights }], weight_scale: 64.0, bias })
    };
    let expected: Vec<Vec<f64>> = entries
        .iter()
        .zip(bias)
        .map(|(row, b)| {
            (0..SLOTS)
                .map(|i| b + row.iter().map(|&(c, w)| f64::from(w) / 64.0 * x[c as usize][i]).sum::<f64>())
                .collect()
        })
        .collect();
    let y = fused(&b, &value, &[linear(matrix, integers)]).unwrap();
    check(h, "linear", &y, &expected, 1.2 * fresh, ValueInfo { len: 3, scale: out_scale, ..info });

    // Square, then back to two components, then rescaled: values stay, the scale follows.
    let squares = map(&x, |v| v * v);
    let large = h.put(&x, 3, 2_f64.powi(33));
    let squared = fused(&b, &large, &[step(StepOp::Square { input: 0 })]).unwrap();
    let mut at = ValueInfo { scale: 2_f64.powi(66), components: 3, ..info };
    let mut noise = 2.0 * noise::fresh(SLOTS) / 2_f64.powi(33);
    check(h, "square", &squared, &squares, noise, at);
    let relinearised = b.key_switch(&squared, true, 0).unwrap().value;
    at.components = 2;
    noise += noise::relinearise(SLOTS, &moduli, &[]) / at.scale;
    check(h, "relinearise", &relinearised, &squares, noise, at);
    let rescaled = b.key_switch(&relinearised, false, 1).unwrap().value;
    at = ValueInfo { scale: at.scale / moduli[2] as f64, limbs: 2, ..at };
    noise += noise::rescale(SLOTS, 2) / at.scale;
    check(h, "rescale", &rescaled, &squares, noise, at);
    at.limbs = 1;
    check(h, "drop limbs", &b.drop_limbs(&rescaled, 1).unwrap(), &squares, noise, at);

    // A fused sequence with two terms of different components: x^2 + x, the scales made equal.
    let identity = SparseMatrix::from_rows(4, (0..4).map(|i| vec![(i, 1)]).collect()).unwrap();
    let term = |input: ValueId| LinearTerm { input, weights: identity.clone() };
    let ops = [
        StepOp::Square { input: 0 },
        StepOp::ScaleUp { input: 0, factor: 1 << 24 },
        StepOp::Linear { terms: vec![term(1), term(2)], weight_scale: 1.0, bias: vec![0; 4] },
    ];
    let sum = fused(&b, &value, &ops.map(step)).unwrap();
    let info = ValueInfo { scale: scale * scale, components: 3, ..info };
    check(h, "fused", &sum, &map(&x, |v| v * v + v), 3.0 * fresh, info);

    // What does not fit is an error, neither a wrong answer nor a panic.
    let narrow = SparseMatrix::from_rows(3, vec![vec![(0, 1)]]).unwrap();
    assert!(fused(&b, &value, &[linear(narrow, vec![0])]).is_err());
    assert!(fused(&b, &value, &[]).is_err());
    assert!(fused(&b, &value, &[step(StepOp::Square { input: 2 })]).is_err());
    assert!(fused(&b, &value, &[step(StepOp::Rescale { input: 0 })]).is_err());
    assert!(fused(&b, &value, &[step(StepOp::DropLimbs { input: 0, limbs: 1 })]).is_err());
    assert!(b.key_switch(&h.put(&x, 1, scale), false, 1).is_err());
    assert!(b.drop_limbs(&value, 4).is_err());
}

#[test]
fn plaintext_conforms() {
    suite(&Plaintext(moduli()));
}

#[test]
fn ckks_conforms() {
    suite(&Ckks::new());
}
