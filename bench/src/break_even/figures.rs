//! Figures of both backends on one network, and where one overtakes the other. Must never call a crossing what was not measured on both
//! sides: times of `tfhe` beyond the images that were run are multiples, and said to be.

use serde::Serialize;

/// One backend. Of `tfhe` all but the keys is for each image, of `ckks` for a batch of any size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendCost {
    /// Encryption, run and decryption, wall-clock.
    pub seconds: f64,
    /// Bytes sent to the server.
    pub upload: u64,
    /// Bytes sent back.
    pub answer: u64,
    /// Bytes of the server's keys, once.
    pub keys: u64,
}

/// One size of batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendPoint {
    /// Images that wait.
    pub images: usize,
    /// Seconds until all are answered, measured.
    pub ckks: f64,
    /// Likewise: as many times what one image takes.
    pub tfhe: f64,
    /// Bytes to and fro, keys not counted.
    pub ckks_bytes: u64,
    /// Likewise.
    pub tfhe_bytes: u64,
}

/// Both backends on one network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendFigures {
    /// Of the network.
    pub name: String,
    /// In use.
    pub threads: usize,
    /// A full batch.
    pub ckks: BackendCost,
    /// One image.
    pub tfhe: BackendCost,
    /// The share of samples kept apart that keep their class in integers.
    pub agreement: f64,
    /// Of one image.
    pub bootstrappings: usize,
    /// From one image to a full batch.
    pub points: Vec<BackendPoint>,
}

impl BackendFigures {
    /// The images up to which `tfhe` answers sooner; below one if it never does.
    pub fn same_time(&self) -> f64 {
        // The first batch that `ckks` answers sooner, or as soon.
        let at = self.points.iter().find(|p| p.ckks <= p.tfhe).or(self.points.last());
        at.map_or(0.0, |p| p.ckks) / self.tfhe.seconds
    }

    /// The images up to which `tfhe` moves fewer bytes to and fro, keys not counted.
    pub fn same_bytes(&self) -> f64 {
        (self.ckks.upload + self.ckks.answer) as f64 / (self.tfhe.upload + self.tfhe.answer) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossings_are_where_the_curves_meet() {
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
