//! The report's plots as SVG text. Colours are names of the page's style sheet, so that they follow
//! light and dark.

use anyhow::Result;
use beaa_runtime::LayerTime;
use beaa_runtime::ckks::Verification;
use beaa_trainer::{EpochMetrics, Phase, PolynomialSample};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Stand-ins for the style sheet's colours; [`themed`] puts the names in.
const INK: RGBColor = RGBColor(1, 254, 1);
const GRID: RGBColor = RGBColor(1, 254, 2);
const FIRST: RGBColor = RGBColor(1, 254, 3);
const SECOND: RGBColor = RGBColor(1, 254, 4);
const THIRD: RGBColor = RGBColor(1, 254, 5);
const MUTED: RGBColor = RGBColor(1, 254, 6);
const NAMES: [(RGBColor, &str); 6] =
    [(INK, "ink"), (GRID, "grid"), (FIRST, "first"), (SECOND, "second"), (THIRD, "third"), (MUTED, "muted")];

/// Points of a polynomial's curve.
const CURVE: u32 = 80;
/// Height of a row in a chart of layers.
const ROW: u32 = 30;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// One figure of an epoch.
type Pick = fn(&EpochMetrics) -> Option<f64>;

/// What a line of the training curves shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Fraction classified right.
    Accuracy,
    /// Loss.
    Loss,
}

/// Teacher (first colour) and student (second), validation solid, training dashed.
pub(super) fn training(epochs: &[EpochMetrics], measure: Measure) -> Result<String> {
    let of = |phase, pick: Pick| -> Vec<(f64, f64)> {
        let points = epochs.iter().filter(|m| m.phase == phase).filter_map(|m| Some((m.epoch as f64, pick(m)?)));
        points.filter(|p| p.1.is_finite()).collect()
    };
    let (trained, validated): (Pick, Pick) = match measure {
        Measure::Accuracy => (|m| Some(m.train_accuracy), |m| m.validation_accuracy),
        Measure::Loss => (|m| Some(m.train_loss), |m| m.validation_loss),
    };
    let phases = [(Phase::Teacher, FIRST), (Phase::Student, SECOND)];
    let lines: Vec<_> =
        phases.iter().map(|&(phase, colour)| (colour, of(phase, trained), of(phase, validated))).collect();
    let values = || lines.iter().flat_map(|(_, t, v)| t.iter().chain(v)).map(|p| p.1);
    let (low, high) = span(values());
    let (low, high) = match measure {
        Measure::Accuracy => ((low - 0.02).max(0.0), 1.0),
        Measure::Loss => (0.0, high * 1.05),
    };
    let last = epochs.iter().map(|m| m.epoch).max().unwrap_or(1).max(2) as f64;
    draw(460, 280, |canvas| {
        let mut chart = ChartBuilder::on(canvas)
            .margin(10)
            .x_label_area_size(38)
            .y_label_area_size(52)
            .build_cartesian_2d(1.0..last, low..high.max(low + 1e-6))?;
        let percent = |v: &f64| format!("{:.0} %", 100.0 * v);
        let plain = |v: &f64| format!("{v:.2}");
        let label: &dyn Fn(&f64) -> String = if measure == Measure::Accuracy { &percent } else { &plain };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(MUTED)
            .x_labels(8)
            .y_labels(6)
            .x_desc("epoch")
            .x_label_formatter(&|v| format!("{v:.0}"))
            .y_label_formatter(label)
            .label_style(font(13, INK))
            .axis_desc_style(font(13, INK))
            .draw()?;
        for (colour, trained, validated) in &lines {
            let dashed = DashedLineSeries::new(trained.clone(), 4, 4, colour.stroke_width(1));
            chart.draw_series(dashed)?;
            chart.draw_series(LineSeries::new(validated.clone(), colour.stroke_width(2)))?;
        }
        Ok(())
    })
}

