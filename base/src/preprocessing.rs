//! What is done to a picture of a known size before a network sees it: steps that cut out, frame
//! and resize. They are data, the same in the description of a data set, in a model and in the
//! signature of a program, so that training, evaluation and encryption treat pictures alike.

use serde::{Deserialize, Serialize};

/// Sides of pictures, before and after every step, are no longer.
pub const LARGEST_SIDE: usize = 1 << 14;
/// Nobody needs more steps.
const MOST_STEPS: usize = 16;

/// One step; all channels are treated alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PreprocessingStep {
    /// Keeps a window: `{"crop": {"top": 3, "left": 3, "height": 22, "width": 22}}`.
    Crop(Window),
    /// Adds pixels around: `{"pad": {"top": 2, "left": 2, "bottom": 2, "right": 2, "value": 0}}`.
    Pad(Border),
    /// Stretches with a triangle filter: `{"resize": {"height": 14, "width": 14}}`.
    Resize(Size),
}

/// The part of a picture that is kept, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Rows above it.
    pub top: usize,
    /// Columns to the left of it.
    pub left: usize,
    /// Its rows.
    pub height: usize,
    /// Its columns.
    pub width: usize,
}

/// Pixels that are added around a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Border {
    /// Rows above.
    #[serde(default)]
    pub top: usize,
    /// Columns to the left.
    #[serde(default)]
    pub left: usize,
    /// Rows below.
    #[serde(default)]
    pub bottom: usize,
    /// Columns to the right.
    #[serde(default)]
    pub right: usize,
    /// Their pixels, 0 (black) to 255.
    pub value: u8,
}

/// The size that a picture is stretched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Steps that fit the pictures they are for, one after the other. Immutable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PreprocessingLiteral", into = "PreprocessingLiteral")]
pub struct Preprocessing {
    from: [usize; 3],
    steps: Vec<PreprocessingStep>,
    /// Height and width before the first step and after each.
    sizes: Vec<[usize; 2]>,
}

/// As it lies in a file, not yet checked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreprocessingLiteral {
    /// Channels, height, width of the pictures as they come.
    from: [usize; 3],
    steps: Vec<PreprocessingStep>,
}

/// A step that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("preprocessing pictures, {step}: found {found}, expected {expected}; correct \"preprocess\"")]
pub struct PreprocessingError {
    /// Which one, and what it is: `step 0 (crop)`.
    pub step: String,
    /// What it says.
    pub found: String,
    /// What it may say.
    pub expected: String,
}

impl PreprocessingStep {
    /// Its name in a description.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Crop(_) => "crop",
            Self::Pad(_) => "pad",
            Self::Resize(_) => "resize",
        }
    }

    /// Height and width after this step, or what it says that does not fit and what would.
    fn size_after(&self, [height, width]: [usize; 2]) -> Result<[usize; 2], (String, String)> {
        let sides = format!("sides of 1 to {LARGEST_SIDE}");
        let after = match *self {
            Self::Crop(Window { top, left, height: h, width: w }) => {
                let inside = |from: usize, side: usize, whole: usize| {
                    side > 0 && from.checked_add(side).is_some_and(|end| end <= whole)
                };
                if !inside(top, h, height) || !inside(left, w, width) {
                    let found = format!("a window of {h} x {w} from row {top} and column {left} on");
                    return Err((found, format!("one within the picture of {height} x {width}")));
                }
                Some([h, w])
            }
            Self::Pad(Border { top, left, bottom, right, .. }) => {
                let sum = |a: usize, b: usize, c: usize| a.checked_add(b)?.checked_add(c);
                sum(height, top, bottom).zip(sum(width, left, right)).map(|(h, w)| [h, w])
            }
            Self::Resize(Size { height: h, width: w }) => Some([h, w]),
        };
        match after {
            Some(after) if after.iter().all(|side| (1..=LARGEST_SIDE).contains(side)) => Ok(after),
            Some([h, w]) => Err((format!("a picture of {h} x {w}"), sides)),
            None => Err(("a picture of more rows or columns than can be counted".to_owned(), sides)),
        }
    }
}

