// Ciphertexts as they travel, to residues: bits without gaps, and the halves that a seed stands for.

struct Packed {
    // [tile][item][TILE] residues of `bits` bits, little-endian, as words; one word more at the end.
    const u64 *words;
    u64 items;
    u64 bits;
    // Becomes 1 when a residue is not below its prime.
    u64 *damaged;
};

// One limb. Item number i of the bits is component i % stored of ciphertext i / stored.
KERNEL unpack(View to, Ring ring, Packed packed, u64 stored) {
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        u64 q = ring.primes[prime_of(ring, at.limb)].q;
        u64 *y = to.at + at.item / stored * to.item_stride + at.item % stored * ring.n;
        u64 mask = (1ull << packed.bits) - 1;
        for (u32 i = thread; i < WORDS; i += THREADS) {
            u64 j = (u64)at.block * WORDS + i;
            u64 bit = (j / TILE * packed.items + at.item) * (TILE * packed.bits) + j % TILE * packed.bits;
            u64 shift = bit % 64;
            u64 x = packed.words[bit / 64] >> shift;
            if (shift + packed.bits > 64) {
                x |= packed.words[bit / 64 + 1] << (64 - shift);
            }
            x &= mask;
            if (x >= q) {
                *packed.damaged = 1;
            }
            y[j] = x;
        }
    }
}

// AES-256 (FIPS 197) by one table of 256 words; bytes of words are little-endian.
struct Aes {
    // Twice, once, once and three times what each byte is substituted by; then the words of all
    // round keys.
    const u32 *table;
};

const u32 AES_ROUNDS = 14;

DEVICE u32 rotated(u32 x, u32 bits) {
    return bits == 0 ? x : x << bits | x >> (32 - bits);
}

// One block, in place.
DEVICE void encrypt(const u32 *table, const u32 *keys, u32 *block) {
    u32 state[4];
    for (u32 c = 0; c < 4; ++c) {
        block[c] ^= keys[c];
    }
    for (u32 round = 1; round <= AES_ROUNDS; ++round) {
        for (u32 c = 0; c < 4; ++c) {
            u32 sum = keys[4 * round + c];
            for (u32 row = 0; row < 4; ++row) {
                u32 entry = table[block[(c + row) % 4] >> (8 * row) & 255];
                // The last round has no products: the entry's second byte is the substitute itself.
                sum ^= round < AES_ROUNDS ? rotated(entry, 8 * row) : (entry >> 8 & 255) << (8 * row);
            }
            state[c] = sum;
        }
        for (u32 c = 0; c < 4; ++c) {
            block[c] = state[c];
        }
    }
}

// The words of a pair of slots: of element `index` in limb `limb`, drawn for the `attempt`-th time.
DEVICE void draw(const u32 *table, const u32 *keys, u64 index, u64 limb, u64 pair, u32 attempt, u64 *words) {
    u32 block[4] = {(u32)index, (u32)(index >> 32), (u32)limb | attempt << 16, (u32)pair};
    encrypt(table, keys, block);
    words[0] = block[0] | (u64)block[1] << 32;
    words[1] = block[2] | (u64)block[3] << 32;
}

// Uniform residues of items, which are elements 0, 1 and so on of the seed's: as many bits of each
// word as q has, drawn again while they are not below q. `limb` is that of the ciphertexts.
KERNEL expand(View to, Ring ring, Aes aes, u64 limb, u64 bits) {
    SHARED u32 table[256 + 4 * (AES_ROUNDS + 1)];
    Spot at = spot(ring.n / WORDS);
    PHASE(thread) {
        for (u32 i = thread; i < 256 + 4 * (AES_ROUNDS + 1); i += THREADS) {
            table[i] = aes.table[i];
        }
    }
    PHASE(thread) {
        u64 q = ring.primes[prime_of(ring, at.limb)].q;
        u64 *y = polynomial(to, at) + (u64)at.block * WORDS;
        u64 mask = (1ull << bits) - 1;
        for (u32 i = thread; i < WORDS / 2; i += THREADS) {
            u64 pair = (u64)at.block * (WORDS / 2) + i;
            u64 words[2];
            draw(table, table + 256, at.item, limb, pair, 0, words);
            for (u32 half = 0; half < 2; ++half) {
                u64 x = words[half] & mask;
                for (u32 attempt = 1; x >= q; ++attempt) {
                    u64 again[2];
                    draw(table, table + 256, at.item, limb, pair, attempt, again);
                    x = again[half] & mask;
                }
                y[2 * i + half] = x;
            }
        }
    }
}
