//! Decrypted answers: exact as decrypted, and what of them may be shown. Answers outside of the
//! range that the program promises have neither class nor scores: whatever they are, the network
//! did not compute it.

use beaa_ir::Classes;
use beaa_ir::images::ImageMajor;
use beaa_ir::promise::{Interval, Promise};

/// An output may lie outside its promised range by so many times the promised error.
pub(crate) const SLACK_IN_ERRORS: f64 = 8.0;

/// Decrypted answers of either backend.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    exact: ImageMajor<f64>,
    error: f64,
    outside: Vec<Outside>,
}

/// An image whose answer is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outside {
    /// Position in the batch.
    pub image: usize,
    /// The first such output.
    pub output: usize,
    /// What it is.
    pub found: f64,
    /// What it should be.
    pub reason: Reason,
}

/// Why an answer is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// It is not in the range that the program promises.
    Range(Interval),
    /// It is no number.
    NoNumber,
    /// The same image in another slot of the batch has another answer.
    Copy,
}

impl Answers {
    /// Takes outputs whose error has the deviation `error`, and marks what `promise` excludes.
    pub(crate) fn new(exact: ImageMajor<f64>, error: f64, promise: Option<&Promise>) -> Self {
        assert!(error.is_finite() && error >= 0.0, "answers with an error of {error}");
        let outside = outside(&exact, SLACK_IN_ERRORS * error, promise);
        Self { exact, error, outside }
    }

    /// Marks images whose answers differ between slots; those that are outside already stay as they
    /// are.
    pub(crate) fn mark(&mut self, more: Vec<Outside>) {
        self.outside.extend(more);
        // Stable: what was found first stays first.
        self.outside.sort_by_key(|o| o.image);
        self.outside.dedup_by_key(|o| o.image);
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.exact.images()
    }

    /// All outputs as decrypted, of images outside too. They hold the encryption's noise, and with
    /// it some of the key: keep them private (docs/security.md).
    pub fn exact(&self) -> &ImageMajor<f64> {
        &self.exact
    }

    /// Deviation of the outputs' errors: what the program promises or what copies of images showed,
    /// whichever is more; 0 where outputs are exact.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// The images whose answers are worth nothing, in order.
    pub fn outside(&self) -> &[Outside] {
        &self.outside
    }

    /// Whether the answer of each image is one.
    pub fn inside(&self) -> Vec<bool> {
        let mut inside = vec![true; self.images()];
        self.outside.iter().for_each(|o| inside[o.image] = false);
        inside
    }

    /// The class of each image, for the `classes` of the network; none for images outside.
    pub fn classes(&self, classes: &Classes) -> Vec<Option<usize>> {
        let found = classes.of(&self.exact).into_iter().zip(self.inside());
        found.map(|(class, inside)| class.filter(|_| inside)).collect()
    }

    /// The step to which outputs are rounded before they are shown: the power of two at or above
    /// twice their error; none where they are exact.
    pub fn grid(&self) -> Option<f64> {
        (self.error > 0.0).then(|| (2.0 * self.error).log2().ceil().exp2())
    }

    /// The outputs to as many digits as their error leaves: multiples of [`Self::grid`].
    pub fn rounded(&self) -> ImageMajor<f64> {
        match self.grid() {
            // Adding zero makes -0 a 0.
            Some(grid) => self.exact.map(|v| (v / grid).round() * grid + 0.0),
            None => self.exact.clone(),
        }
    }
}

/// The first output of each image that is no number, or leaves its promised range by more than
/// `slack`.
pub(crate) fn outside(outputs: &ImageMajor<f64>, slack: f64, promise: Option<&Promise>) -> Vec<Outside> {
    let of_image = |(image, row): (usize, &[f64])| {
        let reason = |(output, &found): (usize, &f64)| {
            let range = promise.map(|p| p.outputs[output]).filter(|r| !r.holds(found, slack));
            let reason = if found.is_finite() { range.map(Reason::Range) } else { Some(Reason::NoNumber) };
            reason.map(|reason| Outside { image, output, found, reason })
        };
        row.iter().enumerate().find_map(reason)
    };
    outputs.rows().enumerate().filter_map(of_image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise() -> Promise {
        Promise { outputs: vec![Interval { min: -1.0, max: 1.0 }, Interval { min: 0.0, max: 2.0 }], images: None }
    }

    #[test]
    fn answers_outside_have_no_class_and_those_inside_are_untouched() {
        let exact = ImageMajor::from_rows(2, [[0.3, 0.2], [0.5, 1e6], [f64::NAN, 0.0], [1.05, 0.0]]).unwrap();
        let answers = Answers::new(exact.clone(), 0.01, Some(&promise()));
        assert_eq!(answers.classes(&Classes::new(Vec::new(), 2, None).unwrap()), [Some(0), None, None, Some(0)]);
        assert_eq!(answers.outside().iter().map(|o| (o.image, o.output)).collect::<Vec<_>>(), [(1, 1), (2, 0)]);
        assert_eq!(answers.exact().image(0), exact.image(0));
        // Without a promise only what is no number is marked.
        assert_eq!(Answers::new(exact, 0.01, None).outside().len(), 1);
    }

    #[test]
    fn rounding_keeps_what_the_error_leaves() {
        let exact = ImageMajor::from_rows(2, [[0.3, 0.21], [-0.01, 1.9]]).unwrap();
        let answers = Answers::new(exact.clone(), 0.01, None);
        assert_eq!(answers.grid(), Some(1.0 / 32.0));
        for (rounded, exact) in answers.rounded().data().iter().zip(exact.data()) {
            assert!((rounded - exact).abs() <= 1.0 / 64.0 && (rounded * 32.0).fract() == 0.0, "{rounded}");
        }
        assert!(answers.rounded().data()[2].is_sign_positive());
        let integers = Answers::new(exact.clone(), 0.0, None);
        assert_eq!((integers.grid(), integers.rounded()), (None, exact));
    }

    #[test]
    fn an_image_is_marked_once() {
        let exact = ImageMajor::from_rows(2, [[0.3, 9.0], [0.0, 0.1]]).unwrap();
        let mut answers = Answers::new(exact, 0.01, Some(&promise()));
        let copy = |image| Outside { image, output: 0, found: 0.0, reason: Reason::Copy };
        answers.mark(vec![copy(0), copy(1)]);
        assert_eq!(answers.outside().len(), 2);
        assert!(matches!(answers.outside()[0].reason, Reason::Range(_)));
    }
}
