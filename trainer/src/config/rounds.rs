//! Which batches of a training come again.

/// Epochs in rounds: those of each have the batches of the first one's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rounds {
    /// Epochs of a round; 0: batches never come again.
    pub(crate) length: usize,
    /// Of the whole training.
    pub(crate) epochs: usize,
}

impl Rounds {
    /// The first epoch with the batches of `epoch`.
    pub(crate) fn first(self, epoch: usize) -> usize {
        if self.length == 0 { epoch } else { epoch % self.length }
    }

    /// Whether a later epoch has the batches of `epoch`.
    pub(crate) fn comes_again(self, epoch: usize) -> bool {
        self.length > 0 && epoch + self.length < self.epochs
    }

    /// The most epochs whose batches are known and come again, at any time.
    pub(crate) fn kept(self) -> usize {
        if self.length == 0 { 0 } else { self.length.min(self.epochs.saturating_sub(self.length)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_epochs_of_their_batches_do_not_come_again() {
        for (length, first, again, kept) in [
            (2, [0, 1, 0, 1, 0], [true, true, true, false, false], 2),
            (3, [0, 1, 2, 0, 1], [true, true, false, false, false], 2),
            (5, [0, 1, 2, 3, 4], [false; 5], 0),
            (9, [0, 1, 2, 3, 4], [false; 5], 0),
            (0, [0, 1, 2, 3, 4], [false; 5], 0),
        ] {
            let rounds = Rounds { length, epochs: 5 };
            let of = |epoch: usize| (rounds.first(epoch), rounds.comes_again(epoch));
            assert_eq!((0..5).map(of).collect::<Vec<_>>(), first.into_iter().zip(again).collect::<Vec<_>>());
            assert_eq!(rounds.kept(), kept, "{length}");
        }
    }
}
