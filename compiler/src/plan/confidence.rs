//! How many of all images change their class, when each of some images does so with a known
//! probability: the mean, and a bound that holds with a stated confidence.

use statrs::distribution::{ContinuousCDF, Gamma};

/// With this confidence, one-sided, no more images than promised change their class.
pub(crate) const CONFIDENCE: f64 = 0.95;
/// What is not among the images may lie on the border of two classes, where any error decides.
const ON_THE_BORDER: f64 = 0.5;
/// What happens less often is a wonder.
const NO_WONDER: f64 = 0.01;
/// Halvings of an interval, to the last digit of a share.
const BISECTIONS: usize = 60;

/// The images that change their class: sums over some images of the probability that each does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Flips {
    images: usize,
    expected: f64,
    squares: f64,
    largest: f64,
}

impl Flips {
    /// Those of some images, one probability for each.
    pub(crate) fn of(probabilities: impl IntoIterator<Item = f64>) -> Self {
        let none = Self { images: 0, expected: 0.0, squares: 0.0, largest: ON_THE_BORDER };
        probabilities.into_iter().fold(none, |sum, p| Self {
            images: sum.images + 1,
            expected: sum.expected + p,
            squares: sum.squares + p * p,
            largest: sum.largest.max(p),
        })
    }

    /// The share of these images that keep their class, on average.
    pub(crate) fn agreement(&self) -> f64 {
        1.0 - self.expected / self.images.max(1) as f64
    }

    /// Whether at least this share of all images like these keeps its class, with [`CONFIDENCE`].
    pub(crate) fn show(&self, share: f64) -> bool {
        self.images > 0 && self.confidence((1.0 - share) * self.images as f64) >= CONFIDENCE
    }

    /// The largest share that they [`show`](Self::show).
    pub(crate) fn at_least(&self) -> f64 {
        largest((0.0, 1.0), |share| self.show(share))
    }

    /// Whether it is no wonder that so many were `counted`, once in a hundred times.
    pub(crate) fn explain(&self, counted: &Self) -> bool {
        if counted.expected == 0.0 {
            return true;
        }
        // At least so many Poisson events of this mean.
        let Ok(gamma) = Gamma::new(counted.expected, 1.0) else {
            unreachable!("a gamma distribution of shape {}", counted.expected)
        };
        gamma.cdf(self.expected) >= NO_WONDER
    }

    /// How sure it is that as many images like these change fewer than `count` times on average:
    /// the gamma interval for sums of Poisson counts with weights (Fay and Feuer, "Confidence
    /// intervals for directly standardized rates", Statistics in Medicine 16, 1997). An image near
    /// the border is an event, the probability that it changes its weight.
    fn confidence(&self, count: f64) -> f64 {
        let mean = self.expected + self.largest;
        let variance = self.squares + self.largest * self.largest;
        let Ok(gamma) = Gamma::new(mean * mean / variance, mean / variance) else {
            unreachable!("a gamma distribution of mean {mean} and variance {variance}")
        };
        gamma.cdf(count)
    }
}

/// The largest number of a range for which something holds that holds below it, by bisection.
pub(crate) fn largest((mut low, mut high): (f64, f64), holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..BISECTIONS {
        let middle = (low + high) / 2.0;
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use beaa_ir::stats::normal_cdf;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn without_a_flip_it_is_three_events_of_a_half() {
        // exp(-2 x) = 0.05 at x = 1.498.
        let none = Flips::of([0.0; 1500]);
        assert!((none.at_least() - (1.0 - 1.498 / 1500.0)).abs() < 1e-6, "{}", none.at_least());
        assert!(none.agreement() == 1.0 && none.show(0.999) && !none.show(0.99901));
        assert!(!Flips::of([0.0; 1490]).show(0.999) && !Flips::of([]).show(0.5));
    }

    #[test]
    fn certain_flips_are_those_of_clopper_and_pearson() {
        // The upper ends of Poisson means for so many events, at 95 %: half of the quantiles of
        // chi-squared with 2 (k + 1) degrees of freedom.
        for (events, end) in [(1, 4.744), (5, 10.513), (20, 29.062)] {
            let flips = Flips::of((0..10_000).map(|i| if i < events { 1.0 } else { 0.0 }));
            assert!((flips.at_least() - (1.0 - end / 10_000.0)).abs() < 1e-6, "{events}: {}", flips.at_least());
        }
    }

    #[test]
    fn the_bound_holds_as_often_as_it_says() {
        // Margins uniform from 0 to 1, an error of deviation 0.02: 0.02 * 0.3989 of all change.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (deviation, truth) = (0.02, 1.0 - 0.02 * 0.398_942);
        for images in [300, 3000] {
            let bounds: Vec<f64> = (0..1000)
                .map(|_| {
                    let flips = |_| normal_cdf(-rng.random_range(0.0..1.0) / deviation);
                    Flips::of((0..images).map(flips)).at_least()
                })
                .collect();
            let held = bounds.iter().filter(|b| **b <= truth).count();
            assert!(held >= 950, "{images} images: {held} of 1000");
            let slack = truth - bounds.iter().sum::<f64>() / 1000.0;
            assert!(slack < 4.0 * (truth * (1.0 - truth) / images as f64).sqrt(), "{images} images: {slack}");
        }
    }
}
