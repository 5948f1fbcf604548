//! Decimal numbers in text, exactly as the standard library reads them: short ones, which files of
//! pixels are full of, several times as fast.

/// More digits may not be a whole number in double precision.
const MOST_DIGITS: usize = 15;
/// Powers of ten, exact in double precision.
const POWERS: [f64; MOST_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Whether a byte stands between numbers.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The number that `text` starts with, if it is one of six decimals, and what follows it after a
/// blank or at the end of the line.
#[inline]
pub(crate) fn leading_six_decimals(text: &[u8]) -> Option<(f64, &[u8])> {
    let (number, after) = text.split_first_chunk::<8>()?;
    match after {
        [b' ', rest @ ..] => Some((six_decimals(*number)?, rest)),
        [b'\n', ..] => Some((six_decimals(*number)?, after)),
        _ => None,
    }
}

/// The number that all of `text` is, if it is one; not finite as well.
pub(crate) fn number(text: &[u8]) -> Option<f64> {
    short_decimal(text).or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

/// A digit, a point and six digits, as `%.6f` writes numbers below ten, all eight at once.
#[inline]
fn six_decimals(text: [u8; 8]) -> Option<f64> {
    const POINT: u64 = 0xff00;
    let zeros = u64::from_le_bytes(*b"0.000000");
    let digits = u64::from_le_bytes(text) ^ zeros;
    // A byte above nine reaches the highest bit.
    let above_nine = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    if above_nine | (digits & POINT) != 0 {
        return None;
    }
    // Eight digits, the first of them 0; then pairs of them, fours, and all.
    let digits = (digits & 0xff) << 8 | digits & !0xffff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let upper = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let lower = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    let whole = upper.wrapping_add(lower) >> 32;
    // Both are exact, so the quotient is the nearest number there is.
    Some(whole as f64 / 1e6)
}

/// A number of at most fifteen digits without exponent: a whole number over a power of ten, both
/// exact, so that their quotient is rounded once, as it should be (Clinger 1990).
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (mut whole, mut count, mut point) = (0_u64, 0, None);
    for &byte in digits {
        match byte {
            b'0'..=b'9' if count < MOST_DIGITS => {
                whole = 10 * whole + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if point.is_none() => point = Some(count),
            _ => return None,
        }
    }
    if count == 0 {
        return None;
    }
    let magnitude = whole as f64 / POWERS[count - point.unwrap_or(count)];
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bits as the standard library, which rounds right.
    fn check(text: &str) {
        let expected = text.parse::<f64>().ok();
        assert_eq!(number(text.as_bytes()).map(f64::to_bits), expected.map(f64::to_bits), "{text:?}");
        let line = format!("{text} 1");
        if let Some((found, after)) = leading_six_decimals(line.as_bytes()) {
            assert_eq!((Some(found.to_bits()), after), (expected.map(f64::to_bits), &b"1"[..]), "{text:?}");
        }
    }

    #[test]
    fn numbers_are_those_of_the_standard_library() {
        for text in [
            "0",
            "-0",
            "7",
            "255",
            "0.5",
            ".5",
            "5.",
            "-1.25",
            "+3",
            "1e-3",
            "123456789012345",
            "1234567890123456",
            "0.000001",
            "9.999999",
            "0.1234567",
            "0.12345",
            "00.50",
            "inf",
            "-inf",
            "1e400",
            "4.35",
            "0.3",
            "12345678.1234567",
            "1.0000000000000000001",
            "9007199254740993",
            "x",
            ".",
            "-",
            "--1",
            "1..2",
            "1.2.3",
            "0,5",
            "0.5000a",
            "0/000000",
            "0:000000",
            "0.00000\u{ff}",
            "1_0",
            "0x10",
        ] {
            check(text);
        }
    }

    #[test]
    fn all_numbers_of_six_decimals_are_right() {
        for whole in (0..10_000_000_u32).step_by(97).chain([9_999_999]) {
            let text = format!("{:.6}", f64::from(whole) / 1e6);
            check(&text);
        }
        for pixel in 0..=255_u8 {
            let text = format!("{:.6}", f64::from(pixel) / 255.0);
            let (found, _) = leading_six_decimals(format!("{text}\n").as_bytes()).unwrap();
            assert_eq!((found * 255.0).round() as u8, pixel);
        }
    }

    #[test]
    fn every_byte_in_every_position_is_seen() {
        for position in 0..8 {
            for byte in 0..=255_u8 {
                let mut text = *b"0.123456";
                text[position] = byte;
                let expected = std::str::from_utf8(&text).ok().and_then(|t| t.parse::<f64>().ok());
                let quick = six_decimals(text);
                assert!(quick.is_none() || quick == expected, "{text:?}: {quick:?}");
                assert_eq!(number(&text), expected, "{text:?}");
            }
        }
    }
}
