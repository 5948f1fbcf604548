//! What a network computes of its scores at the end, as long as it does not change which class
//! wins: it is left out, and whoever decrypts can compute it.

use super::network::Value;

/// A function of the scores.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// The scores.
    pub(crate) scores: Value,
    pub(crate) kind: AnswerKind,
    /// The nodes that are left out, each with its operator, from the scores on; the first is what
    /// made an answer of them.
    pub(crate) left_out: Vec<(String, String)>,
    /// The score above which the second of two classes wins.
    pub(crate) threshold: f64,
    /// The names of the classes, if the graph has them.
    pub(crate) names: Vec<String>,
}

impl Answer {
    /// The node that made an answer of the scores, and its operator.
    pub(crate) fn origin(&self) -> &(String, String) {
        &self.left_out[0]
    }
}

/// How an [`Answer`] follows from the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// A number for each class, larger where the score is, all by one function for an image.
    Shares,
    /// The sigmoid of a single score.
    Probability,
    /// One minus that.
    Complement,
    /// Both, that of the first class first.
    Pair,
    /// One number for an image, the same for all its classes: their sum or their largest.
    Common,
    /// Which class wins.
    Class,
    /// A sigmoid for each of several scores.
    Labels,
    /// A function that grows with each of several scores, of which no order is known beside that.
    Grown,
}

impl AnswerKind {
    /// What to say where this is not at the end.
    pub(crate) fn in_the_middle(self) -> &'static str {
        match self {
            Self::Shares | Self::Common => "a softmax that is not over the scores at the very end",
            Self::Class => "a choice of the largest score that is not at the very end",
            _ => "an operator that has no counterpart",
        }
    }
}
