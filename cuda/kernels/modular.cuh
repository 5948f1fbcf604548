// Arithmetic modulo a prime below 2^50, as in the processor's engine: canonical residues, unless a
// function says otherwise.

// x or x - q, for x below 2q.
DEVICE u64 once_less(u64 x, u64 q) {
    return x >= q ? x - q : x;
}

DEVICE u64 add(u64 a, u64 b, u64 q) {
    return once_less(a + b, q);
}

DEVICE u64 sub(u64 a, u64 b, u64 q) {
    return a >= b ? a - b : a + q - b;
}

// x mod q for any x: the quotient is at most one too small.
DEVICE u64 reduce(u64 x, const Prime &p) {
    return once_less(x - __umul64hi(x, p.barrett) * p.q, p.q);
}

// x mod q for any x of more than -2^63.
DEVICE u64 reduce_signed(i64 x, const Prime &p) {
    u64 residue = reduce(x < 0 ? (u64)-x : (u64)x, p);
    return x < 0 && residue != 0 ? p.q - residue : residue;
}

// a factor mod q or that plus q, for any a.
DEVICE u64 lazy_product(u64 a, Factor factor, u64 q) {
    return a * factor.value - __umul64hi(a, factor.quotient) * q;
}

// a factor mod q, for any a.
DEVICE u64 product_by(u64 a, Factor factor, u64 q) {
    return once_less(lazy_product(a, factor, q), q);
}

// a b mod q. The product's upper k + 1 bits times the ratio give a quotient that is at most two too
// small.
DEVICE u64 product(u64 a, u64 b, const Prime &p) {
    u64 high = __umul64hi(a, b);
    u64 low = a * b;
    u64 upper = (high << (64 - p.shift)) | (low >> p.shift);
    u64 rest = low - __umul64hi(upper, p.ratio) * p.q;
    return once_less(once_less(rest, p.q), p.q);
}

// The residue a modulo `from`, as the integer of least absolute value, modulo `to`.
DEVICE u64 extend(u64 a, u64 from, const Prime &to) {
    return a > from / 2 ? reduce_signed((i64)a - (i64)from, to) : reduce(a, to);
}
