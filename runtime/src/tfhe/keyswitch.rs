//! Key switching of several ciphertexts in one pass over the key, which is larger than any cache,
//! in words of 32 bits. The results are those of the `tfhe` crate, but for the bits that are left
//! out.

use pulp::{Arch, NullaryFnOnce};
use tfhe::core_crypto::commons::math::decomposition::SignedDecomposer;
use tfhe::core_crypto::prelude::*;

use super::parameters::Ciphertext;

/// Ciphertexts that one pass serves.
pub(super) const CIPHERTEXTS_PER_PASS: usize = 8;
/// Rows of the key that are summed before a result is touched; as many fit the first cache.
const ROWS_PER_BLOCK: usize = 8;

/// A key with its words rounded to their upper halves: over all rows that adds noise of deviation
/// 2^-26 of the torus, where key switching itself leaves 2^-11.
pub(super) struct KeySwitch {
    /// `[row][size]`; a row for each digit of each mask element, and rows of zeros to the next
    /// multiple of [`ROWS_PER_BLOCK`].
    rows: Vec<u32>,
    size: usize,
    decomposer: SignedDecomposer<u64>,
}

impl KeySwitch {
    pub(super) fn new(key: &LweKeyswitchKeyOwned<u64>) -> Self {
        let size = key.output_lwe_size().0;
        let mut rows: Vec<u32> = key.as_ref().iter().map(|&word| upper(word)).collect();
        rows.resize(rows.len().next_multiple_of(ROWS_PER_BLOCK * size), 0);
        let decomposer = SignedDecomposer::new(key.decomposition_base_log(), key.decomposition_level_count());
        Self { rows, size, decomposer }
    }

    /// `inputs`, [`CIPHERTEXTS_PER_PASS`] at most, under the other key, into `outputs` one after
    /// the other.
    pub(super) fn run(&self, inputs: &[Ciphertext], outputs: &mut [u64]) {
        assert_eq!(outputs.len(), inputs.len() * self.size, "words of {} results", inputs.len());
        let mut sums = vec![0_u32; inputs.len() * self.size];
        let digits: Vec<Vec<u32>> = inputs.iter().map(|input| self.digits(input)).collect();
        Arch::new().dispatch(Pass { switch: self, digits: &digits, sums: &mut sums });
        outputs.iter_mut().zip(&sums).for_each(|(o, s)| *o = u64::from(*s) << 32);
        for (input, output) in inputs.iter().zip(outputs.chunks_mut(self.size)) {
            output[self.size - 1] = output[self.size - 1].wrapping_add(*input.get_body().data);
        }
    }

    /// Of the mask, as many as rows.
    fn digits(&self, input: &Ciphertext) -> Vec<u32> {
        let terms = input.get_mask();
        // From the last level to the first, as rows of the key are.
        let terms = terms.as_ref().iter().flat_map(|&element| self.decomposer.decompose(element));
        let mut digits = Vec::with_capacity(self.rows.len() / self.size);
        digits.extend(terms.map(|term| term.value() as u32));
        digits.resize(self.rows.len() / self.size, 0);
        digits
    }
}

/// The upper half, rounded.
fn upper(word: u64) -> u32 {
    (word.wrapping_add(1 << 31) >> 32) as u32
}

/// What is compiled once for each instruction set.
struct Pass<'a> {
    switch: &'a KeySwitch,
    digits: &'a [Vec<u32>],
    sums: &'a mut [u32],
}

impl NullaryFnOnce for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let KeySwitch { rows, size, .. } = self.switch;
        for (b, block) in rows.chunks_exact(ROWS_PER_BLOCK * size).enumerate() {
            for (sum, digits) in self.sums.chunks_exact_mut(*size).zip(self.digits) {
                subtract(sum, block, &digits.as_chunks::<ROWS_PER_BLOCK>().0[b]);
            }
        }
    }
}

/// Takes the combination of the block's rows off.
#[inline(always)]
fn subtract(sum: &mut [u32], block: &[u32], digits: &[u32; ROWS_PER_BLOCK]) {
    let mut rows = block.chunks_exact(sum.len());
    let [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), Some(g), Some(h)] =
        std::array::from_fn::<_, ROWS_PER_BLOCK, _>(|_| rows.next())
    else {
        unreachable!("a block has {ROWS_PER_BLOCK} rows")
    };
    let rows = a.iter().zip(b).zip(c).zip(d).zip(e).zip(f).zip(g).zip(h);
    for (s, (((((((a, b), c), d), e), f), g), h)) in sum.iter_mut().zip(rows) {
        let words = [a, b, c, d, e, f, g, h];
        let products = words.iter().zip(digits).map(|(&&word, &digit)| word.wrapping_mul(digit));
        *s = s.wrapping_sub(products.fold(0, u32::wrapping_add));
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters;
    use super::*;

    #[test]
    fn every_word_is_the_crates_own_but_for_what_is_left_out() {
        let (large, small) = (LweDimension(70), LweDimension(37));
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 29
        };
        let (base, levels) = parameters::switch_decomposition();
        let mut key = LweKeyswitchKeyOwned::new(0_u64, base, levels, large, small, parameters::modulus());
        key.as_mut().fill_with(&mut next);
        let switch = KeySwitch::new(&key);
        for count in [1, 3, CIPHERTEXTS_PER_PASS] {
            let mut input = || LweCiphertext::from_container((0..71).map(|_| next()).collect(), parameters::modulus());
            let inputs: Vec<Ciphertext> = (0..count).map(|_| input()).collect();
            let mut outputs = vec![7_u64; count * 38];
            switch.run(&inputs, &mut outputs);
            for (input, output) in inputs.iter().zip(outputs.chunks(38)) {
                let mut expected = LweCiphertext::new(0_u64, small.to_lwe_size(), parameters::modulus());
                keyswitch_lwe_ciphertext(&key, input, &mut expected);
                for (found, expected) in output.iter().zip(expected.as_ref()) {
                    let off = found.wrapping_sub(*expected).cast_signed().unsigned_abs();
                    // Rows times the largest digit times half of the last bit kept.
                    assert!(off <= (70 * 5 * 4) << 31, "2^{}", off.ilog2());
                }
            }
        }
    }
}