/// A learnt quadratic (second colour), ReLU (first), and the histogram of what the teacher's ReLU
/// saw there.
pub(super) fn polynomial(sample: &PolynomialSample) -> Result<String> {
    let (min, max) = (f64::from(sample.min), f64::from(sample.max).max(f64::from(sample.min) + 1e-6));
    let at = |k: u32| min + (max - min) * f64::from(k) / f64::from(CURVE);
    let quadratic = |x: f64| f64::from(sample.a) * x * x + f64::from(sample.b) * x + f64::from(sample.c);
    let learnt: Vec<(f64, f64)> = (0..=CURVE).map(|k| (at(k), quadratic(at(k)))).collect();
    let relu: Vec<(f64, f64)> = [min, 0.0_f64.clamp(min, max), max].map(|x| (x, x.max(0.0))).to_vec();
    let (low, high) = span(learnt.iter().chain(&relu).map(|p| p.1));
    let (low, high) = (low - 0.04 * (high - low), high.max(low + 1e-6));
    let tallest = f64::from(sample.histogram.iter().copied().max().unwrap_or(1).max(1));
    let width = (max - min) / sample.histogram.len().max(1) as f64;
    let bars = sample.histogram.iter().enumerate().map(|(i, &count)| {
        let left = min + width * i as f64;
        let top = low + 0.45 * (high - low) * f64::from(count) / tallest;
        Rectangle::new([(left, low), (left + 0.92 * width, top)], GRID.filled())
    });
    draw(250, 180, |canvas| {
        let mut chart = ChartBuilder::on(canvas)
            .margin(6)
            .x_label_area_size(22)
            .y_label_area_size(34)
            .build_cartesian_2d(min..max, low..high)?;
        chart.draw_series(bars)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(MUTED)
            .x_labels(5)
            .y_labels(5)
            .x_label_formatter(&|v| format!("{v:.1}"))
            .y_label_formatter(&|v| format!("{v:.1}"))
            .label_style(font(12, INK))
            .draw()?;
        chart.draw_series(LineSeries::new(relu, FIRST.stroke_width(2)))?;
        chart.draw_series(LineSeries::new(learnt, SECOND.stroke_width(2)))?;
        Ok(())
    })
}

/// One row for each layer on a logarithmic scale: predicted (ring), measured (disc) and largest
/// (cross) error.
pub(super) fn errors(verification: &Verification) -> Result<String> {
    let layers = &verification.layers;
    let all = layers.iter().flat_map(|l| [l.predicted, l.measured, l.largest]).filter(|e| *e > 0.0 && e.is_finite());
    let (low, high) = span(all.map(f64::log10));
    let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
    let rows: Vec<String> = layers.iter().map(|l| l.layer.clone()).collect();
    let ticks = (high - low) as usize + 1;
    let power = |v: &f64| format!("1e{v:.0}");
    by_layer(&rows, low..high, ticks, "error, standard deviation (logarithmic scale)", &power, |chart, row, y| {
        let layer = &layers[row];
        let point = |e: f64| if e > 0.0 && e.is_finite() { Some((e.log10(), y)) } else { None };
        if let Some((x, y)) = point(layer.predicted) {
            chart.draw_series([Circle::new((x, y), 6, FIRST.stroke_width(2))])?;
        }
        if let Some((x, y)) = point(layer.measured) {
            chart.draw_series([Circle::new((x, y), 4, SECOND.filled())])?;
        }
        if let Some((x, y)) = point(layer.largest) {
            chart.draw_series([Cross::new((x, y), 4, THIRD.stroke_width(2))])?;
        }
        Ok(())
    })
}

