//! The one call into the matrix-product library. Must never hand it a length that it would have to trust.
#![allow(unsafe_code, reason = "the library takes pointers; all lengths are checked in the same function")]

/// `out = weights * values`: `weights` is `rows x depth`, `values` `depth x columns`, both row-major; rows of `out` are
/// `stride` apart.
pub(super) fn multiply(weights: &[f32], values: &[f32], depth: usize, columns: usize, stride: usize, out: &mut [f32]) {
    if depth == 0 || columns == 0 || weights.is_empty() {
        return;
    }
    let rows = weights.len() / depth;
    assert_eq!(weights.len(), rows * depth, "whole rows of weights");
    assert!(values.len() >= depth * columns, "one row of values per column of weights");
    assert!(stride >= columns && out.len() >= (rows - 1) * stride + columns, "room for every row");
    let distance = |n: usize| isize::try_from(n).unwrap_or(isize::MAX);
    // SAFETY: with row-major strides the library reads `rows * depth` weights and `depth * columns` values and writes
    // `columns` numbers at each of `rows` multiples of `stride`: all asserted above to be there.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            distance(stride),
            false,
            weights.as_ptr(),
            1,
            distance(depth),
            values.as_ptr(),
            1,
            distance(columns),
            0.0,
            1.0_f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
