// Linear maps of ciphertexts that hold several elements: products with polynomials, and what a
// rotation does to values.

struct Diagonals {
    // [limb][diagonal][period]: a word stands for n / period values one after the other.
    const u64 *constants;
    // [diagonal]: what it multiplies. `first` is added, modulo 2^64, to get the item.
    const u32 *columns;
    u64 first;
    // [part][3]: the item that its sum is added to, its first diagonal, how many there are.
    const u64 *parts;
    u64 diagonals;
    u64 period;
};

struct WideSum {
    u64 low;
    u64 high;
};

DEVICE void add_product(WideSum &sum, u64 a, u64 b) {
    u64 low = a * b;
    sum.low += low;
    sum.high += __umul64hi(a, b) + (sum.low < low ? 1 : 0);
}

// (low + 2^64 high) mod q, 2^64 being the split twice and 2^14.
DEVICE u64 reduce_wide(WideSum sum, const Prime &p) {
    u64 high = reduce(sum.high, p);
    high = product_by(product_by(high, p.split, p.q), p.split, p.q);
    high = product(high, reduce(1 << 14, p), p);
    return add(reduce(sum.low, p), high, p.q);
}

// to += the sum of constants times ciphertexts, for both halves of each, which lie one after the
// other. A part is an item; no two parts have the same sum.
KERNEL diagonal_products(View to, View from, Ring ring, Diagonals diagonals) {
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        Prime p = ring.primes[prime_of(ring, at.limb)];
        const u64 *part = diagonals.parts + 3 * at.item;
        const u64 *x = from.at + at.limb * from.limb_stride;
        u64 *y = to.at + at.limb * to.limb_stride + part[0] * to.item_stride;
        u64 run = ring.n / diagonals.period;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            u64 j = (u64)at.block * WORDS + i;
            WideSum first = {0, 0};
            WideSum second = {0, 0};
            for (u64 d = part[1]; d < part[1] + part[2]; ++d) {
                u64 c = diagonals.constants[(at.limb * diagonals.diagonals + d) * diagonals.period + j / run];
                const u64 *pair = x + (diagonals.columns[d] + diagonals.first) * from.item_stride + j;
                add_product(first, c, pair[0]);
                add_product(second, c, pair[ring.n]);
            }
            y[j] = add(y[j], reduce_wide(first, p), p.q);
            y[ring.n + j] = add(y[ring.n + j], reduce_wide(second, p), p.q);
        }
    }
}

// Values of both halves of pairs, each where `sources` says, [limb][n]: not in place. Limb number
// `ordinary`, which is modulo the first special prime, has entry number `special_entry`.
KERNEL permute(View to, View from, Ring ring, const u32 *sources, u64 special_entry) {
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        u64 entry = at.limb < ring.ordinary ? at.limb : special_entry + (at.limb - ring.ordinary);
        const u64 *x = polynomial(from, at);
        u64 *y = polynomial(to, at);
        for (u32 i = thread; i < WORDS; i += THREADS) {
            u64 j = (u64)at.block * WORDS + i;
            u32 source = sources[entry * ring.n + j];
            y[j] = x[source];
            y[ring.n + j] = x[ring.n + source];
        }
    }
}
