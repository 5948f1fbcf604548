//! Numbers and articles in sentences: `1 image`, `2 images`, `an evaluation key`.

/// `1 image`, `2 images`: the count with the noun, which is given in the singular.
pub fn count(number: usize, noun: &str) -> String {
    let noun = if number == 1 { noun.to_owned() } else { plural(noun) };
    format!("{number} {noun}")
}

/// The plural of a noun, or of the last word of several.
fn plural(noun: &str) -> String {
    let vowel_before = |end: char| noun.trim_end_matches(end).ends_with(['a', 'e', 'i', 'o', 'u']);
    match noun {
        _ if noun.ends_with('y') && !vowel_before('y') => format!("{}ies", noun.trim_end_matches('y')),
        _ if noun.ends_with("ix") => format!("{}ices", noun.trim_end_matches("ix")),
        // An epoch ends like an arch, and a batch like a branch.
        _ if ["s", "x", "tch", "nch", "sh"].iter().any(|end| noun.ends_with(end)) => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// `a signature`, `an evaluation key`: the words with the article before them.
pub fn article(words: &str) -> String {
    // As it is spoken: none of our nouns begins with a silent h or a long u.
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O']) { "an" } else { "a" };
    format!("{article} {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_all_else_plural() {
        for (number, noun, text) in [
            (1, "image", "1 image"),
            (0, "image", "0 images"),
            (2, "evaluation key", "2 evaluation keys"),
            (2, "class", "2 classes"),
            (3, "entry", "3 entries"),
            (2, "array", "2 arrays"),
            (2, "matrix", "2 matrices"),
            (2, "batch", "2 batches"),
            (2, "branch", "2 branches"),
            (2, "epoch", "2 epochs"),
            (40, "training image", "40 training images"),
        ] {
            assert_eq!(count(number, noun), text);
        }
    }

    #[test]
    fn vowels_take_an() {
        assert_eq!(article("evaluation key"), "an evaluation key");
        assert_eq!(article("tfhe evaluation key"), "a tfhe evaluation key");
        assert_eq!(article("ONNX file"), "an ONNX file");
    }
}
