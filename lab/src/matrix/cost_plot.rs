//! Accuracy against the cost of encryption, one numbered mark for each cell of a matrix.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::table::Summary;
use crate::report::style::{COLOURS, GRID, INK};

/// Height of a line of the legend.
const LINE: u32 = 17;

/// The plot; none if fewer than two cells were run encrypted.
pub(super) fn cost(s: &Summary) -> Result<Option<String>> {
    let measured = |c: &super::table::TableCell| {
        Some((c.words(), c.milliseconds_per_image.as_ref()?.mean, 100.0 * c.encrypted.as_ref()?.mean))
    };
    let marks: Vec<(String, f64, f64)> = s.cells.iter().filter_map(measured).collect();
    let span = |pick: fn(&(String, f64, f64)) -> f64| {
        let (low, high) = marks.iter().map(pick).fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        (low, high, (0.08 * (high - low)).max(1e-3))
    };
    let ((_, slowest, _), (worst, best, margin)) = (span(|m| m.1), span(|m| m.2));
    if marks.len() < 2 || slowest <= 0.0 {
        return Ok(None);
    }
    let mut svg = String::new();
    {
        let height = (LINE * marks.len() as u32 + 60).max(380);
        let canvas = SVGBackend::with_string(&mut svg, (900, height)).into_drawing_area();
        let (left, right) = canvas.split_horizontally(560);
        let style = |size: i32| ("sans-serif", size).into_font().color(&INK);
        let mut chart = ChartBuilder::on(&left)
            .margin(14)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..1.08 * slowest, worst - margin..best + margin)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_desc("encrypted run, milliseconds per image")
            .y_desc("encrypted accuracy (%)")
            .y_label_formatter(&|v| format!("{v:.2}"))
            .label_style(style(13))
            .axis_desc_style(style(13))
            .draw()?;
        for (i, (label, ms, accuracy)) in marks.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            chart.draw_series([Circle::new((*ms, *accuracy), 4, colour.filled())])?;
            let (x, y) = chart.backend_coord(&(*ms, *accuracy));
            let number = style(11).pos(Pos::new(HPos::Left, VPos::Bottom));
            canvas.draw(&Text::new((i + 1).to_string(), (x + 4, y - 3), number))?;
            let line = 24 + (LINE * i as u32) as i32;
            right.draw(&Circle::new((10, line + 6), 4, colour.filled()))?;
            right.draw(&Text::new(format!("{}: {label}", i + 1), (22, line), style(12)))?;
        }
        canvas.present()?;
    }
    Ok(Some(svg))
}

#[cfg(test)]
mod tests {
    use super::super::table::{summarise, tests::example};
    use super::*;

    #[test]
    fn every_encrypted_cell_has_a_mark_and_a_line() {
        let (matrix, rows) = example();
        let summary = summarise(&matrix, &rows.iter().collect::<Vec<_>>());
        let encrypted = summary.cells.iter().filter(|c| c.encrypted.is_some()).count();
        let svg = cost(&summary).unwrap().unwrap();
        assert_eq!(svg.matches("<circle").count(), 2 * encrypted);
        assert!(!svg.contains("NaN") && svg.contains("milliseconds per image") && svg.contains("element"), "{svg}");
        assert!(cost(&summarise(&matrix, &[])).unwrap().is_none());
    }
}
