// The kernels as C++ for the processor: a block is one call, its threads are loops over each phase,
// and a tile in shared memory is a local array. Threads of a phase may run in several orders: a
// result that depends on it is a race.

#include <cstddef>
#include <utility>

#define BEAA_SHIM

namespace {

struct Index {
    unsigned int x;
    unsigned int y;
};

thread_local Index blockIdx;
// An odd number from 1 to 255, by which threads are numbered anew.
thread_local unsigned int stride = 1;

inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}

} // namespace

#define KERNEL static void
#define DEVICE static inline
#define SHARED
#define PHASE(thread) \
    for (u32 step = 0, thread = 0; step < THREADS; ++step, thread = (step * stride) % THREADS)
#define PER_THREAD(type, name) type name[THREADS]
#define OF(name, thread) name[thread]

#include "base.cuh"
#include "modular.cuh"
#include "forward.cu"
#include "inverse.cu"
#include "linear.cu"
#include "pointwise.cu"
#include "key_switch.cu"
#include "tiles.cu"
#include "unpack.cu"
#include "diagonals.cu"

namespace {

template <class... A, size_t... I> void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
    kernel(*static_cast<A *>(arguments[I])...);
}

template <class... A> void call(void (*kernel)(A...), void **arguments) {
    call(kernel, arguments, std::index_sequence_for<A...>());
}

bool same(const char *a, const char *b) {
    while (*a != 0 && *a == *b) {
        ++a;
        ++b;
    }
    return *a == *b;
}

} // namespace

#define RUN(name) \
    if (same(kernel, #name)) { \
        call(name, arguments); \
        continue; \
    }

// Runs all blocks of a kernel, as cuLaunchKernel takes its arguments; false when there is none of
// that name. With an order of 1 threads and blocks ascend, with 255 threads descend.
extern "C" bool beaa_shim_launch(const char *kernel, u32 blocks, u32 limbs, u32 order, void **arguments) {
    stride = order;
    for (u32 y = 0; y < limbs; ++y) {
        for (u32 x = 0; x < blocks; ++x) {
            blockIdx = {x, y};
            RUN(forward_outer)
            RUN(forward_inner)
            RUN(inverse_inner)
            RUN(inverse_outer)
            RUN(untwist)
            RUN(linear_1)
            RUN(linear_2)
            RUN(linear_4)
            RUN(linear_8)
            RUN(square)
            RUN(scale)
            RUN(add_to)
            RUN(key_product)
            RUN(divide)
            RUN(from_tiles)
            RUN(to_tiles)
            RUN(unpack)
            RUN(expand)
            RUN(diagonal_products)
            RUN(permute)
            return false;
        }
    }
    return true;
}
