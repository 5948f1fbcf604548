//! The sweeps as small SVG plots, readable on light and dark pages; each file is complete in
//! itself.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::{BackendFigures, BackendPoint, Error, PackingFigures, PackingMethod, PackingPoint, Result, SweepFigures};

/// Readable on white and on black.
const INK: RGBColor = RGBColor(120, 120, 120);
const GRID: RGBColor = RGBColor(190, 190, 190);
const FIRST: RGBColor = RGBColor(31, 119, 180);
const SECOND: RGBColor = RGBColor(214, 96, 39);
const THIRD: RGBColor = RGBColor(44, 140, 60);

const WIDTH: u32 = 560;
const HEIGHT: u32 = 320;

type Points = Vec<(f64, f64)>;

/// A curve with its colour, and whether it is drawn dashed.
struct Curve {
    points: Points,
    colour: RGBColor,
    dashed: bool,
}

/// Draws every plot that the figures allow: file name and SVG of each.
///
/// # Errors
///
/// If the plotting library fails.
pub fn plots(s: &SweepFigures) -> Result<Vec<(&'static str, String)>> {
    let mut all = Vec::new();
    let solid = |points: Points| Curve { points, colour: FIRST, dashed: false };
    if s.batch.len() > 1 {
        let points = s.batch.iter().map(|p| ((p.images as f64).log2(), p.milliseconds_per_image.log10())).collect();
        let labels = Labels {
            x: "images sent in one batch",
            y: "ms per image",
            xf: &|v| format!("{:.0}", v.exp2()),
            yf: &power,
        };
        all.push(("performance-batch.svg", draw("performance-batch.svg", &[solid(points)], &labels)?));
    }
    if s.depth.len() > 1 {
        let points = s.depth.iter().map(|p| (p.squares as f64, p.milliseconds_per_image)).collect();
        let yf = |v: &f64| format!("{v:.2}");
        let labels = Labels { x: "quadratic activations", y: "ms per image", xf: &|v| format!("{v:.0}"), yf: &yf };
        all.push(("performance-depth.svg", draw("performance-depth.svg", &[solid(points)], &labels)?));
    }
    if s.sparsity.len() > 1 {
        let points = s.sparsity.iter().map(|p| (100.0 * p.products_left, 100.0 * p.time_left)).collect();
        let ideal = Curve { points: vec![(0.0, 0.0), (100.0, 100.0)], colour: SECOND, dashed: true };
        let percent = |v: &f64| format!("{v:.0} %");
        let labels = Labels { x: "products left", y: "linear time left", xf: &percent, yf: &percent };
        all.push(("performance-sparsity.svg", draw("performance-sparsity.svg", &[ideal, solid(points)], &labels)?));
    }
    Ok(all)
}

/// Draws the seconds until all images are answered, and the bytes to and fro, against how many
/// images wait: one colour for each backend, dashed where a figure is a multiple of one image's.
/// Returns file name and SVG of each.
///
/// # Errors
///
/// If the plotting library fails.
pub fn backend_plots(f: &BackendFigures) -> Result<Vec<(&'static str, String)>> {
    if f.points.len() < 2 {
        return Ok(Vec::new());
    }
    let plot = |name, y, ckks: fn(&BackendPoint) -> f64, tfhe: fn(&BackendPoint) -> f64| {
        let points =
            |of: fn(&BackendPoint) -> f64| f.points.iter().map(|p| ((p.images as f64).log2(), of(p).log10())).collect();
        let curves = [
            Curve { points: points(tfhe), colour: SECOND, dashed: true },
            Curve { points: points(ckks), colour: FIRST, dashed: false },
        ];
        let labels = Labels { x: "images that wait", y, xf: &|v| format!("{:.0}", v.exp2()), yf: &power };
        Ok::<_, Error>((name, draw(name, &curves, &labels)?))
    };
    Ok(vec![
        plot("performance-backends.svg", "s until all are answered", |p| p.ckks, |p| p.tfhe)?,
        plot(
            "performance-backend-bytes.svg",
            "MB sent and sent back",
            |p| p.ckks_bytes as f64 / 1e6,
            |p| p.tfhe_bytes as f64 / 1e6,
        )?,
    ])
}

/// Draws the milliseconds for each image against the images that are answered together, one panel
/// for each network and one curve for each packing.
///
/// # Errors
///
/// If the plotting library fails.
pub fn packing_plot(networks: &[PackingFigures]) -> Result<String> {
    const NAME: &str = "packings.svg";
    let failed = |cause: String| Error::Plot { plot: NAME, cause };
    let mut svg = String::new();
    {
        let height = HEIGHT * networks.len().max(1) as u32;
        let canvas = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        for (panel, figures) in canvas.split_evenly((networks.len().max(1), 1)).iter().zip(networks) {
            let x = format!("{}: images together (blue element, orange channel, green tfhe, grey auto)", figures.name);
            let labels = Labels { x: &x, y: "ms per image", xf: &|v| format!("{:.0}", v.exp2()), yf: &power };
            chart(panel, &packing_curves(figures), &labels).map_err(failed)?;
        }
        canvas.present().map_err(|e| failed(e.to_string()))?;
    }
    Ok(svg)
}

