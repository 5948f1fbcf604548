//! Every kernel against the processor's engine, to the last bit, at every ring degree and width of
//! primes that there is. The kernels run on the processor: `cuda/shim` compiles their source for
//! it, and runs the threads of a phase in several orders. With `BEAA_CARD` in the environment they
//! run on graphics card 0 instead.

#![allow(clippy::unwrap_used, clippy::panic)]

mod kit;
mod linear;
mod packed;
mod pointwise;
mod switching;
mod transform;
mod unpacking;
