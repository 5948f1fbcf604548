//! What a server of the tfhe backend does: run a program on encrypted images with the evaluation
//! keys. It takes no secret key, and holds none.

use std::time::Instant;

use beaa_ir::SparseMatrix;
use beaa_ir::tfhe::{Program, program_hash};
use rayon::prelude::*;
use serde::Serialize;
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::prelude::*;

use super::bootstrap::{Bootstrapper, Workspace};
use super::ciphertexts::{self, CiphertextHeader, EncryptedInput, EncryptedOutput};
use super::keys::{self, ServerKey};
use super::keyswitch::CIPHERTEXTS_PER_PASS;
use super::parameters::{self, Ciphertext, point};
use crate::files::{expect_key, expect_program};
use crate::{Progress, Result};

/// The time of one stage, over all images.
#[derive(Debug, Clone, Serialize)]
pub struct StageTime {
    /// The model's layer.
    pub layer: String,
    /// Number of bootstrappings.
    pub bootstrappings: usize,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// What a run took.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Wall-clock seconds of expanding the keys, once for all images.
    pub keys_seconds: f64,
    /// The stages in order.
    pub stages: Vec<StageTime>,
    /// Wall-clock seconds of all images, without the keys.
    pub seconds: f64,
}

/// Runs `program` on encrypted images, one after the other, each on all threads of the current
/// pool.
///
/// # Errors
/// When the keys have other parameters than the program, when the images are encrypted for another
/// program or under another key, or when their file is damaged.
pub fn run(
    program: &Program,
    key: &ServerKey,
    input: &EncryptedInput,
    progress: &dyn Progress,
) -> Result<(EncryptedOutput, RunReport)> {
    run_observed(program, key, input, progress, &mut |_, _, _| {})
}

/// What sees the results of each stage of each image: image, stage, whole ciphertexts under the
/// large key.
pub(super) type Observer<'a> = dyn FnMut(usize, usize, &[Vec<u64>]) + 'a;

/// Runs `program` as [`run`] does; `observe` sees the results of every stage, still encrypted.
///
/// # Errors
/// As [`run`].
pub(super) fn run_observed(
    program: &Program,
    key: &ServerKey,
    input: &EncryptedInput,
    progress: &dyn Progress,
    observe: &mut Observer<'_>,
) -> Result<(EncryptedOutput, RunReport)> {
    let signature = program.signature();
    keys::expect("running a program", &key.parameters, &signature.parameters)?;
    let (fingerprint, len) = (program_hash(program), signature.input.shape().len());
    expect_program("running a program", &input.header.program, &fingerprint)?;
    expect_key("running a program", &input.header.key, key.id())?;
    ciphertexts::expect_words("running a program", &input.header, input.bodies.len(), len)?;
    let seed = Seed(input.seed()?);
    let started = Instant::now();
    let bootstrapper = Bootstrapper::new(key);
    let keys_seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let mut stages: Vec<StageTime> = program
        .stages()
        .iter()
        .map(|s| StageTime {
            layer: s.layer.clone(),
            bootstrappings: s.bias.len() * s.bootstrappings() * input.images(),
            seconds: 0.0,
        })
        .collect();
    let elements: usize = program.stages().iter().map(|s| s.bias.len()).sum();
    progress.begin("run", (elements * input.images()) as u64);
    let size = if signature.input_large_key { parameters::large() } else { parameters::small() }.to_lwe_size();
    let list =
        SeededLweCiphertextList::from_container(input.bodies.as_slice(), size, seed.into(), parameters::modulus());
    let mut expanded = LweCiphertextList::new(0_u64, size, list.lwe_ciphertext_count(), parameters::modulus());
    decompress_seeded_lwe_ciphertext_list::<u64, _, _, DefaultRandomGenerator>(&mut expanded, &list);
    let mut words = Vec::new();
    for (image, pixels) in expanded.as_ref().chunks(len * size.0).enumerate() {
        let mut values: Vec<Vec<u64>> = pixels.chunks(size.0).map(<[u64]>::to_vec).collect();
        for (k, stage) in program.stages().iter().enumerate() {
            let began = Instant::now();
            let slots = program.slots_after(k);
            let some = |workspace: &mut Workspace, chunk: usize| {
                let rows = chunk * CIPHERTEXTS_PER_PASS..((chunk + 1) * CIPHERTEXTS_PER_PASS).min(stage.bias.len());
                let (first, count) = (rows.start, rows.len());
                let sums = rows.map(|j| sum(&stage.weights, j, &values, point(stage.bias[j], stage.slots()))).collect();
                let out = bootstrapper.elements(workspace, stage, first, sums, slots);
                progress.advance(count as u64);
                out.into_iter().map(LweCiphertext::into_container).collect::<Vec<_>>()
            };
            let chunks = (0..stage.bias.len().div_ceil(CIPHERTEXTS_PER_PASS)).into_par_iter().with_max_len(1);
            values = chunks.map_init(|| bootstrapper.workspace(), some).collect::<Vec<_>>().concat();
            stages[k].seconds += began.elapsed().as_secs_f64();
            observe(image, k, &values);
        }
        for (r, &bias) in program.last_bias().iter().enumerate() {
            words.extend(sum(program.last(), r, &values, point(bias, signature.output_slots())).into_container());
        }
    }
    progress.end();
    let header = CiphertextHeader {
        program: fingerprint,
        key: key.id().into(),
        images: input.images(),
        seed: None,
        batch: input.header.batch.clone(),
        from_seed: input.is_from_seed() || key.is_from_seed(),
    };
    let report = RunReport { keys_seconds, stages, seconds: started.elapsed().as_secs_f64() };
    Ok((EncryptedOutput { header, words }, report))
}

/// Row `r` of a linear map: the weighted sum of `values`, one or more ciphertexts of one size, plus
/// `bias`.
fn sum(weights: &SparseMatrix, r: usize, values: &[Vec<u64>], bias: u64) -> Ciphertext {
    assert_eq!(values.len(), weights.columns(), "values for each column");
    let (columns, integers) = weights.row(r);
    let size = values[0].len();
    let mut out = vec![0_u64; size];
    for (&c, &w) in columns.iter().zip(integers) {
        let (value, w) = (&values[c as usize], i64::from(w) as u64);
        out.iter_mut().zip(value).for_each(|(o, v)| *o = o.wrapping_add(v.wrapping_mul(w)));
    }
    out[size - 1] = out[size - 1].wrapping_add(bias);
    LweCiphertext::from_container(out, parameters::modulus())
}
