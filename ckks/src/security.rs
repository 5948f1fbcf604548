//! The security tables: how many bits of modulus a ring degree may carry.
//!
//! In force are the "Security Guidelines for Implementing Homomorphic Encryption" (Bossuat et al.
//! 2024, <https://eprint.iacr.org/2024/463>, tables 5.2 and 5.3): ternary secrets, errors of
//! standard deviation 3.19, classical attacks, the largest modulus for which each attack that the
//! lattice estimator knows (uSVP, BDD, hybrid and dual hybrid, reduction cost of MATZOV) costs at
//! least the promised number of operations. Errors here are of deviation 3.24 ([`crate::noise`]).
//! The tables begin at 4096; the row of 2048 is what the authors' script prints, in the output that
//! they publish with it (<https://github.com/gong-cr/FHE-Security-Guidelines>,
//! `output_max_logQ_tables.txt`): 53 bits at 128, one less than the standard of 2018 allows. In the
//! conjugate-invariant ring the dimension that counts is the degree N of the ring over the integers
//! (Kim and Song 2018).
//!
//! On request a second table of the guidelines holds as well: attacks with quantum computers. Its
//! figures are those that the authors' script (commit a43a593, lattice reduction at the quantum
//! cost of Chailloux and Loyer 2021) prints, as published in
//! <https://github.com/HomomorphicEncryption/SparseLWEkit>, `Security/README.md` (commit 0c3a562). An
//! older output of the script, with the cost of Laarhoven, Mosca and van de Pol, grants a quarter
//! more (101 bits at 4096 for 128); the shorter ones are in force.

use crate::{Error, Result};

/// The degrees that the tables cover and the toolchain offers, 2048 at 128 bits of security alone.
pub const DEGREES: [usize; 5] = [2048, 4096, 8192, 16384, 32768];

/// A published table of the largest moduli.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Bossuat et al. 2024: decides what is compiled.
    Guidelines2024,
    /// The same for attacks with quantum computers: decides where it is asked for.
    Quantum2024,
    /// Albrecht et al., Homomorphic Encryption Standard (2018), table 1: superseded, still read.
    Standard2018,
}

/// By which table parameters keep the security that they promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// By the table in force.
    Current,
    /// By the superseded table alone: somewhat less than promised, by today's estimates.
    Superseded {
        /// Bits of the whole modulus, special primes included.
        log_qp: u32,
        /// Most bits that the table in force allows.
        allowed: u32,
    },
}

/// `(degree, bits at 128, 192 and 256 bits of security)`.
type Rows = [(usize, [u32; 3]); 4];

/// The only ring below those of the tables: degree and security, and the bits that either kind of
/// attack leaves.
const SMALLEST: (usize, u32) = (2048, 128);
const SMALLEST_CLASSICAL: u32 = 53;
const SMALLEST_QUANTUM: u32 = 40;
const GUIDELINES_2024: Rows =
    [(4096, [106, 73, 56]), (8192, [214, 147, 114]), (16384, [430, 297, 230]), (32768, [868, 597, 462])];
const QUANTUM_2024: Rows =
    [(4096, [80, 59, 47]), (8192, [161, 119, 95]), (16384, [322, 239, 192]), (32768, [644, 479, 385])];
const STANDARD_2018: Rows =
    [(4096, [109, 75, 58]), (8192, [218, 152, 118]), (16384, [438, 305, 237]), (32768, [881, 611, 476])];

impl Table {
    /// The table that decides what is compiled.
    pub const IN_FORCE: Self = Self::Guidelines2024;

    /// The table's name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guidelines2024 => "Bossuat et al. 2024",
            Self::Quantum2024 => "Bossuat et al. 2024, quantum attacks",
            Self::Standard2018 => "Homomorphic Encryption Standard 2018",
        }
    }

    /// Returns the most bits that all primes together, special ones included, may have. `None` for
    /// a degree or a security outside the table.
    pub fn max_log_qp(self, degree: usize, security: u32) -> Option<u32> {
        if (degree, security) == SMALLEST {
            // No program was ever compiled for it by the older table, which does not decide.
            return Some(if self == Self::Quantum2024 { SMALLEST_QUANTUM } else { SMALLEST_CLASSICAL });
        }
        let column = [128, 192, 256].iter().position(|&s| s == security)?;
        let rows = match self {
            Self::Guidelines2024 => GUIDELINES_2024,
            Self::Quantum2024 => QUANTUM_2024,
            Self::Standard2018 => STANDARD_2018,
        };
        rows.iter().find(|row| row.0 == degree).map(|row| row.1[column])
    }
}

/// Returns the most bits by the table in force, as [`Table::max_log_qp`] does.
pub fn max_log_qp(degree: usize, security: u32) -> Option<u32> {
    Table::IN_FORCE.max_log_qp(degree, security)
}

