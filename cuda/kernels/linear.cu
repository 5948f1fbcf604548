// Integer weights times residues, exactly. A panel is some rows that read the same columns: a thread
// has one slot and one sum for each of these rows, so that a residue is read once for all of them;
// weights lie in tiles of shared memory, from where all threads read the same one.
//
// A residue is split in two halves of 25 bits. Products of a half with a weight are below 2^56, so
// that sums of 64 of them, and of more where weights are smaller, fit 64 bits.

// Columns whose weights are in shared memory at a time.
const u32 COLUMNS = 64;
const u32 HALF_BITS = 25;

struct Panels {
    // [panel][3]: where its columns begin, how many there are, where its weights begin.
    const u64 *table;
    const u32 *columns;
    // [column][row of the panel].
    const i32 *weights;
    // [panel][row of the panel].
    const u32 *rows;
    u64 panels;
    // Tiles of columns after which sums are reduced.
    u64 interval;
};

struct Affine {
    // [limb][row], added to component 0.
    const u64 *bias;
    u64 rows;
    // Whether the product is added to what is there; then without the bias.
    u64 accumulates;
    u64 components;
    // Components of the input; the others are zero.
    u64 input_components;
};

template <u32 ROWS> struct Sums {
    i64 low[ROWS];
    i64 high[ROWS];
    u64 reduced[ROWS];
};

template <u32 ROWS> DEVICE void fold(Sums<ROWS> &sums, const Prime &p) {
    for (u32 row = 0; row < ROWS; ++row) {
        u64 high = product_by(reduce_signed(sums.high[row], p), p.split, p.q);
        u64 both = add(reduce_signed(sums.low[row], p), high, p.q);
        sums.reduced[row] = add(sums.reduced[row], both, p.q);
        sums.low[row] = 0;
        sums.high[row] = 0;
    }
}

template <u32 ROWS> DEVICE void multiply(View to, View from, Ring ring, Panels panels, Affine affine) {
    SHARED i32 weights[COLUMNS * ROWS];
    SHARED u32 columns[COLUMNS];
    PER_THREAD(Sums<ROWS>, sums);
    // Panels of the same slots lie side by side: they read the same residues.
    u64 panel = blockIdx.x % panels.panels;
    u64 block = blockIdx.x / panels.panels;
    u64 limb = blockIdx.y / affine.components;
    u64 component = blockIdx.y % affine.components;
    Prime p = ring.primes[limb];
    const u64 *entry = panels.table + 3 * panel;
    u64 count = component < affine.input_components ? entry[1] : 0;
    PHASE(thread) {
        for (u32 row = 0; row < ROWS; ++row) {
            OF(sums, thread).low[row] = 0;
            OF(sums, thread).high[row] = 0;
            OF(sums, thread).reduced[row] = 0;
        }
    }
    for (u64 first = 0, tile = 1; first < count; first += COLUMNS, ++tile) {
        u32 some = (u32)(count - first < COLUMNS ? count - first : COLUMNS);
        PHASE(thread) {
            for (u32 i = thread; i < some * ROWS; i += THREADS) {
                weights[i] = panels.weights[entry[2] + first * ROWS + i];
            }
            for (u32 i = thread; i < some; i += THREADS) {
                columns[i] = panels.columns[entry[0] + first + i];
            }
        }
        PHASE(thread) {
            u64 start = limb * from.limb_stride + component * ring.n + block * THREADS + thread;
            for (u32 i = 0; i < some; ++i) {
                u64 x = from.at[start + columns[i] * from.item_stride];
                i32 low = (i32)(x & ((1u << HALF_BITS) - 1));
                i32 high = (i32)(x >> HALF_BITS);
                for (u32 row = 0; row < ROWS; ++row) {
                    i32 weight = weights[i * ROWS + row];
                    OF(sums, thread).low[row] += (i64)weight * low;
                    OF(sums, thread).high[row] += (i64)weight * high;
                }
            }
            if (tile % panels.interval == 0) {
                fold<ROWS>(OF(sums, thread), p);
            }
        }
    }
    PHASE(thread) {
        fold<ROWS>(OF(sums, thread), p);
        for (u32 i = 0; i < ROWS; ++i) {
            u64 row = panels.rows[panel * ROWS + i];
            u64 *out = to.at + limb * to.limb_stride + row * to.item_stride + component * ring.n;
            out += block * THREADS + thread;
            u64 start = affine.accumulates != 0 ? *out : component == 0 ? affine.bias[limb * affine.rows + row] : 0;
            *out = add(start, OF(sums, thread).reduced[i], p.q);
        }
    }
}

KERNEL linear_1(View to, View from, Ring ring, Panels panels, Affine affine) {
    multiply<1>(to, from, ring, panels, affine);
}

KERNEL linear_2(View to, View from, Ring ring, Panels panels, Affine affine) {
    multiply<2>(to, from, ring, panels, affine);
}

KERNEL linear_4(View to, View from, Ring ring, Panels panels, Affine affine) {
    multiply<4>(to, from, ring, panels, affine);
}

KERNEL linear_8(View to, View from, Ring ring, Panels panels, Affine affine) {
    multiply<8>(to, from, ring, panels, affine);
}
