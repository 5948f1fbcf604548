//! The security table: how many bits of modulus a ring degree may carry.
//!
//! Source: Albrecht et al., Homomorphic Encryption Standard (2018), table 1, classical attacks,
//! ternary secrets, error of standard deviation 3.2. In the conjugate-invariant ring the dimension
//! that counts is the degree N of the ring over the integers (Kim and Song 2018).

/// The degrees that the table covers and the toolchain offers.
pub const DEGREES: [usize; 4] = [4096, 8192, 16384, 32768];

/// `(degree, bits at 128, 192 and 256 bits of security)`.
const TABLE: [(usize, [u32; 3]); 4] =
    [(4096, [109, 75, 58]), (8192, [218, 152, 118]), (16384, [438, 305, 237]), (32768, [881, 611, 476])];

/// Returns the most bits that all primes together, special ones included, may have. `None` for a
/// degree or a security outside the table.
pub fn max_log_qp(degree: usize, security: u32) -> Option<u32> {
    let column = match security {
        128 => 0,
        192 => 1,
        256 => 2,
        _ => return None,
    };
    TABLE.iter().find(|row| row.0 == degree).map(|row| row.1[column])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_security_means_fewer_bits_and_more_degree_means_more() {
        for degree in DEGREES {
            let bits = [128, 192, 256].map(|s| max_log_qp(degree, s).unwrap());
            assert!(bits[0] > bits[1] && bits[1] > bits[2]);
        }
        for pair in DEGREES.windows(2) {
            assert!(max_log_qp(pair[0], 128) < max_log_qp(pair[1], 128));
        }
        assert_eq!(max_log_qp(8192, 128), Some(218));
    }

    #[test]
    fn what_the_table_does_not_hold_is_refused() {
        assert_eq!(max_log_qp(2048, 128), None);
        assert_eq!(max_log_qp(8192, 100), None);
    }
}
