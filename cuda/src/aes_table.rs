//! What the kernels need of AES-256 (FIPS 197): its table, and the round keys of a seed. Seeds are
//! public; nothing here depends on a secret.

/// Words of 32 bits of a key.
const KEY: usize = 8;
/// Words of all round keys.
const ROUND_KEYS: usize = 60;

/// The words that `kernels/unpack.cu` reads: 256 of the table, and the round keys. Bytes of words
/// are little-endian.
pub(crate) fn words(seed: &[u8; 32]) -> Vec<u32> {
    let substitutes = substitutes();
    let mut words: Vec<u32> = substitutes.iter().map(|&s| u32::from_le_bytes([twice(s), s, s, twice(s) ^ s])).collect();
    words.extend(round_keys(&substitutes, seed));
    words
}

/// The product with x in the field of 256 elements.
fn twice(a: u8) -> u8 {
    a << 1 ^ if a & 0x80 == 0 { 0 } else { 0x1b }
}

/// What each byte is substituted by: its inverse, and then an affine map of its bits.
fn substitutes() -> [u8; 256] {
    let mut table = [0; 256];
    // x + 1 generates all elements but zero, and x + 1 to the power of -1 their inverses.
    let (mut element, mut inverse) = (1_u8, 1_u8);
    loop {
        let spread = (1..=4).fold(inverse, |sum, by| sum ^ inverse.rotate_left(by));
        table[usize::from(element)] = spread ^ 0x63;
        element ^= twice(element);
        // Division by x + 1.
        inverse ^= inverse << 1;
        inverse ^= inverse << 2;
        inverse ^= inverse << 4;
        inverse ^= if inverse & 0x80 == 0 { 0 } else { 0x09 };
        if element == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
}

fn round_keys(substitutes: &[u8; 256], seed: &[u8; 32]) -> [u32; ROUND_KEYS] {
    let substituted = |word: u32| u32::from_le_bytes(word.to_le_bytes().map(|b| substitutes[usize::from(b)]));
    let mut words = [0; ROUND_KEYS];
    for (word, bytes) in words.iter_mut().zip(seed.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    let mut constant = 1;
    for i in KEY..ROUND_KEYS {
        let last = words[i - 1];
        let changed = match i % KEY {
            0 => {
                let changed = substituted(last.rotate_right(8)) ^ u32::from(constant);
                constant = twice(constant);
                changed
            }
            4 => substituted(last),
            _ => last,
        };
        words[i] = words[i - KEY] ^ changed;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197, figure 7 and appendix A.3.
    #[test]
    fn substitutes_and_round_keys_are_those_of_the_standard() {
        let table = substitutes();
        assert_eq!((table[0x00], table[0x01], table[0x53], table[0xff]), (0x63, 0x7c, 0xed, 0x16));
        let mut sorted = table;
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(i, &s)| i == usize::from(s)), "every byte once");
        let key: [u8; 32] = [
            0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35,
            0x2c, 0x07, 0x3b, 0x61, 0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4,
        ];
        let keys = round_keys(&table, &key);
        let at = |i: usize| u32::from_be_bytes(keys[i].to_le_bytes());
        assert_eq!((at(8), at(12), at(59)), (0x9ba3_5411, 0xa8b0_9c1a, 0x706c_631e));
    }
}
