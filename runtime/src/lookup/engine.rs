//! One element of a look-up program: low bits off, key switching, blind rotation through its table. Must do the same whatever thread it
//! runs on.

use beaa_ir::{SET, Stage};
use tfhe::core_crypto::prelude::*;

use super::keys::LookupServerKey;
use super::scheme::{self, Ciphertext, point};

/// Expanded keys, shared by all threads.
pub(super) struct Engine {
    bootstrap: FourierLweBootstrapKeyOwned,
    switch: LweKeyswitchKeyOwned<u64>,
    fft: Fft,
}

/// Room of one thread.
pub(super) struct Room {
    buffers: ComputationBuffers,
    accumulator: GlweCiphertextOwned<u64>,
    switched: Ciphertext,
}

impl Engine {
    pub(super) fn new(key: &LookupServerKey) -> Self {
        let standard = key.bootstrap.clone().par_decompress_into_lwe_bootstrap_key();
        let (base, levels) = scheme::bootstrap_decomposition(&key.parameters);
        let size = GlweDimension(1).to_glwe_size();
        let mut bootstrap = FourierLweBootstrapKey::new(scheme::small(), size, scheme::degree(), base, levels);
        par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut bootstrap);
        let switch = key.switch.clone().par_decompress_into_lwe_keyswitch_key();
        Self { bootstrap, switch, fft: Fft::new(scheme::degree()) }
    }

    pub(super) fn room(&self) -> Room {
        let size = GlweDimension(1).to_glwe_size();
        let mut buffers = ComputationBuffers::new();
        let need = blind_rotate_assign_mem_optimized_requirement::<u64>(size, scheme::degree(), self.fft.as_view());
        buffers.resize(need.unaligned_bytes_required());
        Room {
            buffers,
            accumulator: GlweCiphertext::new(0, size, scheme::degree(), scheme::modulus()),
            switched: LweCiphertext::new(0, scheme::small().to_lwe_size(), scheme::modulus()),
        }
    }

    /// Element `j` of `stage`: from its sum to what its table says, of `2 * slots` of the next sums.
    pub(super) fn element(
        &self,
        room: &mut Room,
        stage: &Stage,
        j: usize,
        mut sum: Ciphertext,
        slots: u64,
    ) -> Ciphertext {
        let mut done = 0;
        for digit in stage.removals() {
            self.take_off(room, stage, &mut sum, done, digit);
            done += digit;
        }
        let table: Vec<u64> = stage.table(j).iter().map(|&v| point(i64::from(v), slots)).collect();
        self.look_up(room, &sum, &table)
    }

    /// Subtracts the `digit` bits of `sum` that lie above the lowest `done`, which are zero.
    fn take_off(&self, room: &mut Room, stage: &Stage, sum: &mut Ciphertext, done: u32, digit: u32) {
        let places = if digit == 1 { 0 } else { digit };
        // After this, the digit and the bit above it fill one turn; a bit by itself is half a turn.
        let factor = u64::from(stage.levels) << (stage.drop - done - places);
        let unit = |power: u32| point(1_i64 << power, stage.slots());
        // The bit that lies at half a turn, as half its value with one sign or the other.
        let half = unit(done + places) / 2;
        let mut turned = scaled(sum, factor);
        lwe_ciphertext_plaintext_add_assign(&mut turned, Plaintext(1 << (62 - places)));
        let mut bit = self.look_up(room, &turned, &[half.wrapping_neg()]);
        lwe_ciphertext_plaintext_add_assign(&mut bit, Plaintext(half));
        if places == 0 {
            lwe_ciphertext_sub_assign(sum, &bit);
            return;
        }
        let mut below = sum.clone();
        lwe_ciphertext_sub_assign(&mut below, &bit);
        let table: Vec<u64> = (0..1_i64 << digit).map(|d| point(d << done, stage.slots())).collect();
        let value = self.look_up(room, &scaled(&below, factor), &table);
        lwe_ciphertext_sub_assign(sum, &value);
    }

    /// The entry of `table` that the phase points at: entry `t` of `n` around the fraction `t / 2n`, negated in the upper half.
    fn look_up(&self, room: &mut Room, input: &Ciphertext, table: &[u64]) -> Ciphertext {
        let Room { buffers, accumulator, switched } = room;
        fill(accumulator, table);
        let small = if input.lwe_size() == scheme::small().to_lwe_size() {
            input.as_view()
        } else {
            keyswitch_lwe_ciphertext(&self.switch, input, switched);
            switched.as_view()
        };
        let log = scheme::degree().to_blind_rotation_input_modulus_log();
        let rounded = lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(small, log);
        blind_rotate_assign_mem_optimized(&rounded, accumulator, &self.bootstrap, self.fft.as_view(), buffers.stack());
        let mut out = LweCiphertext::new(0, scheme::large().to_lwe_size(), scheme::modulus());
        extract_lwe_sample_from_glwe_ciphertext(accumulator, &mut out, MonomialDegree(0));
        out
    }
}

fn scaled(ciphertext: &Ciphertext, factor: u64) -> Ciphertext {
    let mut out = ciphertext.clone();
    lwe_ciphertext_cleartext_mul_assign(&mut out, Cleartext(factor));
    out
}

/// The table as a polynomial. The centred modulus switch puts a phase of `u` between coefficients `u - 1` and `u`.
fn fill(accumulator: &mut GlweCiphertextOwned<u64>, table: &[u64]) {
    let (n, entries) = (SET.polynomial_size, table.len());
    accumulator.as_mut().fill(0);
    for (u, coefficient) in accumulator.get_mut_body().as_mut().iter_mut().enumerate() {
        // Nearest entry to (u + 1/2) / n * entries, in whole numbers.
        let place = ((2 * u + 1) * entries + n) / (2 * n);
        *coefficient = match table.get(place) {
            Some(&v) => v,
            None => table.first().map_or(0, |v| v.wrapping_neg()),
        };
    }
    if entries == 1 {
        // A sign: the same in the whole lower half, wherever in it.
        accumulator.get_mut_body().as_mut().fill(table[0]);
    }
}
