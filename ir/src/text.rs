//! Text for people: numbers of bytes, tables in columns, and what may be a name.

/// A number of bytes: `960 B`, `12.3 MB`, `120 GB`.
pub fn bytes(count: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = count;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value < 100.0);
    format!("{value:.decimals$} {}", units[unit])
}

/// The side to which a column's cells lean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells in columns as wide as their widest cell, two spaces apart, a line each. Columns
/// beyond `align` lean left.
pub fn table<R: AsRef<[String]>>(rows: &[R], align: &[Align]) -> String {
    let rows = || rows.iter().map(AsRef::as_ref);
    let columns = rows().map(<[String]>::len).max().unwrap_or(0);
    let mut widths = vec![0; columns];
    for row in rows() {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
    }
    let mut text = String::new();
    for row in rows() {
        let cells = row.iter().zip(&widths).enumerate().map(|(c, (cell, &width))| match align.get(c) {
            Some(Align::Right) => format!("{cell:>width$}"),
            _ => format!("{cell:width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Whether this may name a layer, an experiment or a file of theirs: letters, digits, `.`, `_` and
/// `-`, at least one.
pub fn valid_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_figures_at_most_and_a_unit() {
        let cases = [(0.0, "0 B"), (999.0, "999 B"), (12_345.0, "12.3 kB"), (250e6, "250 MB"), (3e15, "3000 TB")];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["layer", "ms"], ["a", "12.5"]].map(|r| r.map(String::from));
        assert_eq!(table(&rows, &[Align::Left, Align::Right]), "layer    ms\na      12.5\n");
    }

    #[test]
    fn names_are_plain() {
        assert!(valid_name("conv-1_a.b"));
        assert!(!valid_name("") && !valid_name("a b") && !valid_name("ä") && !valid_name("a/b"));
    }
}
