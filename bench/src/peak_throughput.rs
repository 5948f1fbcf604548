//! The most products a core can make with one multiply instruction: what kernels are measured
//! against. Independent chains of multiply-and-add that never leave the registers.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "intrinsics on registers only, behind a check of the processor's features")
)]

use std::hint::black_box;

use beaa_ckks::Kernel;

/// A multiply instruction that a kernel spends its time in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "the benches of criterion measure every instruction")]
pub(crate) enum Instruction {
    /// 64-bit integers, one product each, as compiled for any processor.
    Integer,
    /// `vpmuludq` with `vpaddq`: four 32-bit products, added up in 64 bits. AVX2.
    Muludq256,
    /// `vfmadd` on four f64: AVX2 with FMA; on two, NEON.
    Fma256,
    /// `vfmadd` on eight f64. AVX-512.
    Fma512,
    /// `vpmadd52luq` on eight 52-bit integers. AVX-512 IFMA.
    Madd52,
    /// `vpdpwssd` on 32 pairs of 16-bit integers. AVX-512 VNNI.
    Dpwssd,
}

impl Instruction {
    /// Every instruction, the slowest first.
    #[allow(dead_code, reason = "the benches of criterion measure every instruction")]
    pub(crate) const ALL: [Self; 6] =
        [Self::Integer, Self::Muludq256, Self::Fma256, Self::Fma512, Self::Madd52, Self::Dpwssd];

    /// Returns the one in the inner loop of a kernel's integer-matrix product.
    pub(crate) fn of(kernel: Kernel) -> Self {
        match kernel {
            Kernel::Portable => Self::Integer,
            Kernel::Fma(_) => Self::Fma256,
            #[cfg(target_arch = "x86_64")]
            Kernel::Ifma(_) => Self::Madd52,
            #[cfg(target_arch = "x86_64")]
            Kernel::Vnni(_) => Self::Dpwssd,
        }
    }

    /// Returns the name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Integer => "64-bit integer",
            Self::Muludq256 => "vpmuludq + vpaddq, 256 bits",
            Self::Fma256 if cfg!(target_arch = "aarch64") => "fmla f64, 128 bits",
            Self::Fma256 => "vfmadd f64, 256 bits",
            Self::Fma512 => "vfmadd f64, 512 bits",
            Self::Madd52 => "vpmadd52luq, 512 bits",
            Self::Dpwssd => "vpdpwssd, 512 bits",
        }
    }

    /// Returns whether this processor has it.
    pub(crate) fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Self::Integer => true,
            Self::Muludq256 => std::is_x86_feature_detected!("avx2"),
            Self::Fma256 => std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"),
            Self::Fma512 => std::is_x86_feature_detected!("avx512f"),
            Self::Madd52 => std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512ifma"),
            Self::Dpwssd => std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vnni"),
        };
        #[cfg(not(target_arch = "x86_64"))]
        return self == Self::Integer || (self == Self::Fma256 && beaa_ckks::Fma::try_new().is_some());
    }

    /// Runs `rounds` rounds of the loop and says how many products that were; `None` where the
    /// processor lacks the instruction.
    pub(crate) fn spin(self, rounds: u64) -> Option<u64> {
        if !self.available() {
            return None;
        }
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `available` has just found the instructions of this variant, all that its
        // function enables.
        return Some(unsafe {
            match self {
                Self::Integer => integer(rounds),
                Self::Muludq256 => x86::muludq256(rounds),
                Self::Fma256 => x86::fma256(rounds),
                Self::Fma512 => x86::fma512(rounds),
                Self::Madd52 => x86::madd52(rounds),
                Self::Dpwssd => x86::dpwssd(rounds),
            }
        });
        #[cfg(not(target_arch = "x86_64"))]
        return Some(if self == Self::Fma256 { doubles(rounds) } else { integer(rounds) });
    }
}

/// Sums in flight: latency (4 or 5 cycles) times two instructions a cycle, and some.
const CHAINS: usize = 12;

/// Rounds between two looks of the optimiser's blindfold, which costs a store and a load.
const UNROLL: u64 = 64;

/// The sum's own product, so that nothing is taken out of the loop.
fn integer(rounds: u64) -> u64 {
    let outer = rounds.div_ceil(UNROLL);
    let mut sums = [3_u64; CHAINS];
    for _ in 0..outer {
        let x = black_box(5_u64);
        for _ in 0..UNROLL {
            for s in &mut sums {
                *s = s.wrapping_mul(x).wrapping_add(x);
            }
        }
    }
    black_box(sums);
    outer * UNROLL * CHAINS as u64
}

/// Pairs of doubles, which a processor with NEON multiplies and adds together.
#[cfg(not(target_arch = "x86_64"))]
fn doubles(rounds: u64) -> u64 {
    let outer = rounds.div_ceil(UNROLL);
    let mut sums = [[0.5_f64; 2]; CHAINS];
    for _ in 0..outer {
        let (x, w) = (black_box(0.5_f64), black_box(0.5_f64));
        for _ in 0..UNROLL {
            for s in sums.as_flattened_mut() {
                *s = x.mul_add(w, *s);
            }
        }
    }
    black_box(sums);
    outer * UNROLL * 2 * CHAINS as u64
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_add_epi64, _mm256_fmadd_pd, _mm256_mul_epu32, _mm256_set1_epi64x, _mm256_set1_pd, _mm512_dpwssd_epi32,
        _mm512_fmadd_pd, _mm512_madd52lo_epu64, _mm512_set1_epi16, _mm512_set1_epi64, _mm512_set1_pd,
    };
    use std::hint::black_box;

    use super::{CHAINS, UNROLL};

    macro_rules! chains {
        ($name:ident, $features:literal, $lanes:literal, $set:expr, $step:expr) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name(rounds: u64) -> u64 {
                let outer = rounds.div_ceil(UNROLL);
                let mut sums = [$set; CHAINS];
                for _ in 0..outer {
                    let (x, w) = (black_box($set), black_box($set));
                    for _ in 0..UNROLL {
                        for s in &mut sums {
                            *s = $step(*s, x, w);
                        }
                    }
                }
                black_box(sums);
                outer * UNROLL * CHAINS as u64 * $lanes
            }
        };
    }

    chains!(fma256, "avx2,fma", 4, _mm256_set1_pd(0.5), |s, x, w| _mm256_fmadd_pd(x, w, s));
    chains!(fma512, "avx512f", 8, _mm512_set1_pd(0.5), |s, x, w| _mm512_fmadd_pd(x, w, s));
    chains!(madd52, "avx512f,avx512ifma", 8, _mm512_set1_epi64(3), |s, x, w| _mm512_madd52lo_epu64(s, x, w));
    chains!(dpwssd, "avx512f,avx512vnni", 32, _mm512_set1_epi16(3), |s, x, w| _mm512_dpwssd_epi32(s, x, w));
    // The product depends on the sum so that it is not taken out of the loop.
    chains!(muludq256, "avx2", 4, _mm256_set1_epi64x(3), |s, x, _w| _mm256_add_epi64(_mm256_mul_epu32(s, x), x));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spinning_counts_products() {
        for instruction in Instruction::ALL.into_iter().filter(|i| i.available()) {
            let few = instruction.spin(640).unwrap();
            assert_eq!(instruction.spin(6400).unwrap(), 10 * few, "{instruction:?}");
        }
    }

    #[test]
    fn every_available_kernel_has_an_available_instruction() {
        for kernel in Kernel::available() {
            assert!(Instruction::of(kernel).available(), "{kernel:?}");
        }
    }
}
