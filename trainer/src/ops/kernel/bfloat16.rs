//! The products of `bf16` with the registers of AVX-512 and its instruction that multiplies and
//! adds pairs: two products where one of `f32` would be.
#![expect(unsafe_code, reason = "vector instructions; each block says what covers its pointers")]

use std::arch::x86_64::{
    __m256bh, __m512, __m512bh, __m512i, _mm_loadu_si128, _mm_unpackhi_epi16, _mm_unpacklo_epi16, _mm256_loadu_si256,
    _mm256_set_m128i, _mm512_cvtepu16_epi32, _mm512_cvtneps_pbh, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_or_si512, _mm512_permutex2var_epi16, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_slli_epi32,
    _mm512_storeu_ps,
};
use std::array::from_fn;
use std::hint::black_box;

use half::bf16;

use super::{Checked, Dot, LANES, Outer, ROWS, Tile, WIDTH};

const _: () = assert!(WIDTH == 2 * LANES && LANES == 16, "the kernels below are of one and of two registers");

/// Proof that this processor has the instructions.
#[derive(Clone, Copy)]
pub(super) struct Instructions(());

impl Instructions {
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        all.then_some(Self(()))
    }

    /// As [`Number::round`](super::Number::round).
    pub(super) fn round(self, from: &[f32], to: &mut [bf16]) {
        assert_eq!(from.len(), to.len(), "numbers and what they are rounded to");
        // SAFETY: `self` proves the instructions.
        unsafe { round(from, to) }
    }

    pub(super) fn dot(self, product: Checked<'_, Dot<'_, bf16>>, tile: &mut Tile) {
        if product.0.width == WIDTH {
            // SAFETY: `self` proves the instructions; the width is that of two vectors.
            unsafe { dot::<2>(product, tile) }
        } else {
            // SAFETY: `self` proves the instructions; by `Checked` the only other width is that of
            // one vector.
            unsafe { dot::<1>(product, tile) }
        }
    }

    pub(super) fn outer(self, product: Checked<'_, Outer<'_, bf16>>, tile: &mut Tile) {
        if product.0.width == WIDTH {
            // SAFETY: `self` proves the instructions; the width is that of two vectors.
            unsafe { outer_of_two(product, tile) }
        } else {
            // SAFETY: `self` proves the instructions; no width is less than one vector's.
            unsafe { outer_of_one(product, tile) }
        }
    }
}

/// Rounds numbers, those without a full exponent to 0.
///
/// # Safety
/// The processor must have the instructions.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn round(from: &[f32], to: &mut [bf16]) {
    let (from, rest) = from.as_chunks::<LANES>();
    let (to, rest_to) = to.as_chunks_mut::<LANES>();
    for (from, to) in from.iter().zip(to) {
        // SAFETY: a register's worth of numbers is read.
        let rounded = _mm512_cvtneps_pbh(unsafe { _mm512_loadu_ps(from.as_ptr()) });
        // SAFETY: both are 32 bytes, of which each value is one of either type.
        *to = unsafe { std::mem::transmute::<__m256bh, [bf16; LANES]>(rounded) };
    }
    rest.iter().zip(rest_to).for_each(|(from, to)| *to = bf16::from_f32(*from));
}

/// The pairs of a register, as the instruction takes them.
fn pairs(register: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes, of which each value is one of either type.
    unsafe { std::mem::transmute(register) }
}

/// # Safety
/// The processor must have the instructions, and `V` vectors of 16 columns must be the width.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn dot<const V: usize>(product: Checked<'_, Dot<'_, bf16>>, tile: &mut Tile) {
    let Dot { source, rows, segments, run, panel, .. } = *product.0;
    let mut sums = [[_mm512_setzero_ps(); V]; ROWS];
    let mut line = 0;
    for &segment in segments {
        let from: [usize; ROWS] = from_fn(|i| rows[i] + segment);
        for t in (0..run).step_by(2) {
            let columns: [__m512bh; V] = from_fn(|v| {
                // SAFETY: these two lines are among `segments.len() * run`, for which the panel is
                // long enough by `Checked`, which has an even `run`, too.
                pairs(unsafe { _mm512_loadu_si512(panel.as_ptr().add(line + v * 2 * LANES).cast()) })
            });
            for i in 0..ROWS {
                // SAFETY: `rows[i] + segment + t + 1` is below the furthest element, which is
                // inside by `Checked`.
                let x = unsafe { source.as_ptr().add(from[i] + t).cast::<i32>().read_unaligned() };
                let x = pairs(_mm512_set1_epi32(x));
                for v in 0..V {
                    sums[i][v] = _mm512_dpbf16_ps(sums[i][v], x, columns[v]);
                }
            }
            line += 2 * V * LANES;
        }
    }
    store(&sums, tile);
}

/// Pairs of pixels: where each two begin on the left and on the right, and whether the second is
/// missing. It is of a last pixel without another, which then stands in its place.
fn pixel_pairs(product: &Outer<'_, bf16>) -> impl Iterator<Item = ([usize; 2], [usize; 2], bool)> {
    let Outer { left_at, left_from, right_at, right_from, .. } = *product;
    let pairs = left_at.all.chunks(2).zip(right_at.all.chunks(2));
    pairs.map(move |(left, right)| {
        let of = |at: &[u32], from: usize| [at[0], at[at.len() - 1]].map(|at| at as usize + from);
        (of(left, left_from), of(right, right_from), left.len() == 1)
    })
}

