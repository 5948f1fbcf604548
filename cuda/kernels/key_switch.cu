// The steps of relinearisation and rescaling between transforms.

// to = from + digit key for both halves of a pair, which lie one after the other. `key` is
// [limb][half][n], of one digit; limb number `ordinary`, which is modulo the first special prime,
// has entry number `special_entry`.
KERNEL key_product(View to, View from, View digit, Ring ring, const u64 *key, u64 special_entry) {
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        Prime p = ring.primes[prime_of(ring, at.limb)];
        u64 entry = at.limb < ring.ordinary ? at.limb : special_entry + (at.limb - ring.ordinary);
        u64 first = (u64)at.block * WORDS;
        const u64 *d = polynomial(digit, at) + first;
        const u64 *x = polynomial(from, at) + first;
        const u64 *k = key + 2 * entry * ring.n + first;
        u64 *y = polynomial(to, at) + first;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            y[i] = add(x[i], product(d[i], k[i], p), p.q);
            y[ring.n + i] = add(x[ring.n + i], product(d[i], k[ring.n + i], p), p.q);
        }
    }
}

// to = (from - remainder) inverse: one division by a prime, whose inverses are [limb].
KERNEL divide(View to, View from, View remainder, Ring ring, const Factor *inverses) {
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        u64 q = ring.primes[prime_of(ring, at.limb)].q;
        u64 first = (u64)at.block * WORDS;
        const u64 *x = polynomial(from, at) + first;
        const u64 *r = polynomial(remainder, at) + first;
        u64 *y = polynomial(to, at) + first;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            y[i] = product_by(sub(x[i], r[i], q), inverses[at.limb], q);
        }
    }
}
