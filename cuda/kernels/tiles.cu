// Between the order of the processor's kernels, [limb][tile][item][TILE], and whole polynomials.

// Slots that the processor's kernels work on at a time.
const u32 TILE = 32;

DEVICE u64 in_tiles(Spot at, u64 n, u64 items, u64 j) {
    return ((at.limb * (n / TILE) + j / TILE) * items + at.item) * TILE + j % TILE;
}

KERNEL from_tiles(View to, const u64 *tiles, Ring ring, u64 items) {
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        u64 *a = polynomial(to, at);
        for (u32 i = thread; i < WORDS; i += THREADS) {
            u64 j = (u64)at.block * WORDS + i;
            a[j] = tiles[in_tiles(at, ring.n, items, j)];
        }
    }
}

KERNEL to_tiles(u64 *tiles, View from, Ring ring, u64 items) {
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        const u64 *a = polynomial(from, at);
        for (u32 i = thread; i < WORDS; i += THREADS) {
            u64 j = (u64)at.block * WORDS + i;
            tiles[in_tiles(at, ring.n, items, j)] = a[j];
        }
    }
}