/// The elements of 8 rows of two pixels, each row's two together; zeros for the second if it is
/// `missing`.
///
/// # Safety
/// The processor must have the instructions, and 8 elements from either offset must lie inside.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn row_pairs(left: &[bf16], [a, b]: [usize; 2], missing: bool) -> [i32; ROWS] {
    // SAFETY: the caller promises that these 8 elements lie inside.
    let first = unsafe { _mm_loadu_si128(left.as_ptr().add(a).cast()) };
    // SAFETY: as before.
    let second = unsafe { _mm_loadu_si128(left.as_ptr().add(b).cast()) };
    let pairs = _mm256_set_m128i(_mm_unpackhi_epi16(first, second), _mm_unpacklo_epi16(first, second));
    // SAFETY: both are 32 bytes, of which each value is one of either type.
    let pairs: [i32; ROWS] = unsafe { std::mem::transmute(pairs) };
    // By way of memory, from where each pair is spread over a register as it is loaded: shuffles
    // would wait for the units that multiply.
    black_box(if missing { pairs.map(|pair| pair & 0xffff) } else { pairs })
}

/// # Safety
/// The processor must have the instructions, and the width must be 32.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn outer_of_two(product: Checked<'_, Outer<'_, bf16>>, tile: &mut Tile) {
    let Outer { left, right, .. } = *product.0;
    // Of two pixels with 32 columns each, of 16 bits: the first 16 columns in pairs, and the rest.
    let (mut lower, mut upper) = ([0_u16; 2 * LANES], [0_u16; 2 * LANES]);
    for column in 0..LANES as u16 {
        let k = usize::from(column) * 2;
        [lower[k], lower[k + 1]] = [column, 32 + column];
        [upper[k], upper[k + 1]] = [16 + column, 48 + column];
    }
    // SAFETY: a register's worth of numbers is read.
    let (lower, upper) =
        unsafe { (_mm512_loadu_si512(lower.as_ptr().cast()), _mm512_loadu_si512(upper.as_ptr().cast())) };
    let mut sums = load::<2>(tile);
    for (left_pair, right_pair, missing) in pixel_pairs(product.0) {
        // SAFETY: no offset is larger than the furthest, behind which all rows are inside by
        // `Checked`.
        let rows = unsafe { row_pairs(left, left_pair, missing) };
        // SAFETY: no offset is larger than the furthest, behind which a whole width, 32, is inside
        // by `Checked`.
        let first = unsafe { _mm512_loadu_si512(right.as_ptr().add(right_pair[0]).cast()) };
        // SAFETY: as before.
        let second = unsafe { _mm512_loadu_si512(right.as_ptr().add(right_pair[1]).cast()) };
        let columns = [
            pairs(_mm512_permutex2var_epi16(first, lower, second)),
            pairs(_mm512_permutex2var_epi16(first, upper, second)),
        ];
        for i in 0..ROWS {
            let x = pairs(_mm512_set1_epi32(rows[i]));
            for v in 0..2 {
                sums[i][v] = _mm512_dpbf16_ps(sums[i][v], x, columns[v]);
            }
        }
    }
    store(&sums, tile);
}

/// # Safety
/// The processor must have the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn outer_of_one(product: Checked<'_, Outer<'_, bf16>>, tile: &mut Tile) {
    let Outer { left, right, .. } = *product.0;
    let mut sums = load::<1>(tile);
    for (left_pair, right_pair, missing) in pixel_pairs(product.0) {
        // SAFETY: no offset is larger than the furthest, behind which all rows are inside by
        // `Checked`.
        let rows = unsafe { row_pairs(left, left_pair, missing) };
        // SAFETY: no offset is larger than the furthest, behind which a whole width, at least 16,
        // is inside by `Checked`.
        let first = unsafe { _mm256_loadu_si256(right.as_ptr().add(right_pair[0]).cast()) };
        // SAFETY: as before.
        let second = unsafe { _mm256_loadu_si256(right.as_ptr().add(right_pair[1]).cast()) };
        let (first, second) = (_mm512_cvtepu16_epi32(first), _mm512_cvtepu16_epi32(second));
        let columns = pairs(_mm512_or_si512(first, _mm512_slli_epi32::<16>(second)));
        for i in 0..ROWS {
            sums[i][0] = _mm512_dpbf16_ps(sums[i][0], pairs(_mm512_set1_epi32(rows[i])), columns);
        }
    }
    store(&sums, tile);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load<const V: usize>(tile: &Tile) -> [[__m512; V]; ROWS] {
    assert!(V * LANES <= WIDTH, "{V} vectors in {WIDTH} columns");
    let mut sums = [[_mm512_setzero_ps(); V]; ROWS];
    for (line, sums) in tile.iter().zip(&mut sums) {
        for (v, sum) in sums.iter_mut().enumerate() {
            // SAFETY: a line of the tile has `WIDTH` columns, and the last of these is within by
            // the assertion.
            *sum = unsafe { _mm512_loadu_ps(line.as_ptr().add(v * LANES)) };
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store<const V: usize>(sums: &[[__m512; V]; ROWS], tile: &mut Tile) {
    assert!(V * LANES <= WIDTH, "{V} vectors in {WIDTH} columns");
    for (line, sums) in tile.iter_mut().zip(sums) {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: a line of the tile has `WIDTH` columns, and the last of these is within by
            // the assertion.
            unsafe { _mm512_storeu_ps(line.as_mut_ptr().add(v * LANES), sum) }
        }
    }
}
