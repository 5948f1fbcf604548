// What is done to each residue by itself.

// Squares of ciphertexts: two components in, three out, one after the other.
KERNEL square(View to, View from, Ring ring) {
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        Prime p = ring.primes[prime_of(ring, at.limb)];
        u64 first = (u64)at.block * WORDS;
        const u64 *x = polynomial(from, at) + first;
        u64 *y = polynomial(to, at) + first;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            u64 a = x[i];
            u64 b = x[ring.n + i];
            u64 cross = product(a, b, p);
            y[i] = product(a, a, p);
            y[ring.n + i] = add(cross, cross, p.q);
            y[2 * ring.n + i] = product(b, b, p);
        }
    }
}

// Products with one constant for each limb.
KERNEL scale(View to, View from, Ring ring, const Factor *factors) {
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        u64 q = ring.primes[prime_of(ring, at.limb)].q;
        u64 first = (u64)at.block * WORDS;
        const u64 *x = polynomial(from, at) + first;
        u64 *y = polynomial(to, at) + first;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            y[i] = product_by(x[i], factors[at.limb], q);
        }
    }
}

// to += from.
KERNEL add_to(View to, View from, Ring ring) {
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        u64 q = ring.primes[prime_of(ring, at.limb)].q;
        u64 first = (u64)at.block * WORDS;
        const u64 *x = polynomial(from, at) + first;
        u64 *y = polynomial(to, at) + first;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            y[i] = add(y[i], x[i], q);
        }
    }
}
