//! Figures of both backends on one network, and where one overtakes the other. Times of `tfhe`
//! beyond the images that were run are multiples of one image's.

use serde::Serialize;

/// What one backend costs: all but the keys for one image of `tfhe`, or for a batch of any size of
/// `ckks`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendCost {
    /// Wall-clock seconds of encryption, run and decryption together.
    pub seconds: f64,
    /// Bytes sent to the server.
    pub upload: u64,
    /// Bytes sent back.
    pub answer: u64,
    /// Bytes of the server's keys, once.
    pub keys: u64,
}

/// Both backends at one size of batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendPoint {
    /// Images that wait.
    pub images: usize,
    /// Seconds of `ckks` until all are answered, measured.
    pub ckks: f64,
    /// Seconds of `tfhe` until all are answered: as many times what one image takes.
    pub tfhe: f64,
    /// Bytes that `ckks` moves to and fro, keys not counted.
    pub ckks_bytes: u64,
    /// Bytes that `tfhe` moves to and fro, keys not counted.
    pub tfhe_bytes: u64,
}

/// Both backends on one network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendFigures {
    /// The network's name.
    pub name: String,
    /// Threads in use.
    pub threads: usize,
    /// Cost of a full batch.
    pub ckks: BackendCost,
    /// Cost of one image.
    pub tfhe: BackendCost,
    /// The share of held-out samples that keep their class in integers, 0 to 1.
    pub agreement: f64,
    /// Bootstrappings of one image.
    pub bootstrappings: usize,
    /// Sizes of batch from one image to a full batch; at least one.
    pub points: Vec<BackendPoint>,
}

impl BackendFigures {
    /// Returns the images up to which `tfhe` answers sooner; below one if it never does.
    pub fn same_time(&self) -> f64 {
        // The first batch that `ckks` answers sooner, or as soon.
        let at = self.points.iter().find(|p| p.ckks <= p.tfhe).or(self.points.last());
        at.unwrap_or_else(|| unreachable!("figures without a size of batch")).ckks / self.tfhe.seconds
    }

    /// Returns the images up to which `tfhe` moves fewer bytes to and fro, keys not counted.
    pub fn same_bytes(&self) -> f64 {
        (self.ckks.upload + self.ckks.answer) as f64 / (self.tfhe.upload + self.tfhe.answer) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn break_evens_are_where_the_curves_meet() {
        let side = |seconds, upload| BackendCost { seconds, upload, answer: 0, keys: 1 };
        let point = |images: usize, ckks| BackendPoint {
            images,
            ckks,
            tfhe: 2.0 * images as f64,
            ckks_bytes: 1000,
            tfhe_bytes: 10 * images as u64,
        };
        let figures = BackendFigures {
            name: "x".into(),
            threads: 2,
            ckks: side(6.0, 1000),
            tfhe: side(2.0, 10),
            agreement: 1.0,
            bootstrappings: 1,
            points: vec![point(1, 6.0), point(4, 6.0)],
        };
        assert_eq!((figures.same_time(), figures.same_bytes()), (3.0, 100.0));
        let never = BackendFigures { points: vec![point(1, 0.5), point(4, 0.5)], ..figures };
        assert!(never.same_time() < 1.0);
    }
}
