//! What is known of a value of a program without running anything.

/// Scales may differ by this much, relatively, and still count as the same: far below any noise,
/// far above rounding of `f64`.
const SCALE_TOLERANCE: f64 = 1e-12;

/// A value of the program: 0 is the encrypted input, `i + 1` the result of step `i`.
pub type ValueId = usize;

/// What is known of a value without running anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueInfo {
    /// Number of elements: as many ciphertexts, unless the program packs several into one.
    pub len: usize,
    /// Limbs present: the first so many of the moduli.
    pub limbs: usize,
    /// What a value of 1.0 is encoded as.
    pub scale: f64,
    /// 2 or 3.
    pub components: usize,
}

/// Whether two scales count as the same.
pub(super) fn same_scale(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() <= SCALE_TOLERANCE
}

/// Whether anything can be encoded at this scale.
pub(super) fn valid_scale(scale: f64) -> bool {
    scale.is_finite() && scale >= 1.0
}
