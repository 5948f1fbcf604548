//! Sizes of memory as people write them.

/// Units and their bytes; longer names first, so that none is taken for the end of another.
const UNITS: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
    ("", 1),
];

/// `8GiB`, `1.5 GB`, `4096`.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let refused = || format!("found `{text}`, expected a size like 8GiB, 1.5GB or 500MB");
    let ends_in = |unit: &str| text.len() >= unit.len() && text[text.len() - unit.len()..].eq_ignore_ascii_case(unit);
    let known =
        UNITS.iter().find(|(unit, _)| text.is_char_boundary(text.len().saturating_sub(unit.len())) && ends_in(unit));
    let (unit, bytes) = known.ok_or_else(refused)?;
    let number: f64 = text[..text.len() - unit.len()].trim().parse().map_err(|_| refused())?;
    let size = number * *bytes as f64;
    if size.is_finite() && size >= 1.0 && size < 2_f64.powi(62) { Ok(size as u64) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("8GiB", 8 << 30),
            ("8 gib", 8 << 30),
            ("1.5GB", 1_500_000_000),
            ("500MB", 500_000_000),
            ("64kB", 64_000),
            ("4096", 4096),
            ("12B", 12),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "GiB", "eight GiB", "-1GB", "0", "nan", "inf GB", "1e300TB", "8G", "8\u{e9}B"] {
            assert!(parse(text).unwrap_err().contains("expected a size"), "{text}");
        }
    }
}
