//! The primes of each width at one degree, looked up once; a chain takes each prime once.

use beaa_ckks::primes::{MAX_BITS, ntt_primes};

/// Chains are far shorter than this.
const MAX_PRIMES_PER_WIDTH: usize = 32;

/// Primes by width, descending, at one degree.
#[derive(Debug, Clone)]
pub(crate) struct PrimeTable {
    pub(crate) degree: usize,
    by_bits: Vec<Vec<u64>>,
}

/// Which primes a chain has used.
#[derive(Debug, Clone)]
pub(crate) struct Picker<'a> {
    table: &'a PrimeTable,
    used: Vec<usize>,
}

impl PrimeTable {
    /// All widths from [`min_bits`] to the widest.
    pub(crate) fn new(degree: usize) -> Self {
        let of = |bits: u32| {
            // Where there are fewer, fewer will do; too narrow widths have none.
            let tries = std::iter::successors(Some(MAX_PRIMES_PER_WIDTH), |n| Some(n / 2).filter(|n| *n > 0));
            tries
                .filter(|_| bits >= min_bits(degree))
                .find_map(|n| ntt_primes(degree, bits, n, &[]).ok())
                .unwrap_or_default()
        };
        Self { degree, by_bits: (0..=MAX_BITS).map(of).collect() }
    }

    pub(crate) fn picker(&self) -> Picker<'_> {
        Picker { table: self, used: vec![0; self.by_bits.len()] }
    }
}

impl Picker<'_> {
    /// The largest prime of this width that is still free.
    pub(crate) fn next(&mut self, bits: u32) -> Option<u64> {
        let used = self.used.get_mut(bits as usize)?;
        let prime = *self.table.by_bits[bits as usize].get(*used)?;
        *used += 1;
        Some(prime)
    }
}

/// The narrowest primes worth planning with: narrower ones, 1 mod 4N, are too few.
pub(crate) fn min_bits(degree: usize) -> u32 {
    (4 * degree).ilog2() + 6
}

/// Splits `bits` into the fewest widths of at most `widest`, as equal as can be. With fewer bits
/// than the narrowest prime there is none; where equal parts would be too narrow, there is one part
/// less and some bits stay.
pub(crate) fn split(bits: u32, narrowest: u32, widest: u32) -> Vec<u32> {
    if bits < narrowest {
        return Vec::new();
    }
    let parts = bits.div_ceil(widest);
    if bits / parts < narrowest {
        return vec![widest; (parts - 1) as usize];
    }
    (0..parts).map(|i| bits / parts + u32::from(i < bits % parts)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_never_takes_a_prime_twice() {
        let table = PrimeTable::new(8192);
        let mut picker = table.picker();
        let mut chain: Vec<u64> = [36, 36, 40, 36, 40].iter().map(|&b| picker.next(b).unwrap()).collect();
        assert!(chain.iter().zip([36, 36, 40, 36, 40]).all(|(q, b)| q.ilog2() == b - 1 && q % (4 * 8192) == 1));
        chain.sort_unstable();
        chain.dedup();
        assert_eq!(chain.len(), 5);
        assert!(picker.next(51).is_none() && picker.next(3).is_none());
    }

    #[test]
    fn every_degree_has_primes_of_every_planned_width() {
        for degree in beaa_ckks::security::DEGREES {
            let table = PrimeTable::new(degree);
            for bits in min_bits(degree)..=MAX_BITS {
                assert!(table.picker().next(bits).is_some(), "{bits} bits at degree {degree}");
            }
        }
    }

    #[test]
    fn splits_are_few_equal_and_wide_enough() {
        assert!(split(19, 21, 40).is_empty());
        assert_eq!(split(40, 21, 40), [40]);
        assert_eq!(split(41, 21, 40), [40], "two parts of 20 bits would be too narrow");
        assert_eq!(split(75, 21, 40), [38, 37]);
        assert_eq!(split(121, 21, 40), [31, 30, 30, 30]);
    }
}
