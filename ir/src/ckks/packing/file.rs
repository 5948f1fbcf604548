//! A packing as it lies in the header of a program.

use serde::{Deserialize, Serialize};

use super::layout::LayoutLiteral;
use super::{PackedMap, Packing};
use crate::{Error, Result};

/// Positions of all values of a program, at most.
const MAX_POSITIONS: usize = 1 << 24;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackingLiteral {
    input: LayoutLiteral,
    maps: Vec<MapLiteral>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MapLiteral {
    layout: LayoutLiteral,
    images: usize,
    offsets: Vec<i32>,
    giant: u32,
    folds: Vec<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unmasked: bool,
}

impl TryFrom<PackingLiteral> for Packing {
    type Error = Error;

    fn try_from(literal: PackingLiteral) -> Result<Self> {
        // Before any of them is reserved: a few bytes may say that there are many.
        let layouts = literal.maps.iter().map(|m| &m.layout).chain([&literal.input]);
        let positions = layouts.fold(0_usize, |sum, layout| sum.saturating_add(layout.positions()));
        if positions > MAX_POSITIONS {
            let found = format!("{positions} positions of all values");
            return Err(Error::malformed("reading a packing", found, format!("at most {MAX_POSITIONS}")));
        }
        let map = |MapLiteral { layout, images, offsets, giant, folds, unmasked }| {
            Ok(PackedMap { layout: layout.try_into()?, images, offsets, giant, folds, unmasked })
        };
        let maps = literal.maps.into_iter().map(map).collect::<Result<_>>()?;
        Ok(Self { input: literal.input.try_into()?, maps })
    }
}

impl From<Packing> for PackingLiteral {
    fn from(Packing { input, maps }: Packing) -> Self {
        let map = |PackedMap { layout, images, offsets, giant, folds, unmasked }| MapLiteral {
            layout: layout.into(),
            images,
            offsets,
            giant,
            folds,
            unmasked,
        };
        Self { input: input.into(), maps: maps.into_iter().map(map).collect() }
    }
}