fn packing_curves(figures: &PackingFigures) -> Vec<Curve> {
    let curve = |(method, colour, dashed)| {
        let point = |p: &PackingPoint| ((p.images as f64).log2(), p.milliseconds_per_image.log10());
        Curve { points: figures.of(method).map(point).collect(), colour, dashed }
    };
    let methods = [
        (PackingMethod::Element, FIRST, true),
        (PackingMethod::Channel, SECOND, true),
        (PackingMethod::Tfhe, THIRD, true),
        (PackingMethod::Auto, INK, false),
    ];
    methods.map(curve).into_iter().filter(|c| !c.points.is_empty()).collect()
}

fn power(v: &f64) -> String {
    let value = 10_f64.powf(*v);
    if value >= 1.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

struct Labels<'a> {
    x: &'a str,
    y: &'a str,
    xf: &'a dyn Fn(&f64) -> String,
    yf: &'a dyn Fn(&f64) -> String,
}

fn draw(name: &'static str, curves: &[Curve], labels: &Labels<'_>) -> Result<String> {
    let failed = |cause: String| Error::Plot { plot: name, cause };
    let mut svg = String::new();
    paint(&mut svg, curves, labels).map_err(failed)?;
    Ok(svg)
}

fn paint(svg: &mut String, curves: &[Curve], labels: &Labels<'_>) -> std::result::Result<(), String> {
    let canvas = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    chart(&canvas, curves, labels)?;
    canvas.present().map_err(|e| e.to_string())
}

fn chart(
    canvas: &DrawingArea<SVGBackend<'_>, Shift>,
    curves: &[Curve],
    labels: &Labels<'_>,
) -> std::result::Result<(), String> {
    let all = || curves.iter().flat_map(|c| &c.points);
    let span = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = all().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low < high { (low, high) } else { (low - 1.0, low + 1.0) }
    };
    let ((x0, x1), (y0, y1)) = (span(|p| p.0), span(|p| p.1));
    let y0 = if y0 > 0.0 { 0.0 } else { y0 - 0.05 * (y1 - y0) };
    let style = |size: i32| ("sans-serif", size).into_font().color(&INK);
    let mut chart = ChartBuilder::on(canvas)
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(x0..x1, y0..y1 + 0.05 * (y1 - y0))
        .map_err(|e| e.to_string())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(8)
        .y_labels(6)
        .x_desc(labels.x)
        .y_desc(labels.y)
        .x_label_formatter(&labels.xf)
        .y_label_formatter(&labels.yf)
        .label_style(style(13))
        .axis_desc_style(style(13))
        .draw()
        .map_err(|e| e.to_string())?;
    for curve in curves {
        let line = curve.colour.stroke_width(2);
        let drawn = if curve.dashed {
            chart.draw_series(DashedLineSeries::new(curve.points.clone(), 5, 5, line)).map(drop)
        } else {
            chart.draw_series(LineSeries::new(curve.points.clone(), line)).map(drop)
        };
        drawn.map_err(|e| e.to_string())?;
        if !curve.dashed {
            let marks = curve.points.iter().map(|p| Circle::new(*p, 4, curve.colour.filled()));
            chart.draw_series(marks).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{BatchPoint, DepthPoint, SparsityPoint};

    #[test]
    fn plots_are_whole_and_finite() {
        let batch = |images: usize| BatchPoint { images, seconds: 1.0, milliseconds_per_image: 1e3 / images as f64 };
        let depth = |squares: usize| DepthPoint {
            squares,
            degree: 8192,
            limbs: 3,
            log_qp: 100.0,
            seconds: 1.0,
            milliseconds_per_image: squares as f64,
        };
        let sparsity = |left: f64| SparsityPoint {
            sparsity: 1.0 - left,
            products: 1,
            linear_seconds: left,
            products_left: left,
            time_left: left,
            seconds: 1.0,
        };
        let figures = SweepFigures {
            batch: vec![batch(1), batch(64), batch(8192)],
            depth: vec![depth(1), depth(2)],
            ring: vec![],
            sparsity: vec![sparsity(1.0), sparsity(0.1)],
        };
        let all = plots(&figures).unwrap();
        assert_eq!(all.len(), 3);
        for (name, svg) in all {
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{name}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
        }
        let packings = crate::packings::tests::example();
        let svg = packing_plot(&[packings.clone(), packings]).unwrap();
        assert!(svg.starts_with("<svg") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("images together").count(), 2);
        let none = SweepFigures { batch: vec![], depth: vec![], ring: vec![], sparsity: vec![] };
        assert!(plots(&none).unwrap().is_empty());
    }
}