/// One bar for each part of the run.
pub(super) fn times(layers: &[LayerTime]) -> Result<String> {
    let rows: Vec<String> = layers.iter().map(|l| format!("{}: {}", l.layer, l.operation)).collect();
    let longest = layers.iter().map(|l| l.seconds).fold(1e-6, f64::max);
    let seconds = |v: &f64| if longest < 1.0 { format!("{:.0} ms", 1e3 * v) } else { format!("{v:.1} s") };
    by_layer(&rows, 0.0..longest * 1.02, 6, "wall-clock time", &seconds, |chart, row, y| {
        let seconds_spent = layers[row].seconds;
        chart.draw_series([Rectangle::new([(0.0, y - 0.3), (seconds_spent, y + 0.3)], FIRST.filled())])?;
        Ok(())
    })
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// A chart with one labelled row for each of `rows`, the first on top.
fn by_layer(
    rows: &[String],
    x: std::ops::Range<f64>,
    ticks: usize,
    description: &str,
    label: &dyn Fn(&f64) -> String,
    mut mark: impl FnMut(&mut Chart<'_, '_>, usize, f64) -> Result<()>,
) -> Result<String> {
    const LEFT: u32 = 270;
    let height = ROW * rows.len().max(1) as u32 + 60;
    let left = x.start;
    draw(760, height, |canvas| {
        let mut chart = ChartBuilder::on(canvas)
            .margin(10)
            .x_label_area_size(38)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(x, 0.0..rows.len().max(1) as f64)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(MUTED)
            .x_labels(ticks)
            .y_labels(0)
            .x_desc(description)
            .x_label_formatter(label)
            .label_style(font(13, INK))
            .axis_desc_style(font(13, INK))
            .draw()?;
        for (row, text) in rows.iter().enumerate() {
            let y = rows.len() as f64 - row as f64 - 0.5;
            mark(&mut chart, row, y)?;
            let (column, line) = chart.backend_coord(&(left, y));
            let style = font(13, INK).pos(Pos::new(HPos::Right, VPos::Center));
            canvas.draw(&Text::new(shorten(text, 42), (column - 10, line), style))?;
        }
        Ok(())
    })
}

fn draw(width: u32, height: u32, paint: impl FnOnce(&Canvas<'_>) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    {
        let canvas = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        paint(&canvas)?;
        canvas.present()?;
    }
    Ok(themed(&svg))
}

/// Scales with the page and takes its colours.
fn themed(svg: &str) -> String {
    let mut text = svg.to_owned();
    for (RGBColor(r, g, b), name) in NAMES {
        text = text.replace(&format!("#{r:02X}{g:02X}{b:02X}"), &format!("var(--{name})"));
    }
    // The view box alone says how wide to high the plot is.
    match (text.find("width="), text.find("viewBox=")) {
        (Some(from), Some(to)) if from < to => format!("{}role=\"img\" {}", &text[..from], &text[to..]),
        _ => text,
    }
}

fn font(size: i32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}

/// Smallest and largest; 0 and 1 of nothing.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use beaa_runtime::ckks::{LayerError, Verdict};

    use super::*;

    fn metrics(phase: Phase, epoch: usize) -> EpochMetrics {
        EpochMetrics {
            phase,
            epoch,
            train_loss: 0.5 / epoch as f64,
            train_accuracy: 0.9,
            validation_loss: None,
            validation_accuracy: Some(0.95),
            learning_rate: 0.1,
            seconds: 1.0,
        }
    }

    fn sound(svg: &str) {
        assert!(svg.starts_with("<svg role=\"img\" viewBox="), "{}", &svg[..80.min(svg.len())]);
        assert!(svg.trim_end().ends_with("</svg>") && svg.contains("var(--"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(!svg.contains("#01FE"), "a colour without a name");
    }

    #[test]
    fn plots_of_a_usual_run() {
        let epochs = [metrics(Phase::Teacher, 1), metrics(Phase::Teacher, 2), metrics(Phase::Student, 1)];
        sound(&training(&epochs, Measure::Accuracy).unwrap());
        sound(&training(&epochs, Measure::Loss).unwrap());
        let sample = PolynomialSample {
            layer: "activation1".into(),
            element: 3,
            a: 0.1,
            b: 0.5,
            c: 0.2,
            min: -3.0,
            max: 4.0,
            histogram: vec![1, 5, 9, 2],
        };
        sound(&polynomial(&sample).unwrap());
        let layer = LayerError {
            layer: "conv1".into(),
            predicted: 1e-4,
            measured: 2e-4,
            largest: 0.0,
            bound: 5.0,
            largest_value: 3.0,
            verdict: Verdict::Holds,
        };
        let verification = Verification { layers: vec![layer], images: 3, agreeing: 3, holds: true };
        sound(&errors(&verification).unwrap());
        let time = LayerTime {
            layer: "conv1".into(),
            operation: "linear".into(),
            seconds: 0.25,
            ciphertexts: 3,
            operations: vec![],
        };
        sound(&times(&[time.clone(), time]).unwrap());
    }

    #[test]
    fn plots_of_nothing_are_still_plots() {
        sound(&training(&[], Measure::Accuracy).unwrap());
        sound(&training(&[metrics(Phase::Teacher, 1)], Measure::Loss).unwrap());
        sound(&errors(&Verification { layers: vec![], images: 0, agreeing: 0, holds: true }).unwrap());
        sound(&times(&[]).unwrap());
        let sample = PolynomialSample {
            layer: "a".into(),
            element: 0,
            a: 0.0,
            b: 0.0,
            c: 0.0,
            min: 2.0,
            max: 2.0,
            histogram: vec![],
        };
        sound(&polynomial(&sample).unwrap());
    }

    #[test]
    fn long_labels_are_cut() {
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("abcd", 4), "abcd");
    }
}
