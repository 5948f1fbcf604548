//! The one call into the matrix-product library, behind a check of every length.
#![expect(unsafe_code, reason = "the library takes pointers; all lengths are checked in the same function")]

/// What is multiplied: `weights` is `[row][depth]`, `values` `[depth][column]`, both without gaps.
pub(super) struct Product<'a> {
    pub(super) weights: &'a [f32],
    pub(super) values: &'a [f32],
    pub(super) depth: usize,
    pub(super) columns: usize,
}

/// Writes `weights * values` to `out`, whose rows are `stride` apart.
pub(super) fn multiply(product: &Product<'_>, out: &mut [f32], stride: usize) {
    let Product { weights, values, depth, columns } = *product;
    if depth == 0 || columns == 0 || weights.is_empty() {
        return;
    }
    let rows = weights.len() / depth;
    assert_eq!(weights.len(), rows * depth, "whole rows of weights");
    assert!(values.len() >= depth * columns, "{} values for {depth} rows of {columns}", values.len());
    assert!(stride >= columns, "rows of {columns} do not overlap at a stride of {stride}");
    assert!(out.len() >= (rows - 1) * stride + columns, "{} results for {rows} rows {stride} apart", out.len());
    // SAFETY: with row-major strides the library reads `rows * depth` weights and `depth * columns`
    // values and writes `columns` numbers at each of `rows` multiples of `stride`: asserted above
    // to lie within the three slices. With more than one row each stride is at most the length of
    // its slice, so none wraps.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            stride.cast_signed(),
            false,
            weights.as_ptr(),
            1,
            depth.cast_signed(),
            values.as_ptr(),
            1,
            columns.cast_signed(),
            0.0,
            1.0_f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
