// Coefficients to values: extension to another prime, fold and twist, and the negacyclic transform
// with decimation in time. The first stages combine coefficients that lie WORDS or more apart, the
// other ten stay within WORDS neighbours: one kernel for each, both in tiles of shared memory.
//
// Between stages residues grow by 2q and are not reduced: after 16 stages they are below 36q < 2^56.

// What `from` holds are residues modulo the prime of their own limb.
const u64 NO_SOURCE = ~0ull;

DEVICE void forward_butterfly(u64 *low, u64 *high, Factor root, u64 q) {
    u64 a = *low;
    u64 b = lazy_product(*high, root, q);
    *low = a + b;
    *high = a + 2 * q - b;
}

// `source` is the number of the prime of all that is in `from`, or NO_SOURCE. The result is not
// reduced.
KERNEL forward_outer(View to, View from, Ring ring, u64 source) {
    SHARED u64 tile[WORDS];
    Spot at = spot(ring.n / WORDS);
    u64 number = prime_of(ring, at.limb);
    Prime p = ring.primes[number];
    u32 rows = (u32)(ring.n / WORDS);
    u32 columns = WORDS / rows;
    u32 first = at.block * columns;
    PHASE(thread) {
        const u64 *a = polynomial(from, at);
        const Factor *twist = ring.twist + 2 * number * ring.n;
        bool extends = source != NO_SOURCE && source != number;
        u64 q = extends ? ring.primes[source].q : 0;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            u32 j = i / columns * WORDS + first + i % columns;
            u64 x = a[j];
            u64 y = a[j == 0 ? 0 : ring.n - j];
            if (extends) {
                x = extend(x, q, p);
                y = extend(y, q, p);
            }
            tile[i] = lazy_product(x, twist[2 * j], p.q) + lazy_product(y, twist[2 * j + 1], p.q);
        }
    }
    for (u32 half = rows / 2, groups = 1; half > 0; half /= 2, groups *= 2) {
        PHASE(thread) {
            const Factor *roots = ring.roots + number * ring.n + groups;
            for (u32 i = thread; i < WORDS / 2; i += THREADS) {
                u32 column = i % columns;
                u32 row = i / columns;
                u32 group = row / half;
                u64 *low = tile + (row + group * half) * columns + column;
                forward_butterfly(low, low + half * columns, roots[group], p.q);
            }
        }
    }
    PHASE(thread) {
        u64 *a = polynomial(to, at);
        for (u32 i = thread; i < WORDS; i += THREADS) {
            a[i / columns * WORDS + first + i % columns] = tile[i];
        }
    }
}

// In place; the result is canonical.
KERNEL forward_inner(View view, Ring ring) {
    SHARED u64 tile[WORDS];
    Spot at = spot(ring.n / WORDS);
    u64 number = prime_of(ring, at.limb);
    Prime p = ring.primes[number];
    PHASE(thread) {
        const u64 *a = polynomial(view, at) + (u64)at.block * WORDS;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            tile[i] = a[i];
        }
    }
    for (u32 half = WORDS / 2, groups = 1; half > 0; half /= 2, groups *= 2) {
        PHASE(thread) {
            const Factor *roots = ring.roots + number * ring.n + (ring.n / WORDS + at.block) * groups;
            for (u32 i = thread; i < WORDS / 2; i += THREADS) {
                u32 group = i / half;
                u64 *low = tile + i + group * half;
                forward_butterfly(low, low + half, roots[group], p.q);
            }
        }
    }
    PHASE(thread) {
        u64 *a = polynomial(view, at) + (u64)at.block * WORDS;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            a[i] = reduce(tile[i], p);
        }
    }
}
