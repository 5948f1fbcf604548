//! Packings as tables.

use super::Table;
use super::tables::short;
use crate::{PackingFigures, PackingMethod, PackingPoint};

const METHODS: [PackingMethod; 5] =
    [PackingMethod::Element, PackingMethod::Channel, PackingMethod::Block, PackingMethod::Auto, PackingMethod::Tfhe];

/// Lays out packings: one row for each number of images, then what each program is.
pub fn packing_tables(f: &PackingFigures) -> Vec<Table> {
    vec![times(f), programs(f)]
}

fn times(f: &PackingFigures) -> Table {
    let head = ["images", "element ms", "channel ms", "block ms", "auto ms", "tfhe ms", "auto is"];
    let mut table = Table::new("packings", head);
    let mut counts: Vec<usize> = f.points.iter().map(|p| p.images).collect();
    counts.sort_unstable();
    counts.dedup();
    for images in counts {
        let point = |method| f.of(method).find(|p| p.images == images);
        let ms = |p: &PackingPoint| format!("{} ({} each)", short(1e3 * p.seconds), short(p.milliseconds_per_image));
        let [element, channel, block, auto, tfhe] = METHODS.map(|m| point(m).map_or_else(|| "-".into(), ms));
        let is = point(PackingMethod::Auto).map_or_else(|| "-".into(), packing);
        table.push([images.to_string(), element, channel, block, auto, tfhe, is]);
    }
    table
}

fn packing(p: &PackingPoint) -> String {
    if p.positions == 1 { "element".into() } else { format!("block:{}", p.positions) }
}

/// One row for each program: those of `element`, `channel` and `tfhe` are the same for any images.
fn programs(f: &PackingFigures) -> Table {
    let head = ["packing", "images", "N", "rotations", "key MB", "sent MB", "answered MB", "prepared ms"];
    let mut table = Table::new("packing programs", head);
    for method in METHODS.into_iter().filter(|m| *m != PackingMethod::Auto) {
        let most = if method == PackingMethod::Block { usize::MAX } else { 1 };
        for p in f.of(method).take(most) {
            let [key, sent, answered] =
                [p.key_bytes, p.input_bytes, p.output_bytes].map(|bytes| format!("{:.2}", bytes as f64 / 1e6));
            let name = if method == PackingMethod::Block { packing(p) } else { method.to_string() };
            let [images, degree, rotations] = [p.images, p.degree, p.rotations].map(|n| n.to_string());
            table.push([name, images, degree, rotations, key, sent, answered, short(1e3 * p.prepare_seconds)]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packings::tests::example;

    #[test]
    fn every_point_has_its_cell() {
        let tables = packing_tables(&example());
        assert_eq!(tables[0].rows.len(), 5);
        assert_eq!(tables[0].rows[4][1..3], ["1000 (0.2441 each)".to_owned(), "512000 (125 each)".to_owned()]);
        assert_eq!(tables[0].rows[1][3], "-", "block was not measured");
        let names: Vec<&str> = tables[1].rows.iter().map(|r| r[0].as_str()).collect();
        assert_eq!(names, ["packing", "element", "channel", "tfhe"]);
    }
}
