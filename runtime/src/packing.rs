//! Residues packed to their prime's width: what files hold. Must never yield a residue that is not canonical.

use beaa_ckks::Modulus;

use crate::Result;
use crate::error::input;

/// Bytes of `n` residues; `n` is a multiple of 8.
pub(crate) fn packed_len(n: usize, q: Modulus) -> usize {
    n / 8 * q.bits() as usize
}

/// Appends `values`, little-endian bits, without gaps.
pub(crate) fn pack(values: &[u64], q: Modulus, out: &mut Vec<u8>) {
    let bits = q.bits();
    let (mut word, mut filled) = (0_u128, 0);
    for &v in values {
        word |= u128::from(v) << filled;
        filled += bits;
        while filled >= 32 {
            out.extend_from_slice(&(word as u32).to_le_bytes());
            word >>= 32;
            filled -= 32;
        }
    }
    // A multiple of eight residues fills whole bytes.
    out.extend(word.to_le_bytes().iter().take(filled.div_ceil(8) as usize));
}

/// Fills `values` from exactly [`packed_len`] bytes.
pub(crate) fn unpack(bytes: &[u8], q: Modulus, values: &mut [u64]) -> Result<()> {
    let bits = q.bits() as usize;
    if bytes.len() != packed_len(values.len(), q) {
        return Err(input(
            "reading residues",
            format!("{} bytes", bytes.len()),
            format!("{}", packed_len(values.len(), q)),
        ));
    }
    let mask = (1_u64 << bits) - 1;
    let mut largest = 0;
    for (i, v) in values.iter_mut().enumerate() {
        let at = i * bits;
        // Residues have at most 50 bits: with up to 7 bits of offset, eight bytes hold one.
        let word = match bytes.get(at / 8..at / 8 + 8).and_then(|b| b.try_into().ok()) {
            Some(b) => u64::from_le_bytes(b),
            None => bytes.iter().skip(at / 8).rev().fold(0, |w, &b| w << 8 | u64::from(b)),
        };
        *v = word >> (at % 8) & mask;
        largest = largest.max(*v);
    }
    if largest >= q.value() {
        return Err(input("reading residues", format!("residue {largest}"), format!("residues below {}", q.value())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use beaa_ckks::{Parameters, ParametersLiteral, primes::ntt_primes};

    fn modulus(bits: u32) -> Modulus {
        let moduli = ntt_primes(64, bits, 1, &[]).unwrap();
        let p = Parameters::without_security(ParametersLiteral { degree: 64, moduli, special: vec![], security: 128 })
            .unwrap();
        p.moduli(1).next().unwrap()
    }

    #[test]
    fn packing_round_trips_at_every_width() {
        for bits in 15..=50 {
            let q = modulus(bits);
            let values: Vec<u64> = (0..64_u64)
                .map(|i| if i % 3 == 0 { q.value() - 1 - i } else { i * 0x9E37_79B9_7F4A_7C15 % q.value() })
                .collect();
            let mut bytes = Vec::new();
            pack(&values, q, &mut bytes);
            assert_eq!(bytes.len(), packed_len(64, q));
            let mut back = vec![0; 64];
            unpack(&bytes, q, &mut back).unwrap();
            assert_eq!(back, values, "{bits} bits");
        }
    }

    #[test]
    fn what_is_no_residue_or_too_short_is_refused() {
        let q = modulus(20);
        let mut values = vec![0; 8];
        assert!(unpack(&[0xff; 20], q, &mut values).is_err());
        assert!(unpack(&[0; 19], q, &mut values).is_err());
    }
}
