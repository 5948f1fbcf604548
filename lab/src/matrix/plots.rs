//! The cells of a matrix as standalone SVG: accuracy by activation, what distillation adds,
//! accuracy against cost.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::cost_plot::cost;
use super::statistics::Spread;
use super::table::{Summary, TableCell, axis_word};
use crate::report::style::{COLOURS, GRID, INK};

/// One labelled row of a plot: marks with a colour's index, mean with least and most, in per cent.
struct Line {
    label: String,
    marks: Vec<(usize, Spread)>,
}

/// Draws every plot that the summary allows: `(file name, SVG)`.
///
/// # Errors
/// If a plot cannot be drawn.
pub fn plots(s: &Summary) -> Result<Vec<(&'static str, String)>> {
    let mut all = Vec::new();
    let lines: Vec<Line> = s.cells.iter().map(accuracy).filter(|l| !l.marks.is_empty()).collect();
    if !lines.is_empty() {
        let keys = ["teacher", "student", "encrypted"];
        all.push((
            "accuracy.svg",
            draw(&lines, "accuracy on test images, mean and range over the seeds (%)", &keys, None)?,
        ));
    }
    let differences: Vec<Line> = s
        .differences
        .iter()
        .filter_map(|d| {
            let rest: Vec<&str> = d.labels.iter().map(|l| l.1.as_str()).collect();
            let label =
                format!("{} − {}: {}", axis_word(&d.axis, &d.of), axis_word(&d.axis, &d.against), rest.join(", "));
            Some(Line { label, marks: vec![(1, d.student?)] })
        })
        .collect();
    if !differences.is_empty() {
        all.push((
            "differences.svg",
            draw(&differences, "points of accuracy, paired by seed: mean and range", &[], Some(0.0))?,
        ));
    }
    all.extend(cost(s)?.map(|svg| ("cost.svg", svg)));
    Ok(all)
}

fn accuracy(cell: &TableCell) -> Line {
    let marks = [cell.teacher, cell.student, cell.encrypted].into_iter().enumerate();
    Line { label: cell.words(), marks: marks.filter_map(|(i, f)| Some((i, f?))).collect() }
}

/// One row for each line, the first on top.
fn draw(lines: &[Line], description: &str, keys: &[&str], zero: Option<f64>) -> Result<String> {
    let values =
        || lines.iter().flat_map(|l| &l.marks).flat_map(|(_, f)| [100.0 * f.least, 100.0 * f.most]).chain(zero);
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let margin = (0.06 * (high - low)).max(0.1);
    let (low, high) = (low - margin, high + margin);
    let mut svg = String::new();
    {
        let height = 24 * lines.len() as u32 + if keys.is_empty() { 70 } else { 94 };
        let canvas = SVGBackend::with_string(&mut svg, (820, height)).into_drawing_area();
        let style = |size: i32| ("sans-serif", size).into_font().color(&INK);
        let mut chart = ChartBuilder::on(&canvas)
            .margin(10)
            .margin_top(if keys.is_empty() { 10 } else { 34 })
            .x_label_area_size(40)
            .y_label_area_size(330)
            .build_cartesian_2d(low..high, 0.0..lines.len() as f64)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_labels(8)
            .y_labels(0)
            .x_desc(description)
            .x_label_formatter(&|v| format!("{v:.1}"))
            .label_style(style(13))
            .axis_desc_style(style(13))
            .draw()?;
        if let Some(zero) = zero {
            chart.draw_series(LineSeries::new([(zero, 0.0), (zero, lines.len() as f64)], INK.stroke_width(2)))?;
        }
        for (row, line) in lines.iter().enumerate() {
            let middle = lines.len() as f64 - row as f64 - 0.5;
            let (column, at) = chart.backend_coord(&(low, middle));
            let right = style(12).pos(Pos::new(HPos::Right, VPos::Center));
            canvas.draw(&Text::new(line.label.clone(), (column - 10, at), right))?;
            for (i, f) in &line.marks {
                // Side by side, so that equal values stay visible.
                let y = middle + 0.22 * (1.0 - *i as f64);
                let colour = COLOURS[i % COLOURS.len()];
                let range = [(100.0 * f.least, y), (100.0 * f.most, y)];
                chart.draw_series(LineSeries::new(range, colour.stroke_width(2)))?;
                chart.draw_series([Circle::new((100.0 * f.mean, y), 4, colour.filled())])?;
            }
        }
        for (i, key) in keys.iter().enumerate() {
            let x = 340 + 110 * i as i32;
            canvas.draw(&Circle::new((x, 18), 4, COLOURS[i % COLOURS.len()].filled()))?;
            canvas.draw(&Text::new(
                (*key).to_owned(),
                (x + 10, 18),
                style(13).pos(Pos::new(HPos::Left, VPos::Center)),
            ))?;
        }
        canvas.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::super::table::{summarise, tests::example};
    use super::*;

    #[test]
    fn plots_are_whole_and_finite() {
        let (matrix, rows) = example();
        let plotted = plots(&summarise(&matrix, &rows.iter().collect::<Vec<_>>())).unwrap();
        assert_eq!(plotted.iter().map(|p| p.0).collect::<Vec<_>>(), ["accuracy.svg", "differences.svg", "cost.svg"]);
        for (_, svg) in &plotted {
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN") && !svg.contains("inf") && svg.contains("element"), "{svg}");
        }
        assert!(plots(&summarise(&matrix, &[])).unwrap().is_empty());
    }
}