/// Says by which table a ring of `degree` whose moduli, special primes included, are `primes` keeps
/// `security` bits.
///
/// # Errors
/// [`Error::Parameters`] for a degree or a security that no table has, [`Error::Insecure`] when the
/// modulus is too long for both tables.
pub fn standing<'a>(degree: usize, primes: impl Iterator<Item = &'a u64>, security: u32) -> Result<Standing> {
    let bits = |table: Table| table.max_log_qp(degree, security);
    let (Some(allowed), Some(superseded)) = (bits(Table::IN_FORCE), bits(Table::Standard2018)) else {
        return Err(Error::Parameters {
            found: format!("degree {degree} at {security} bits of security"),
            expected: format!("a degree of {DEGREES:?} at 128, 192 or 256 bits, 2048 at 128 alone"),
        });
    };
    let log_qp = log2_ceil(primes);
    if log_qp <= allowed {
        return Ok(Standing::Current);
    }
    if log_qp <= superseded {
        return Ok(Standing::Superseded { log_qp, allowed });
    }
    Err(Error::Insecure { log_qp, degree, security, allowed })
}

/// Whether a ring of `degree` whose moduli, special primes included, are `primes` keeps `security`
/// bits against attacks with quantum computers too, by [`Table::Quantum2024`].
pub fn resists_quantum_attacks<'a>(degree: usize, primes: impl Iterator<Item = &'a u64>, security: u32) -> bool {
    Table::Quantum2024.max_log_qp(degree, security).is_some_and(|allowed| log2_ceil(primes) <= allowed)
}

pub(crate) fn log2_ceil<'a>(primes: impl Iterator<Item = &'a u64>) -> u32 {
    let log: f64 = primes.map(|&q| (q as f64).log2()).sum();
    // A sum that f64 rounds up to a whole number from below is still a product below that power of
    // two.
    (log - 1e-9).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_two_publications() {
        let degrees = [4096, 8192, 16384, 32768];
        let rows = |table: Table| degrees.map(|n| [128, 192, 256].map(|s| table.max_log_qp(n, s).unwrap()));
        assert_eq!(rows(Table::IN_FORCE), [[106, 73, 56], [214, 147, 114], [430, 297, 230], [868, 597, 462]]);
        assert_eq!(rows(Table::Quantum2024), [[80, 59, 47], [161, 119, 95], [322, 239, 192], [644, 479, 385]]);
        assert_eq!(rows(Table::Standard2018), [[109, 75, 58], [218, 152, 118], [438, 305, 237], [881, 611, 476]]);
    }

    #[test]
    fn quantum_attacks_leave_shorter_moduli() {
        for (degree, security) in DEGREES.into_iter().flat_map(|n| [128, 192, 256].map(|s| (n, s))) {
            let of = |table: Table| table.max_log_qp(degree, security);
            assert_eq!(of(Table::Quantum2024).is_some(), of(Table::IN_FORCE).is_some());
            assert!(of(Table::Quantum2024).is_none_or(|bits| of(Table::IN_FORCE).is_some_and(|more| bits < more)));
        }
        let of = |bits| resists_quantum_attacks(2048, [1_u64 << bits].iter(), 128);
        assert!(of(40) && !of(41));
    }

    #[test]
    fn what_the_table_does_not_hold_is_refused() {
        assert_eq!(max_log_qp(1024, 128), None);
        assert_eq!(max_log_qp(8192, 100), None);
        assert!(matches!(standing(1 << 40, [3_u64].iter(), 128), Err(Error::Parameters { .. })));
        assert!(matches!(standing(4096, [3_u64].iter(), 2), Err(Error::Parameters { .. })));
    }

    #[test]
    fn the_smallest_ring_is_secure_to_53_bits_at_128_alone() {
        let primes = |bits: u32| (0..bits).map(|_| 2_u64).collect::<Vec<_>>();
        let of = |bits, security| standing(2048, primes(bits).iter(), security);
        assert_eq!(of(53, 128), Ok(Standing::Current));
        let refused = Error::Insecure { log_qp: 54, degree: 2048, security: 128, allowed: 53 };
        assert_eq!(of(54, 128), Err(refused));
        for security in [192, 256] {
            assert_eq!(max_log_qp(2048, security), None);
            assert!(matches!(of(20, security), Err(Error::Parameters { .. })));
        }
    }

    #[test]
    fn the_edge_of_each_table_at_every_degree_and_security() {
        // Powers of two, as many bits as asked for.
        let primes = |bits: u32| (0..bits).map(|_| 2_u64).collect::<Vec<_>>();
        for degree in DEGREES.into_iter().filter(|n| *n > SMALLEST.0) {
            for security in [128, 192, 256] {
                let now = Table::IN_FORCE.max_log_qp(degree, security).unwrap();
                let before = Table::Standard2018.max_log_qp(degree, security).unwrap();
                let of = |bits| standing(degree, primes(bits).iter(), security);
                assert_eq!(of(now), Ok(Standing::Current));
                assert_eq!(of(now + 1), Ok(Standing::Superseded { log_qp: now + 1, allowed: now }));
                assert_eq!(of(before), Ok(Standing::Superseded { log_qp: before, allowed: now }));
                assert_eq!(of(before + 1), Err(Error::Insecure { log_qp: before + 1, degree, security, allowed: now }));
            }
        }
    }
}
