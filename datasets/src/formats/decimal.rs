//! Decimal numbers in text, exactly as the standard library reads them: short ones, which files of
//! pixels are full of, several times as fast.

/// More digits may not be a whole number in double precision.
const MOST_DIGITS: usize = 15;
/// The powers of ten that are exact in double precision.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Whether a byte stands between numbers.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The number that `text` starts with, if it is one of six decimals, and what follows it from
/// `separator` or the end of the line on.
#[inline]
pub(crate) fn leading_six_decimals(text: &[u8], separator: u8) -> Option<(f64, &[u8])> {
    let (number, after) = text.split_first_chunk::<8>()?;
    match after {
        [byte, ..] if *byte == separator || *byte == b'\n' => Some((six_decimals(*number)?, after)),
        _ => None,
    }
}

/// The number that all of `text` is, if it is one; not finite as well.
pub(crate) fn number(text: &[u8]) -> Option<f64> {
    match leading_decimal(text, b'.') {
        Some((number, [])) => Some(number),
        _ => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// The number that `text` starts with, and what follows it: at most fifteen digits and a power of
/// ten, both exact in double precision, so that their product or quotient is rounded once, as it
/// should be (Clinger 1990). None for all other numbers, and where there is none.
#[inline]
pub(crate) fn leading_decimal(text: &[u8], point: u8) -> Option<(f64, &[u8])> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (mut whole, mut count, mut point_at, mut length) = (0_u64, 0, None, 0);
    for &byte in digits {
        match byte {
            b'0'..=b'9' if count == MOST_DIGITS => return None,
            b'0'..=b'9' => {
                whole = 10 * whole + u64::from(byte - b'0');
                count += 1;
            }
            _ if byte == point && point_at.is_none() => point_at = Some(count),
            _ => break,
        }
        length += 1;
    }
    if count == 0 {
        return None;
    }
    let decimals = point_at.map_or(0, |before| count - before);
    let after = &digits[length..];
    let (magnitude, after) = match after {
        [b'e' | b'E', exponent @ ..] => {
            let (exponent, after) = leading_exponent(exponent)?;
            (times_power(whole, exponent - decimals as i32)?, after)
        }
        _ => (whole as f64 / POWERS[decimals], after),
    };
    Some((if negative { -magnitude } else { magnitude }, after))
}

/// An exponent of one or two digits, and what follows it.
fn leading_exponent(text: &[u8]) -> Option<(i32, &[u8])> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > 2 {
        return None;
    }
    let exponent = digits[..length].iter().fold(0, |all, byte| 10 * all + i32::from(byte - b'0'));
    Some((if negative { -exponent } else { exponent }, &digits[length..]))
}

/// A whole number below 10^15 times a power of ten, if that is exact.
fn times_power(whole: u64, exponent: i32) -> Option<f64> {
    let power = *POWERS.get(exponent.unsigned_abs() as usize)?;
    Some(if exponent < 0 { whole as f64 / power } else { whole as f64 * power })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bits as the standard library, which rounds right.
    fn check(text: &str) {
        let expected = text.parse::<f64>().ok();
        assert_eq!(number(text.as_bytes()).map(f64::to_bits), expected.map(f64::to_bits), "{text:?}");
        for line in [format!("{text} 1"), format!("{text};1"), format!("{text}\n1")] {
            let separator = line.as_bytes()[text.len()];
            let found = [leading_six_decimals(line.as_bytes(), separator), leading_decimal(line.as_bytes(), b'.')];
            for (found, after) in found.into_iter().flatten().filter(|f| f.1.len() == 2) {
                assert_eq!((Some(found.to_bits()), after[0]), (expected.map(f64::to_bits), separator), "{text:?}");
            }
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
            "-1.23456789e-01",
            "4.5E+2",
            "123456789012345e22",
            "1e23",
            "1.5e-21",
            "1.5e-22",
            "9.99999999999999e307",
            "1e-320",
            "3e007",
            "0e99",
            "2e",
            "2e+",
            "2e1.5",
            "2e--1",
            "e5",
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
            let (found, _) = leading_six_decimals(format!("{text}\n").as_bytes(), b' ').unwrap();
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
