//! Which instructions multiply and add which numbers.

use half::bf16;

#[cfg(target_arch = "x86_64")]
use super::bfloat16;
use super::number::Number;
#[cfg(target_arch = "x86_64")]
use super::x86::{avx2, avx512};
use super::{Checked, Dot, Outer, Tile, portable};

/// A number of which products can be computed.
pub(in super::super) trait Operand: Number {
    /// Computes a product with the best instructions that this processor has.
    fn dot(product: Checked<'_, Dot<'_, Self>>, tile: &mut Tile);

    /// Adds a product with the best instructions that this processor has.
    fn outer(product: Checked<'_, Outer<'_, Self>>, tile: &mut Tile);
}

impl Operand for f32 {
    fn dot(product: Checked<'_, Dot<'_, Self>>, tile: &mut Tile) {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(instructions) = avx512::Instructions::detect() {
                return instructions.dot(product, tile);
            }
            if let Some(instructions) = avx2::Instructions::detect() {
                return instructions.dot(product, tile);
            }
        }
        portable::dot(product, tile);
    }

    fn outer(product: Checked<'_, Outer<'_, Self>>, tile: &mut Tile) {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(instructions) = avx512::Instructions::detect() {
                return instructions.outer(product, tile);
            }
            if let Some(instructions) = avx2::Instructions::detect() {
                return instructions.outer(product, tile);
            }
        }
        portable::outer(product, tile);
    }
}

impl Operand for bf16 {
    fn dot(product: Checked<'_, Dot<'_, Self>>, tile: &mut Tile) {
        #[cfg(target_arch = "x86_64")]
        if let Some(instructions) = bfloat16::Instructions::detect() {
            return instructions.dot(product, tile);
        }
        portable::dot(product, tile);
    }

    fn outer(product: Checked<'_, Outer<'_, Self>>, tile: &mut Tile) {
        #[cfg(target_arch = "x86_64")]
        if let Some(instructions) = bfloat16::Instructions::detect() {
            return instructions.outer(product, tile);
        }
        portable::outer(product, tile);
    }
}
