// Values to coefficients: the negacyclic transform with decimation in frequency, ten stages within
// WORDS neighbours and then those that combine what lies further apart; last the twist and fold,
// with the division by n in its factors.
//
// Between stages residues are below 2q.

DEVICE void inverse_butterfly(u64 *low, u64 *high, Factor root, u64 q) {
    u64 a = *low;
    u64 b = *high;
    *low = once_less(a + b, 2 * q);
    *high = lazy_product(a + 2 * q - b, root, q);
}

KERNEL inverse_inner(View to, View from, Ring ring) {
    SHARED u64 tile[WORDS];
    Spot at = spot(ring.n / WORDS);
    u64 number = prime_of(ring, at.limb);
    u64 q = ring.primes[number].q;
    PHASE(thread) {
        const u64 *a = polynomial(from, at) + (u64)at.block * WORDS;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            tile[i] = a[i];
        }
    }
    for (u32 half = 1, groups = WORDS / 2; half < WORDS; half *= 2, groups /= 2) {
        PHASE(thread) {
            const Factor *roots = ring.inverse_roots + number * ring.n + (ring.n / WORDS + at.block) * groups;
            for (u32 i = thread; i < WORDS / 2; i += THREADS) {
                u32 group = i / half;
                u64 *low = tile + i + group * half;
                inverse_butterfly(low, low + half, roots[group], q);
            }
        }
    }
    PHASE(thread) {
        u64 *a = polynomial(to, at) + (u64)at.block * WORDS;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            a[i] = tile[i];
        }
    }
}

// In place.
KERNEL inverse_outer(View view, Ring ring) {
    SHARED u64 tile[WORDS];
    Spot at = spot(ring.n / WORDS);
    u64 number = prime_of(ring, at.limb);
    u64 q = ring.primes[number].q;
    u32 rows = (u32)(ring.n / WORDS);
    u32 columns = WORDS / rows;
    u32 first = at.block * columns;
    PHASE(thread) {
        const u64 *a = polynomial(view, at);
        for (u32 i = thread; i < WORDS; i += THREADS) {
            tile[i] = a[i / columns * WORDS + first + i % columns];
        }
    }
    for (u32 half = 1, groups = rows / 2; half < rows; half *= 2, groups /= 2) {
        PHASE(thread) {
            const Factor *roots = ring.inverse_roots + number * ring.n + groups;
            for (u32 i = thread; i < WORDS / 2; i += THREADS) {
                u32 column = i % columns;
                u32 row = i / columns;
                u32 group = row / half;
                u64 *low = tile + (row + group * half) * columns + column;
                inverse_butterfly(low, low + half * columns, roots[group], q);
            }
        }
    }
    PHASE(thread) {
        u64 *a = polynomial(view, at);
        for (u32 i = thread; i < WORDS; i += THREADS) {
            a[i / columns * WORDS + first + i % columns] = tile[i];
        }
    }
}

DEVICE u64 untwisted(u64 x, u64 y, const Factor *factors, u64 q) {
    return add(product_by(x, factors[0], q), product_by(y, factors[1], q), q);
}

// In place, a coefficient and its mirror image together: blocks for half of the coefficients. The
// result is canonical.
KERNEL untwist(View view, Ring ring) {
    Spot at = spot(ring.n / 2 / WORDS);
    PHASE(thread) {
        u64 number = prime_of(ring, at.limb);
        u64 q = ring.primes[number].q;
        u64 *a = polynomial(view, at);
        const Factor *factors = ring.untwist + 2 * number * ring.n;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            u64 j = (u64)at.block * WORDS + i;
            // The first and the middle one are their own images.
            u64 mirror = j == 0 ? ring.n / 2 : ring.n - j;
            u64 x = a[j];
            u64 y = a[mirror];
            a[j] = untwisted(x, j == 0 ? x : y, factors + 2 * j, q);
            a[mirror] = untwisted(y, j == 0 ? y : x, factors + 2 * mirror, q);
        }
    }
}
