//! Constants of a prime for the kernels.

/// `a b mod q`.
pub(crate) fn product(a: u64, b: u64, q: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(q)) as u64
}

/// `a^exponent mod q`.
pub(crate) fn power(a: u64, mut exponent: u64, q: u64) -> u64 {
    let (mut base, mut result) = (a % q, 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = product(result, base, q);
        }
        base = product(base, base, q);
        exponent >>= 1;
    }
    result
}

/// The inverse of `a`, which is no multiple of the prime q.
pub(crate) fn inverse(a: u64, q: u64) -> u64 {
    power(a, q - 2, q)
}

/// `Factor` of `kernels/base.cuh`: a residue, and `floor(2^64 value / q)`.
pub(crate) fn factor(value: u64, q: u64) -> [u64; 2] {
    assert!(value < q, "{value} is no residue modulo {q}");
    [value, ((u128::from(value) << 64) / u128::from(q)) as u64]
}

/// `Prime` of `kernels/base.cuh`.
pub(crate) fn constants(q: u64) -> [u64; 6] {
    let bits = u64::BITS - q.leading_zeros();
    assert!((2..=50).contains(&bits), "a prime of {bits} bits");
    let ratio = ((1_u128 << (51 + bits)) / u128::from(q)) as u64;
    let [split, quotient] = factor((1 << 25) % q, q);
    [q, u64::MAX / q, ratio << 12, u64::from(bits - 1), split, quotient]
}
