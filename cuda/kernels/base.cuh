// What the kernels are written in. All files of this folder are joined to one source, this one
// first, and compiled by NVRTC; the shim in ../shim compiles the same source for the processor.
//
// A kernel is a sequence of phases. Within a phase each thread works by itself; after it all threads
// of the block wait for each other, so that what one phase writes to a tile the next may read.
// Outside of phases there is only what is the same for all threads of the block.

typedef unsigned long long u64;
typedef long long i64;
typedef unsigned int u32;
typedef int i32;

// Threads of a block.
const u32 THREADS = 256;
// Words of a polynomial that one block works on, and of a tile in shared memory.
const u32 WORDS = 1024;

#ifndef BEAA_SHIM
#define KERNEL extern "C" __global__ void __launch_bounds__(256)
#define DEVICE static __device__ __forceinline__
#define SHARED __shared__
// The barrier is the loop's last expression: no phase can be without it.
#define PHASE(thread) for (u32 thread = threadIdx.x, once = 1; once != 0; once = 0, __syncthreads())
// What a thread keeps from phase to phase.
#define PER_THREAD(type, name) type name
#define OF(name, thread) ((void)(thread), name)
#endif

// A constant factor and floor(2^64 value / q).
struct Factor {
    u64 value;
    u64 quotient;
};

// A prime q of k bits, k at most 50, with what reductions need.
struct Prime {
    u64 q;
    // floor((2^64 - 1) / q).
    u64 barrett;
    // floor(2^(51 + k) / q) 2^12.
    u64 ratio;
    // k - 1.
    u64 shift;
    // 2^25, by which sums of products are put together.
    Factor split;
};

// The ring: its degree and, for each prime, the tables of its transform.
struct Ring {
    u64 n;
    // [prime].
    const Prime *primes;
    // [prime][n]: the root of Y^n + 1 to the bit-reversed power, and the inverses.
    const Factor *roots;
    const Factor *inverse_roots;
    // [prime][n][2]: for a coefficient itself, and for its mirror image.
    const Factor *twist;
    const Factor *untwist;
    // Limb number `ordinary` of a buffer is modulo prime number `next`, those after it are modulo
    // the primes after that; those before it are modulo the primes of their numbers.
    u64 ordinary;
    u64 next;
};

// Polynomials in memory: number `item` modulo the prime of `limb` begins at at[limb * limb_stride +
// item * item_stride].
struct View {
    u64 *at;
    u64 limb_stride;
    u64 item_stride;
};

// What a block works on.
struct Spot {
    u64 limb;
    u64 item;
    // Number of the block within the polynomial.
    u32 block;
};

// The spot of a block where `blocks` of them share a polynomial.
DEVICE Spot spot(u64 blocks) {
    Spot at = {blockIdx.y, blockIdx.x / blocks, (u32)(blockIdx.x % blocks)};
    return at;
}

DEVICE u64 *polynomial(View view, Spot at) {
    return view.at + at.limb * view.limb_stride + at.item * view.item_stride;
}

// Number of the prime of a limb.
DEVICE u64 prime_of(const Ring &ring, u64 limb) {
    return limb < ring.ordinary ? limb : ring.next + (limb - ring.ordinary);
}
