//! The products with the vector registers of x86: AVX-512 or AVX2. Each set of instructions has a
//! type whose values prove that this processor has them.
#![expect(unsafe_code, reason = "vector instructions; each block says what covers its pointers")]

/// The two products for one kind of vector register.
macro_rules! vectors {
    (
        $name:ident, [$($feature:tt),+], $enable:literal, $vector:ident, $lanes:literal, $columns:literal,
        $zero:ident, $spread:ident, $load:ident, $store:ident, $fused:ident
    ) => {
        pub(super) mod $name {
            use std::arch::x86_64::{$fused, $vector, $load, $spread, $store, $zero};
            use std::array::from_fn;

            use super::super::{Checked, Dot, Outer, ROWS, Tile, WIDTH};

            /// Proof that this processor has the instructions.
            #[derive(Clone, Copy)]
            pub(in super::super) struct Instructions(());

            impl Instructions {
                pub(in super::super) fn detect() -> Option<Self> {
                    ($(is_x86_feature_detected!($feature))&&+).then_some(Self(()))
                }

                pub(in super::super) fn dot(self, product: Checked<'_, Dot<'_, f32>>, tile: &mut Tile) {
                    for first in (0..product.0.width).step_by($lanes * $columns) {
                        if product.0.width - first >= $lanes * $columns {
                            // SAFETY: `self` proves the instructions; all columns lie within the
                            // width.
                            unsafe { dot::<$columns>(product, first, tile) }
                        } else {
                            // SAFETY: `self` proves the instructions; widths are multiples of the
                            // lanes.
                            unsafe { dot::<1>(product, first, tile) }
                        }
                    }
                }

                pub(in super::super) fn outer(self, product: Checked<'_, Outer<'_, f32>>, tile: &mut Tile) {
                    for first in (0..product.0.width).step_by($lanes * $columns) {
                        if product.0.width - first >= $lanes * $columns {
                            // SAFETY: `self` proves the instructions; all columns lie within the
                            // width.
                            unsafe { outer::<$columns>(product, first, tile) }
                        } else {
                            // SAFETY: `self` proves the instructions; widths are multiples of the
                            // lanes.
                            unsafe { outer::<1>(product, first, tile) }
                        }
                    }
                }
            }

            /// `V` vectors of columns from column `first` on.
            ///
            /// # Safety
            /// The processor must have the instructions, and `first + V * lanes` must not exceed
            /// the width.
            #[target_feature(enable = $enable)]
            unsafe fn dot<const V: usize>(product: Checked<'_, Dot<'_, f32>>, first: usize, tile: &mut Tile) {
                let Dot { source, rows, segments, run, panel, width } = *product.0;
                let mut sums = [[$zero(); V]; ROWS];
                let mut line = first;
                for &segment in segments {
                    let from: [usize; ROWS] = from_fn(|i| rows[i] + segment);
                    for t in 0..run {
                        let columns: [_; V] = from_fn(|v| {
                            // SAFETY: this line is one of `segments.len() * run`, for which the
                            // panel is long enough by `Checked`; its columns lie within the width
                            // by what the caller promises.
                            unsafe { $load(panel.as_ptr().add(line + v * $lanes)) }
                        });
                        for i in 0..ROWS {
                            // SAFETY: `rows[i] + segment + t` is below the furthest element, which
                            // is inside by `Checked`.
                            let x = $spread(unsafe { *source.as_ptr().add(from[i] + t) });
                            for v in 0..V {
                                sums[i][v] = $fused(x, columns[v], sums[i][v]);
                            }
                        }
                        line += width;
                    }
                }
                store(&sums, first, tile);
            }

            /// `V` vectors of columns from column `first` on.
            ///
            /// # Safety
            /// The processor must have the instructions, and `first + V * lanes` must not exceed
            /// the width.
            #[target_feature(enable = $enable)]
            unsafe fn outer<const V: usize>(product: Checked<'_, Outer<'_, f32>>, first: usize, tile: &mut Tile) {
                let Outer { left, left_at, left_from, right, right_at, right_from, .. } = *product.0;
                let mut sums = load::<V>(first, tile);
                for (&a, &b) in left_at.all.iter().zip(&right_at.all) {
                    let (a, b) = (left_from + a as usize, right_from + first + b as usize);
                    let columns: [_; V] = from_fn(|v| {
                        // SAFETY: no offset is larger than the furthest, behind which a whole width
                        // is inside by `Checked`.
                        unsafe { $load(right.as_ptr().add(b + v * $lanes)) }
                    });
                    for i in 0..ROWS {
                        // SAFETY: no offset is larger than the furthest, behind which all rows are
                        // inside by `Checked`.
                        let x = $spread(unsafe { *left.as_ptr().add(a + i) });
                        for v in 0..V {
                            sums[i][v] = $fused(x, columns[v], sums[i][v]);
                        }
                    }
                }
                store(&sums, first, tile);
            }

            #[inline]
            #[target_feature(enable = $enable)]
            fn load<const V: usize>(first: usize, tile: &Tile) -> [[$vector; V]; ROWS] {
                assert!(first + V * $lanes <= WIDTH, "{V} vectors from column {first} of {WIDTH}");
                let mut sums = [[$zero(); V]; ROWS];
                for (line, sums) in tile.iter().zip(&mut sums) {
                    for v in 0..V {
                        // SAFETY: a line of the tile has `WIDTH` columns, and the last of these is
                        // within by the assertion.
                        sums[v] = unsafe { $load(line.as_ptr().add(first + v * $lanes)) };
                    }
                }
                sums
            }

            #[inline]
            #[target_feature(enable = $enable)]
            fn store<const V: usize>(sums: &[[$vector; V]; ROWS], first: usize, tile: &mut Tile) {
                assert!(first + V * $lanes <= WIDTH, "{V} vectors from column {first} of {WIDTH}");
                for (line, sums) in tile.iter_mut().zip(sums) {
                    for v in 0..V {
                        // SAFETY: a line of the tile has `WIDTH` columns, and the last of these is
                        // within by the assertion.
                        unsafe { $store(line.as_mut_ptr().add(first + v * $lanes), sums[v]) }
                    }
                }
            }
        }
    };
}

vectors!(
    avx512,
    ["avx512f"],
    "avx512f",
    __m512,
    16,
    2,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps
);
vectors!(
    avx2,
    ["avx2", "fma"],
    "avx2,fma",
    __m256,
    8,
    1,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps
);
