//! The kernels by name, and their source.

/// A kernel of `kernels/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// First half of the forward transform.
    ForwardOuter,
    /// Second half of the forward transform.
    ForwardInner,
    /// First half of the inverse transform.
    InverseInner,
    /// Second half of the inverse transform.
    InverseOuter,
    /// The end of the inverse transform.
    Untwist,
    /// Integer weights times residues, one row at a time.
    Linear1,
    /// Two rows at a time.
    Linear2,
    /// Four rows at a time.
    Linear4,
    /// Eight rows at a time.
    Linear8,
    /// Squares of ciphertexts.
    Square,
    /// Products with a constant.
    Scale,
    /// A sum.
    AddTo,
    /// A digit times a switching key.
    KeyProduct,
    /// One division by a prime.
    Divide,
    /// From the processor's order to whole polynomials.
    FromTiles,
    /// And back.
    ToTiles,
    /// Bits of ciphertexts to residues.
    Unpack,
    /// What a seed stands for.
    Expand,
    /// Constants of packed elements times ciphertexts.
    DiagonalProducts,
    /// What a rotation does to values.
    Permute,
}

impl Kernel {
    /// All kernels.
    pub const ALL: [Self; 20] = [
        Self::ForwardOuter,
        Self::ForwardInner,
        Self::InverseInner,
        Self::InverseOuter,
        Self::Untwist,
        Self::Linear1,
        Self::Linear2,
        Self::Linear4,
        Self::Linear8,
        Self::Square,
        Self::Scale,
        Self::AddTo,
        Self::KeyProduct,
        Self::Divide,
        Self::FromTiles,
        Self::ToTiles,
        Self::Unpack,
        Self::Expand,
        Self::DiagonalProducts,
        Self::Permute,
    ];

    /// Its name in the source.
    pub fn name(self) -> &'static str {
        match self {
            Self::ForwardOuter => "forward_outer",
            Self::ForwardInner => "forward_inner",
            Self::InverseInner => "inverse_inner",
            Self::InverseOuter => "inverse_outer",
            Self::Untwist => "untwist",
            Self::Linear1 => "linear_1",
            Self::Linear2 => "linear_2",
            Self::Linear4 => "linear_4",
            Self::Linear8 => "linear_8",
            Self::Square => "square",
            Self::Scale => "scale",
            Self::AddTo => "add_to",
            Self::KeyProduct => "key_product",
            Self::Divide => "divide",
            Self::FromTiles => "from_tiles",
            Self::ToTiles => "to_tiles",
            Self::Unpack => "unpack",
            Self::Expand => "expand",
            Self::DiagonalProducts => "diagonal_products",
            Self::Permute => "permute",
        }
    }
}

/// Threads of a block, as `kernels/base.cuh` has it.
pub(crate) const THREADS: usize = 256;

/// Words of a polynomial that a block works on, as `kernels/base.cuh` has it.
pub(crate) const WORDS: usize = 1024;

/// Columns of weights in shared memory, as `kernels/linear.cu` has it.
pub(crate) const COLUMNS: usize = 64;

/// All of `kernels/`, in the order in which one builds on the other.
pub(crate) const SOURCE: &str = concat!(
    include_str!("../kernels/base.cuh"),
    include_str!("../kernels/modular.cuh"),
    include_str!("../kernels/forward.cu"),
    include_str!("../kernels/inverse.cu"),
    include_str!("../kernels/linear.cu"),
    include_str!("../kernels/pointwise.cu"),
    include_str!("../kernels/key_switch.cu"),
    include_str!("../kernels/tiles.cu"),
    include_str!("../kernels/unpack.cu"),
    include_str!("../kernels/diagonals.cu"),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_numbered_as_they_are_listed_and_named_as_in_their_source() {
        for (number, kernel) in Kernel::ALL.into_iter().enumerate() {
            assert_eq!(kernel as usize, number);
            assert!(SOURCE.contains(&format!("\nKERNEL {}(", kernel.name())), "{kernel:?}");
        }
        assert_eq!(SOURCE.matches("\nKERNEL ").count(), Kernel::ALL.len(), "kernels in the source");
    }

    #[test]
    fn sizes_are_those_of_the_source() {
        for (name, size) in [("THREADS", THREADS), ("WORDS", WORDS), ("COLUMNS", COLUMNS)] {
            assert!(SOURCE.contains(&format!("const u32 {name} = {size};")), "{name}");
        }
        assert!(SOURCE.contains(&format!("__launch_bounds__({THREADS})")), "bounds of launches");
    }
}
