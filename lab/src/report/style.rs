//! Colours of plots that stand alone, as files.

use plotters::style::RGBColor;

/// Readable on white and on black.
pub(crate) const INK: RGBColor = RGBColor(120, 120, 120);
pub(crate) const GRID: RGBColor = RGBColor(190, 190, 190);
pub(crate) const COLOURS: [RGBColor; 4] =
    [RGBColor(31, 119, 180), RGBColor(214, 96, 39), RGBColor(44, 140, 80), RGBColor(148, 103, 189)];
