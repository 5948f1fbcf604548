//! Bars: what somebody else states beside what was measured.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::headline::Bar;
use crate::report::style::{COLOURS, GRID, INK};

const WIDTH: u32 = 820;
const ROW: u32 = 30;
/// Above and below the bars of a panel.
const FRAME: u32 = 60;
/// Left of the bars, for labels; right of them, for values.
const SIDES: (i32, i32) = (290, 90);

/// One panel for each title; `digits` of the values behind the point.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
    pub(super) digits: usize,
}

/// Draws all panels, one below the other; none without a panel.
pub(super) fn bars(panels: &[Panel]) -> Result<Option<String>> {
    if panels.is_empty() {
        return Ok(None);
    }
    let heights: Vec<u32> = panels.iter().map(|p| FRAME + ROW * p.bars.len() as u32).collect();
    let mut svg = String::new();
    {
        let mut rest = SVGBackend::with_string(&mut svg, (WIDTH, heights.iter().sum())).into_drawing_area();
        for (panel, &height) in panels.iter().zip(&heights) {
            let (area, below) = rest.split_vertically(height);
            draw(&area, panel)?;
            rest = below;
        }
        rest.present()?;
    }
    Ok(Some(svg))
}

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel) -> Result<()> {
    let font = |size: i32| ("sans-serif", size).into_font().color(&INK);
    let at = |h, v| font(13).pos(Pos::new(h, v));
    area.draw(&Text::new(panel.title.clone(), (12, 14), font(14)))?;
    let ends = panel.bars.iter().flat_map(|b| b.range.into_iter().flat_map(|(l, m)| [l, m]).chain([b.value, 0.0]));
    let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    let span = (high - low).max(f64::MIN_POSITIVE);
    let wide = f64::from(WIDTH as i32 - SIDES.0 - SIDES.1);
    let column = |v: f64| SIDES.0 + ((v - low) / span * wide).round() as i32;
    for (i, bar) in panel.bars.iter().enumerate() {
        let middle = (42 + ROW * i as u32 + ROW / 2) as i32;
        let colour = if bar.claimed { GRID } else { COLOURS[0] };
        let (a, b) = (column(bar.value.min(0.0)), column(bar.value.max(0.0)));
        area.draw(&Rectangle::new([(a, middle - 9), (b, middle + 9)], colour.filled()))?;
        let mut end = b;
        if let Some((least, most)) = bar.range {
            area.draw(&PathElement::new([(column(least), middle), (column(most), middle)], INK.stroke_width(2)))?;
            end = end.max(column(most));
        }
        area.draw(&Text::new(bar.label.clone(), (SIDES.0 - 10, middle), at(HPos::Right, VPos::Center)))?;
        let value = format!("{:.*}", panel.digits, bar.value);
        area.draw(&Text::new(value, (end + 8, middle), at(HPos::Left, VPos::Center)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_is_as_long_as_its_value() {
        let bar = |label: &str, value, claimed| Bar { label: label.into(), value, range: None, claimed };
        let panel = |bars| Panel { title: "t".into(), bars, digits: 1 };
        let svg = bars(&[panel(vec![bar("stated", 200.0, true), bar("network", 100.0, false)])]).unwrap().unwrap();
        assert!(svg.contains("stated") && svg.contains("100.0") && !svg.contains("NaN"), "{svg}");
        let widths: Vec<f64> = svg
            .lines()
            .filter(|l| l.contains("<rect"))
            .map(|l| l.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(widths.len(), 2);
        assert!((widths[0] / widths[1] - 2.0).abs() < 0.02, "{widths:?}");
        assert!(bars(&[]).unwrap().is_none());
        let negative = bars(&[panel(vec![bar("network", -1.0, false)])]).unwrap().unwrap();
        assert!(negative.contains("-1.0"));
    }
}