impl Preprocessing {
    /// The `steps` for pictures of `from`: channels, height, width.
    ///
    /// # Errors
    /// No step or too many, a side of 0 or beyond [`LARGEST_SIDE`], a window that is not within the
    /// picture.
    pub fn new(from: [usize; 3], steps: Vec<PreprocessingStep>) -> Result<Self, PreprocessingError> {
        let wrong = |step: String, found: String, expected: String| Err(PreprocessingError { step, found, expected });
        let [channels, mut size @ ..] = from;
        let mut sizes = vec![size];
        if channels == 0 || !size.iter().all(|side| (1..=LARGEST_SIDE).contains(side)) {
            let expected = format!("at least one channel and sides of 1 to {LARGEST_SIDE}");
            return wrong("the pictures as they come".to_owned(), format!("a shape of {from:?}"), expected);
        }
        if !(1..=MOST_STEPS).contains(&steps.len()) {
            let (found, expected) = (format!("{} steps", steps.len()), format!("1 to {MOST_STEPS}"));
            return wrong("the list of steps".to_owned(), found, expected);
        }
        for (i, step) in steps.iter().enumerate() {
            size = match step.size_after(size) {
                Ok(after) => after,
                Err((found, expected)) => return wrong(format!("step {i} ({})", step.name()), found, expected),
            };
            sizes.push(size);
        }
        Ok(Self { from, steps, sizes })
    }

    /// Channels, height, width of the pictures as they come.
    pub fn from(&self) -> [usize; 3] {
        self.from
    }

    /// Channels, height, width of what the network sees.
    pub fn shape(&self) -> [usize; 3] {
        let [height, width] = self.sizes[self.steps.len()];
        [self.from[0], height, width]
    }

    /// The steps, first to last.
    pub fn steps(&self) -> &[PreprocessingStep] {
        &self.steps
    }

    /// The steps with height and width before and after each.
    pub fn sized_steps(&self) -> impl Iterator<Item = (&PreprocessingStep, [usize; 2], [usize; 2])> {
        self.steps.iter().zip(self.sizes.windows(2)).map(|(step, sizes)| (step, sizes[0], sizes[1]))
    }
}

/// In words: `28 x 28 pictures, crop to 22 x 22`.
impl std::fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [_, height, width] = self.from;
        write!(f, "{height} x {width} pictures")?;
        for (step, _, [height, width]) in self.sized_steps() {
            write!(f, ", {} to {height} x {width}", step.name())?;
        }
        Ok(())
    }
}

impl TryFrom<PreprocessingLiteral> for Preprocessing {
    type Error = PreprocessingError;

    fn try_from(literal: PreprocessingLiteral) -> Result<Self, PreprocessingError> {
        Self::new(literal.from, literal.steps)
    }
}

impl From<Preprocessing> for PreprocessingLiteral {
    fn from(checked: Preprocessing) -> Self {
        Self { from: checked.from, steps: checked.steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Preprocessing, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn steps_follow_one_another() {
        let text = concat!(
            r#"{"from":[3,28,28],"steps":[{"crop":{"top":3,"left":2,"height":22,"width":24}},"#,
            r#"{"pad":{"top":1,"left":0,"bottom":1,"right":0,"value":255}},{"resize":{"height":12,"width":11}}]}"#
        );
        let found = read(text).unwrap();
        assert_eq!((found.from(), found.shape(), found.steps().len()), ([3, 28, 28], [3, 12, 11], 3));
        assert_eq!(serde_json::to_string(&found).unwrap(), text);
        assert_eq!(found.to_string(), "28 x 28 pictures, crop to 22 x 24, pad to 24 x 24, resize to 12 x 11");
    }

    #[test]
    fn steps_that_do_not_fit_are_named() {
        let of = |steps: &str| read(&format!(r#"{{"from":[1,28,28],"steps":[{steps}]}}"#)).unwrap_err();
        let crop = |top: usize, height: usize| {
            of(&format!(r#"{{"crop":{{"top":{top},"left":0,"height":{height},"width":28}}}}"#))
        };
        for (top, height) in [(0, 29), (8, 21), (28, 1), (0, 0), (usize::MAX, 2)] {
            let found = crop(top, height);
            assert!(found.contains("step 0 (crop)") && found.contains("within the picture of 28 x 28"), "{found}");
        }
        for (steps, part) in [
            ("", "found 0 steps, expected 1 to 16"),
            (r#"{"resize":{"height":0,"width":4}}"#, "a picture of 0 x 4"),
            (r#"{"resize":{"height":16385,"width":4}}"#, "sides of 1 to 16384"),
            (r#"{"pad":{"top":16384,"value":0}}"#, "a picture of 16412 x 28"),
            (r#"{"pad":{"top":18446744073709551615,"value":0}}"#, "than can be counted"),
            (r#"{"pad":{"top":1}}"#, "value"),
            (r#"{"pad":{"top":1,"value":256}}"#, "256"),
            (r#"{"crop":{"top":0,"left":0,"size":[22,22]}}"#, "size"),
            (r#"{"rotate":{}}"#, "rotate"),
        ] {
            assert!(of(steps).contains(part), "{steps}: {}", of(steps));
        }
        assert!(read(r#"{"from":[0,28,28],"steps":[{"resize":{"height":1,"width":1}}]}"#).is_err());
    }
}
