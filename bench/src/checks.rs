//! Bounds on ratios within one run, for a regression check that any machine can make: a time of
//! another machine, or of another day, says nothing here.

use serde::Serialize;

use crate::{KernelFigures, NetworkFigures, SweepFigures};

/// The used kernel's products over its instruction's peak, at least.
const KERNEL: f64 = 0.75;
/// Encrypted over plain, at most.
const PLAIN: f64 = 40.0;
/// Two threads over one, at least, where there are two cores.
const SPEED_UP: f64 = 1.8;
/// Predicted over measured, of the whole run and of every part that takes long enough, at most (or
/// its inverse).
const FORECAST: f64 = 1.25;
/// Parts below this share of the run are too short to judge a forecast by.
const SHARE: f64 = 0.02;
/// Linear time left over products left, at most, with half of the weights pruned or more.
const SPARSE: f64 = 1.5;

/// One ratio and its bound.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatioCheck {
    /// What is compared.
    pub what: String,
    /// The ratio that was measured.
    pub found: f64,
    /// The bound on the ratio.
    pub bound: f64,
    /// Whether the ratio must be at least the bound, rather than at most.
    pub at_least: bool,
    /// Whether the ratio keeps to its bound; never where the ratio is not a number.
    pub holds: bool,
}

impl RatioCheck {
    fn least(what: String, found: f64, bound: f64) -> Self {
        Self { what, found, bound, at_least: true, holds: found >= bound }
    }

    fn most(what: String, found: f64, bound: f64) -> Self {
        Self { what, found, bound, at_least: false, holds: found <= bound }
    }
}

/// Makes every check that these figures allow.
pub fn checks(
    kernels: &[KernelFigures],
    network: Option<&NetworkFigures>,
    sweep: Option<&SweepFigures>,
) -> Vec<RatioCheck> {
    let mut all = Vec::new();
    for k in kernels.iter().filter(|k| k.used) {
        all.push(RatioCheck::least(
            format!("{} kernel, dense, over the peak of {}", k.kernel, k.instruction),
            k.fraction,
            KERNEL,
        ));
    }
    if let Some(n) = network {
        all.push(RatioCheck::most("encrypted over plain f32, one core".into(), n.ratio(), PLAIN));
        if n.threads >= 2 {
            all.push(RatioCheck::least(
                format!("one thread's time over that of {}", n.threads),
                n.speed_up(),
                SPEED_UP,
            ));
        }
        if n.calibrated {
            let off = |what: String, predicted: f64, measured: f64| {
                RatioCheck::most(what, (predicted / measured).max(measured / predicted), FORECAST)
            };
            let measured = n.run_processor.minimum;
            all.push(off("forecast of the run".into(), n.predicted_seconds, measured));
            for p in n.parts.iter().filter(|p| p.share >= SHARE) {
                all.push(off(format!("forecast of {}: {}", p.layer, p.operation), p.predicted_seconds, p.seconds));
            }
        }
    }
    for p in sweep.iter().flat_map(|s| &s.sparsity).filter(|p| p.sparsity >= 0.5) {
        let what = format!("linear time left over products left, {:.0} % pruned", 100.0 * p.sparsity);
        all.push(RatioCheck::most(what, p.time_left / p.products_left, SPARSE));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::SparsityPoint;

    #[test]
    fn bounds_can_fail() {
        assert!(RatioCheck::least("x".into(), 0.8, 0.75).holds && !RatioCheck::least("x".into(), 0.7, 0.75).holds);
        assert!(RatioCheck::most("x".into(), 39.0, 40.0).holds && !RatioCheck::most("x".into(), 41.0, 40.0).holds);
        for bad in [RatioCheck::least("x".into(), f64::NAN, 1.0), RatioCheck::most("x".into(), f64::NAN, 1.0)] {
            assert!(!bad.holds, "not a number is no success");
        }
        let point = |time_left: f64| SparsityPoint {
            sparsity: 0.9,
            products: 1,
            linear_seconds: 1.0,
            products_left: 0.1,
            time_left,
            seconds: 1.0,
        };
        let sweep =
            |time_left| SweepFigures { batch: vec![], depth: vec![], ring: vec![], sparsity: vec![point(time_left)] };
        let holds = |time_left| checks(&[], None, Some(&sweep(time_left))).iter().all(|c| c.holds);
        assert!(holds(0.12) && !holds(0.3));
    }
}
