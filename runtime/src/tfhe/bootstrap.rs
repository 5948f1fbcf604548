//! One element of a stage: low bits removed, key switching, blind rotation through its table.

use beaa_ir::tfhe::{PARAMETER_SET, Stage};
use tfhe::core_crypto::prelude::*;

use super::keys::ServerKey;
use super::keyswitch::{CIPHERTEXTS_PER_PASS, KeySwitch};
use super::parameters::{self, Ciphertext, point};

/// Expanded keys, shared by all threads.
pub(super) struct Bootstrapper {
    bootstrap: FourierLweBootstrapKeyOwned,
    switch: KeySwitch,
    fft: Fft,
}

/// Workspace of one thread.
pub(super) struct Workspace {
    buffers: ComputationBuffers,
    accumulators: Vec<u64>,
    inputs: Vec<u64>,
    outputs: Vec<u64>,
}

impl Bootstrapper {
    pub(super) fn new(key: &ServerKey) -> Self {
        let standard = key.bootstrap.as_view().par_decompress_into_lwe_bootstrap_key();
        let (base, levels) = parameters::bootstrap_decomposition(&key.parameters);
        let size = GlweDimension(1).to_glwe_size();
        let mut bootstrap = FourierLweBootstrapKey::new(parameters::small(), size, parameters::degree(), base, levels);
        par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut bootstrap);
        let switch = KeySwitch::new(&key.switch.as_view().par_decompress_into_lwe_keyswitch_key());
        Self { bootstrap, switch, fft: Fft::new(parameters::degree()) }
    }

    pub(super) fn workspace(&self) -> Workspace {
        let mut buffers = ComputationBuffers::new();
        let need = batch_programmable_bootstrap_lwe_ciphertext_mem_optimized_requirement::<u64>(
            GlweDimension(1).to_glwe_size(),
            parameters::degree(),
            CiphertextCount(CIPHERTEXTS_PER_PASS),
            self.fft.as_view(),
        );
        buffers.resize(need.unaligned_bytes_required());
        Workspace {
            buffers,
            accumulators: vec![0; CIPHERTEXTS_PER_PASS * 2 * PARAMETER_SET.polynomial_size],
            inputs: vec![0; CIPHERTEXTS_PER_PASS * (PARAMETER_SET.lwe_dimension + 1)],
            outputs: vec![0; CIPHERTEXTS_PER_PASS * (PARAMETER_SET.polynomial_size + 1)],
        }
    }

    /// Elements from `first` on of `stage`, one for each of `sums`, [`CIPHERTEXTS_PER_PASS`] at
    /// most: from their sums to what their tables say, of `2 * slots` of the next sums.
    pub(super) fn elements(
        &self,
        workspace: &mut Workspace,
        stage: &Stage,
        first: usize,
        mut sums: Vec<Ciphertext>,
        slots: u64,
    ) -> Vec<Ciphertext> {
        let mut done = 0;
        for digit in stage.digit_widths() {
            self.remove_digit(workspace, stage, &mut sums, done, digit);
            done += digit;
        }
        let entries = |j: usize| stage.table(j).iter().map(|&v| point(i64::from(v), slots)).collect();
        let tables: Vec<Vec<u64>> = (first..first + sums.len()).map(entries).collect();
        self.look_up(workspace, &sums, |j| &tables[j])
    }

    /// Subtracts the `digit` bits of each sum that lie above the lowest `done`, which are zero.
    fn remove_digit(&self, workspace: &mut Workspace, stage: &Stage, sums: &mut [Ciphertext], done: u32, digit: u32) {
        let width = if digit == 1 { 0 } else { digit };
        // After this, the digit and the bit above it fill one turn; a bit by itself is half a turn.
        let factor = u64::from(stage.levels) << (stage.dropped_bits - done - width);
        let unit = |power: u32| point(1_i64 << power, stage.slots());
        // The bit that lies at half a turn, as half its value with one sign or the other.
        let half = unit(done + width) / 2;
        let turned: Vec<Ciphertext> = sums
            .iter()
            .map(|sum| {
                let mut turned = scaled(sum, factor);
                lwe_ciphertext_plaintext_add_assign(&mut turned, Plaintext(1 << (62 - width)));
                turned
            })
            .collect();
        let sign = [half.wrapping_neg()];
        let mut bits = self.look_up(workspace, &turned, |_| &sign);
        bits.iter_mut().for_each(|b| lwe_ciphertext_plaintext_add_assign(b, Plaintext(half)));
        if width == 0 {
            sums.iter_mut().zip(&bits).for_each(|(sum, bit)| lwe_ciphertext_sub_assign(sum, bit));
            return;
        }
        let below: Vec<Ciphertext> = sums
            .iter()
            .zip(&bits)
            .map(|(sum, bit)| {
                let mut below = sum.clone();
                lwe_ciphertext_sub_assign(&mut below, bit);
                scaled(&below, factor)
            })
            .collect();
        let table: Vec<u64> = (0..1_i64 << digit).map(|d| point(d << done, stage.slots())).collect();
        let values = self.look_up(workspace, &below, |_| &table);
        sums.iter_mut().zip(&values).for_each(|(sum, value)| lwe_ciphertext_sub_assign(sum, value));
    }

    /// The entry of each one's table that its phase points at: entry `t` of `n` around the fraction
    /// `t / 2n`, negated in the upper half.
    fn look_up<'t>(
        &self,
        workspace: &mut Workspace,
        inputs: &[Ciphertext],
        table: impl Fn(usize) -> &'t [u64],
    ) -> Vec<Ciphertext> {
        let (count, size) = (inputs.len(), PARAMETER_SET.lwe_dimension + 1);
        let ring = 2 * PARAMETER_SET.polynomial_size;
        let smalls = &mut workspace.inputs[..count * size];
        // Fresh ones may be under the small key already.
        if inputs.iter().all(|input| input.lwe_size().0 == size) {
            smalls.chunks_mut(size).zip(inputs).for_each(|(small, input)| small.copy_from_slice(input.as_ref()));
        } else {
            self.switch.run(inputs, smalls);
        }
        smalls.chunks_mut(size).for_each(centre);
        workspace.accumulators.chunks_mut(ring).take(count).enumerate().for_each(|(j, a)| fill(a, table(j)));
        let out = PARAMETER_SET.polynomial_size + 1;
        batch_programmable_bootstrap_lwe_ciphertext_mem_optimized(
            &LweCiphertextList::from_container(&workspace.inputs[..count * size], LweSize(size), parameters::modulus()),
            &mut LweCiphertextList::from_container(
                &mut workspace.outputs[..count * out],
                LweSize(out),
                parameters::modulus(),
            ),
            &GlweCiphertextList::from_container(
                &workspace.accumulators[..count * ring],
                GlweDimension(1).to_glwe_size(),
                parameters::degree(),
                parameters::modulus(),
            ),
            &self.bootstrap,
            self.fft.as_view(),
            workspace.buffers.stack(),
        );
        workspace.outputs[..count * out]
            .chunks(out)
            .map(|c| LweCiphertext::from_container(c.to_vec(), parameters::modulus()))
            .collect()
    }
}

