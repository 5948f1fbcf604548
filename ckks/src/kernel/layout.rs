//! Sizes that batches, weights and all arithmetic paths agree on, and the form in which weights are
//! stored.

/// Slots in a tile: the unit in which batches are stored and worked on. Four 512-bit vectors.
pub const TILE: usize = 32;

/// Rows in a panel: with four vectors a tile, as many accumulators as 32 registers hold.
pub(crate) const PANEL_ROWS: usize = 6;

/// Words of the widest vector; all polynomials and tiles have a multiple of it.
pub(crate) const LANES: usize = 8;

/// Slots that paths on doubles work on together: two vectors of AVX2, four of NEON, so that six
/// rows fill the registers.
pub(crate) const SLOT_GROUP: usize = 8;

/// Cycles of a column of a panel of 1, 2, ... rows, measured on AVX2: few rows wait for loads or
/// for their own sums, many fill the multipliers.
pub(crate) const DOUBLES_COLUMN_COST: [f64; PANEL_ROWS] = [5.5, 16.0, 16.0, 17.0, 20.5, 24.0];

/// How a weight is stored in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WeightForm {
    /// An integer, to which a group may have added its offset.
    Integer,
    /// The bits of a double.
    Double,
}

impl WeightForm {
    pub(crate) fn store(self, weight: i64) -> u64 {
        match self {
            Self::Integer => weight.cast_unsigned(),
            Self::Double => (weight as f64).to_bits(),
        }
    }

    pub(crate) fn load(self, stored: u64) -> i64 {
        match self {
            Self::Integer => stored.cast_signed(),
            Self::Double => f64::from_bits(stored) as i64,
        }
    }
}
