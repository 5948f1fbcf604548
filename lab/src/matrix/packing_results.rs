//! What is written of the packings of a matrix.

use anyhow::Result;
use beaa_bench::{PackingFigures, packing_plot};

use super::headline::{differences, network, packing_text, savings};
use super::headline_plot::{Panel, bars};
use super::packing_runs::PackingRow;
use super::packing_study::PackingStudy;
use super::results::Rows;
use super::table::Summary;

/// `packings.jsonl` of an output folder.
pub type PackingResults = Rows<PackingRow>;

/// Everything about the packings of a study, by file name: text and plots. `rows` of other runs
/// are left out; without any there is nothing.
///
/// # Errors
/// If a plot cannot be drawn.
pub fn packing_outputs(
    study: &PackingStudy,
    rows: &[PackingRow],
    summary: &Summary,
) -> Result<Vec<(&'static str, String)>> {
    let rows: Vec<&PackingRow> = study.keys.iter().filter_map(|key| rows.iter().find(|row| row.key == *key)).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut files = vec![("packings.md", packing_text(study, &rows))];
    let named = |row: &&PackingRow| PackingFigures { name: network(row), ..row.figures.clone() };
    files.push(("packings.svg", packing_plot(&rows.iter().map(named).collect::<Vec<_>>())?));
    let time = study.claimed.map(|claimed| Panel {
        title: format!(
            "Time for each of {} images: one image in each ciphertext, in times of one element in each",
            claimed.images
        ),
        bars: savings(claimed, &rows),
        digits: 0,
    });
    let accuracy = differences(summary).into_iter().map(|(title, bars)| {
        let title = format!("Points of accuracy: {title} (mean and range over the seeds)");
        Panel { title, bars, digits: 2 }
    });
    let panels: Vec<Panel> = time.into_iter().chain(accuracy).collect();
    files.extend(bars(&panels)?.map(|svg| ("headline.svg", svg)));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use beaa_bench::{PackingMethod, PackingPoint};

    use super::super::table::{summarise, tests::example};
    use super::*;
    use crate::matrix::ClaimedSaving;

    fn row(key: &str) -> PackingRow {
        let point = |method, images: usize, seconds: f64| PackingPoint {
            method,
            images,
            degree: 4096,
            positions: 1,
            batches: 1,
            rotations: 0,
            seconds,
            milliseconds_per_image: 1e3 * seconds / images as f64,
            prepare_seconds: 0.0,
            key_bytes: 0,
            input_bytes: 0,
            output_bytes: 0,
        };
        let points = [1, 4096].into_iter().flat_map(|images| {
            let each = 0.01 * images as f64;
            [(PackingMethod::Element, 0.1), (PackingMethod::Channel, each), (PackingMethod::Auto, each.min(0.1))]
                .map(|(method, seconds)| point(method, images, seconds))
        });
        let figures = PackingFigures { name: "n".into(), points: points.collect() };
        let labels = BTreeMap::from([("network".to_owned(), "small".to_owned()), ("seed".to_owned(), "1".to_owned())]);
        PackingRow { key: key.into(), labels, version: "0".into(), figures }
    }

    #[test]
    fn what_is_stated_stands_beside_what_was_measured() {
        let (matrix, rows) = example();
        let summary = summarise(&matrix, &rows.iter().collect::<Vec<_>>());
        let claimed = Some(ClaimedSaving { images: 4096, saved: 0.995 });
        let study = PackingStudy { keys: vec!["b".into()], images: vec![1, 4096], tfhe: false, claimed };
        assert!(packing_outputs(&study, &[row("a")], &summary).unwrap().is_empty(), "not of this study");
        let files = packing_outputs(&study, &[row("a"), row("b")], &summary).unwrap();
        let names: Vec<&str> = files.iter().map(|f| f.0).collect();
        assert_eq!(names, ["packings.md", "packings.svg", "headline.svg"]);
        let text = &files[0].1;
        assert_eq!(text.matches("### small").count(), 1);
        assert!(text.contains("99.76 % less time for each than channel; stated elsewhere: 99.50 %."), "{text}");
        assert!(text.contains("element takes no longer than channel from 4096 images on."), "{text}");
        assert!(text.contains("auto packs one element into each ciphertext for any of these."), "{text}");
        assert!(files[1].1.contains("small: images together"), "{}", files[1].1);
        assert!(files[2].1.contains("410") && files[2].1.contains("200"), "{}", files[2].1);
    }
}