/// Takes the expected error of rounding the mask to multiples of 1/2N, and half such a step, off
/// the body: bits of the key are one half on average (Bernard et al., "Drifting towards better
/// error probabilities", 2024).
fn centre(ciphertext: &mut [u64]) {
    let (mask, body) = ciphertext.split_at_mut(PARAMETER_SET.lwe_dimension);
    assert_eq!(body.len(), 1, "one body after {} elements of the mask", PARAMETER_SET.lwe_dimension);
    let step = 64 - (2 * PARAMETER_SET.polynomial_size).ilog2();
    let errors: i128 = mask
        .iter()
        .map(|&a| {
            let rounded = a.wrapping_add(1 << (step - 1)) >> step << step;
            i128::from(rounded.wrapping_sub(a) as i64)
        })
        .sum();
    body[0] = body[0].wrapping_add((errors / 2) as u64).wrapping_sub(1 << (step - 1));
}

fn scaled(ciphertext: &Ciphertext, factor: u64) -> Ciphertext {
    let mut out = ciphertext.clone();
    lwe_ciphertext_cleartext_mul_assign(&mut out, Cleartext(factor));
    out
}

/// The table as a polynomial, the mask zero. What is centred lies between coefficients `u` and `u +
/// 1`.
fn fill(accumulator: &mut [u64], table: &[u64]) {
    let (n, entries) = (PARAMETER_SET.polynomial_size, table.len());
    let (mask, body) = accumulator.split_at_mut(n);
    mask.fill(0);
    for (u, coefficient) in body.iter_mut().enumerate() {
        // Nearest entry to (u + 1/2) / n * entries, in whole numbers; a sign is the same in the
        // whole half.
        let entry = if entries == 1 { 0 } else { ((2 * u + 1) * entries + n) / (2 * n) };
        // Behind the last entry the first one comes again, negated.
        *coefficient = table.get(entry).copied().unwrap_or_else(|| table[0].wrapping_neg());
    }
}
