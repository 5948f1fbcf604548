//! Mutations of bytes of which nothing is known: bits, borders, cuts, repeats, splices, and numbers
//! in decimal digits, as headers in text have them.

use crate::random::Choices;

/// Inputs do not grow beyond this by mutation.
const LARGEST: usize = 1 << 20;

/// Changes `bytes` once. `other` is another file of the same kind, from which parts may come.
pub(crate) fn change(bytes: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    match choices.below(12) {
        0 | 1 => flip_bit(bytes, choices),
        2 => set_byte(bytes, choices),
        3 | 4 => set_number(bytes, choices),
        5 => bytes.truncate(choices.below(bytes.len())),
        6 => {
            let part = part(bytes.len(), choices);
            bytes.drain(part);
        }
        7 => repeat(bytes, choices),
        8 => {
            let part = part(bytes.len(), choices);
            let filler = *choices.pick(&[0, 0xff, b' ', b'9']);
            bytes[part].fill(filler);
        }
        9 => splice(bytes, other, choices),
        10 => {
            let more = 1 + choices.below(64);
            bytes.extend((0..more).map(|_| choices.bits() as u8));
        }
        _ => set_digits(bytes, choices),
    }
    bytes.truncate(LARGEST);
}

/// Flips one bit, if there is one.
pub(crate) fn flip_bit(bytes: &mut [u8], choices: &mut Choices) {
    let at = choices.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << choices.below(8);
    }
}

fn set_byte(bytes: &mut [u8], choices: &mut Choices) {
    let at = choices.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte = choices.number(u64::from(*byte)) as u8;
    }
}

/// Overwrites 2, 4 or 8 bytes by a number, in either order.
fn set_number(bytes: &mut [u8], choices: &mut Choices) {
    let width = *choices.pick(&[2, 4, 8]);
    if bytes.len() < width {
        return;
    }
    let at = choices.below(bytes.len() - width + 1);
    let large = choices.one_in(2);
    let old = bytes[at..at + width].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    let mut new = choices.number(old).to_le_bytes();
    new[..width].reverse();
    if !large {
        new[..width].reverse();
    }
    bytes[at..at + width].copy_from_slice(&new[..width]);
}

/// Replaces a run of decimal digits by another number.
fn set_digits(bytes: &mut Vec<u8>, choices: &mut Choices) {
    let starts: Vec<usize> = (0..bytes.len())
        .filter(|&i| bytes[i].is_ascii_digit() && (i == 0 || !bytes[i - 1].is_ascii_digit()))
        .take(1 << 12)
        .collect();
    if starts.is_empty() {
        return;
    }
    let start = *choices.pick(&starts);
    let length = bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    let old = bytes[start..start + length].iter().fold(0_u64, |n, b| {
        let digit = u64::from(b - b'0');
        n.wrapping_mul(10).wrapping_add(digit)
    });
    let new = match choices.below(8) {
        0 => "1e999".to_owned(),
        1 => "-1".to_owned(),
        2 => "0.5".to_owned(),
        3 => format!("{}0", u64::MAX),
        _ => choices.number(old).to_string(),
    };
    bytes.splice(start..start + length, new.bytes());
}

fn repeat(bytes: &mut Vec<u8>, choices: &mut Choices) {
    let from = part(bytes.len(), choices);
    let copy = bytes[from.clone()].to_vec();
    let times = *choices.pick(&[1, 1, 2, 17]);
    let at = from.end;
    bytes.splice(at..at, copy.iter().copied().cycle().take(copy.len() * times));
}

fn splice(bytes: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    let (to, from) = (part(bytes.len(), choices), part(other.len(), choices));
    bytes.splice(to, other[from].iter().copied());
}

/// A range within `length`: more often short than long.
fn part(length: usize, choices: &mut Choices) -> std::ops::Range<usize> {
    let start = choices.below(length);
    let most = *choices.pick(&[1, 4, 8, 64, 1 << 20]);
    start..(start + choices.below(most.min(length - start) + 1)).min(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_works_on_every_length() {
        for length in 0..40 {
            for number in 0..200 {
                let choices = &mut Choices::new(1, "bytes", number);
                let mut bytes: Vec<u8> = (0..length).map(|i| b'0' + i).collect();
                change(&mut bytes, b"other", choices);
                change(&mut bytes, b"", choices);
            }
        }
    }
}
