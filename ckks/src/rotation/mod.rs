//! Rotations of slots, and linear maps by rotations.

mod diagonal_matrix;
mod diagonal_product;
mod galois_keys;
mod order;
mod periodic;
mod rotation_steps;
mod rotator;
#[cfg(all(test, target_os = "linux"))]
mod timing;
mod word_pool;

pub use diagonal_matrix::{Diagonal, DiagonalMatrix, DiagonalShape, DiagonalSum};
pub use diagonal_product::HELD_WORDS;
pub use galois_keys::{GaloisKeys, KeyedRotation};
pub use order::rotation_order;
pub use periodic::SHORTEST_PERIOD;
pub use rotator::{Rotator, bias_values};
pub use word_pool::RotationMemory;
