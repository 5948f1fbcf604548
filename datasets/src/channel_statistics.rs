//! What training samples of real numbers say of each channel: mean, deviation, and which values are
//! allowed.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::images::Reals;

/// Allowed is what training samples span, and so much of that span beyond either end.
const BEYOND: f64 = 0.5;
/// A deviation below this part of a channel's largest value drowns in single precision: what is
/// left has fewer than six bits.
const FINEST: f64 = 1.0 / (1 << 18) as f64;

/// Which values are allowed, as a description states them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "[smallest, largest], or such a pair by the name of each column")]
pub enum Ranges {
    /// The same for all channels.
    All([f32; 2]),
    /// By the name of a channel, or its number if it has none.
    Each(BTreeMap<String, [f32; 2]>),
}

/// What is known of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ChannelStatistics {
    pub(crate) mean: f32,
    /// 1 if the channel is constant.
    pub(crate) std: f32,
    /// Smallest and largest value in training.
    pub(crate) seen: [f32; 2],
}

/// Mean, deviation and span of each channel of samples of `shape`; `file` names them in errors.
///
/// # Errors
/// A channel that varies less than single precision can tell.
pub(crate) fn channel_statistics(
    file: &Path,
    reals: &Reals,
    [channels, height, width]: [usize; 3],
) -> Result<Vec<ChannelStatistics>, Error> {
    let plane = height * width;
    let of_channel = |channel: usize| {
        let values = || {
            let planes = reals.numbers.chunks_exact(plane).skip(channel).step_by(channels);
            planes.flatten().map(|&v| f64::from(v))
        };
        let count = (reals.numbers.len() / channels) as f64;
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        let (lo, hi) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
        let seen = [lo as f32, hi as f32];
        if lo == hi {
            return Ok(ChannelStatistics { mean: seen[0], std: 1.0, seen });
        }
        let (deviation, largest) = (variance.sqrt(), lo.abs().max(hi.abs()));
        if deviation < FINEST * largest || !(deviation as f32).is_normal() || !(hi - lo).is_finite() {
            return Err(Error::table(
                file,
                format!(", {}", channel_name(reals, channel)),
                format!("values from {lo} to {hi} with a standard deviation of {deviation:.3e}"),
                "a deviation that single precision can tell from rounding",
                "subtract a constant or scale the column before it is written, or leave it out",
            ));
        }
        Ok(ChannelStatistics { mean: mean as f32, std: deviation as f32, seen })
    };
    (0..channels).map(of_channel).collect()
}

/// The smallest and the largest allowed value of each channel: stated, or else what training spans
/// and half of that span beyond either end. A constant channel allows its one value, since nothing
/// was learnt of any other.
///
/// # Errors
/// A stated range that is none, that leaves out training samples, or of a channel that is not
/// there.
pub(crate) fn allowed_values(
    file: &Path,
    reals: &Reals,
    seen: &[ChannelStatistics],
    stated: Option<&Ranges>,
) -> Result<Vec<[f32; 2]>, Error> {
    let names: Vec<String> = (0..seen.len()).map(|c| key(reals, c)).collect();
    if let Some(Ranges::Each(by_name)) = stated
        && let Some(unknown) = by_name.keys().find(|name| !names.contains(name))
    {
        let (found, expected) = (format!("a range for {unknown:?}"), format!("names among {}", list(&names)));
        return Err(Error::table(file, "", found, expected, "correct the name under \"ranges\""));
    }
    let of_channel = |(channel, seen): (usize, &ChannelStatistics)| {
        let stated = match stated {
            Some(Ranges::All(range)) => Some(*range),
            Some(Ranges::Each(by_name)) => by_name.get(&names[channel]).copied(),
            None => None,
        };
        let [lo, hi] = seen.seen;
        let Some([min, max]) = stated else {
            let beyond = (f64::from(hi) - f64::from(lo)) * BEYOND;
            return Ok([(f64::from(lo) - beyond) as f32, (f64::from(hi) + beyond) as f32]);
        };
        if min.is_finite() && max.is_finite() && min <= lo && hi <= max {
            return Ok([min, max]);
        }
        Err(Error::table(
            file,
            format!(", {}", channel_name(reals, channel)),
            format!("values from {lo} to {hi} in training, and a range of {min} to {max}"),
            "a range that holds all of them, smallest first",
            "widen the range under \"ranges\", or correct the values",
        ))
    };
    let allowed: Vec<[f32; 2]> = seen.iter().enumerate().map(of_channel).collect::<Result<_, _>>()?;
    if allowed.iter().flatten().all(|v| v.is_finite()) {
        return Ok(allowed);
    }
    Err(Error::table(file, "", "values near the largest of all numbers", "smaller ones", "scale them"))
}

/// What a channel is called in messages.
pub(crate) fn channel_name(reals: &Reals, channel: usize) -> String {
    match reals.channels.get(channel) {
        Some(name) => format!("column `{name}`"),
        None => format!("channel {channel}"),
    }
}

/// What a channel is called in a description: its name, or its number.
fn key(reals: &Reals, channel: usize) -> String {
    reals.channels.get(channel).cloned().unwrap_or_else(|| channel.to_string())
}

/// The names, or the first of many.
pub(crate) fn list(names: &[String]) -> String {
    const MOST: usize = 40;
    let more = if names.len() > MOST { format!(", and {} more", names.len() - MOST) } else { String::new() };
    names.iter().take(MOST).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reals(numbers: &[f32]) -> Reals {
        Reals { numbers: numbers.to_vec(), channels: vec!["a".into(), "b".into()] }
    }

    fn statistics(numbers: &[f32], shape: [usize; 3]) -> Result<Vec<ChannelStatistics>, Error> {
        channel_statistics(Path::new("t"), &reals(numbers), shape)
    }

    #[test]
    fn statistics_are_per_channel() {
        let found = statistics(&[1.0, 100.0, 3.0, 300.0], [2, 1, 1]).unwrap();
        assert_eq!(found[0], ChannelStatistics { mean: 2.0, std: 1.0, seen: [1.0, 3.0] });
        assert_eq!(found[1], ChannelStatistics { mean: 200.0, std: 100.0, seen: [100.0, 300.0] });
        let leads = statistics(&[0.0, 2.0, 5.0, 9.0], [2, 1, 2]).unwrap();
        assert_eq!((leads[0].mean, leads[1].mean, leads[1].std), (1.0, 7.0, 2.0));
    }

    #[test]
    fn a_constant_channel_has_deviation_one_and_allows_its_value_only() {
        let rows = [7.5, 0.0, 7.5, 1.0];
        let seen = statistics(&rows, [2, 1, 1]).unwrap();
        assert_eq!((seen[0].mean, seen[0].std), (7.5, 1.0));
        let allowed = allowed_values(Path::new("t"), &reals(&rows), &seen, None).unwrap();
        assert_eq!(allowed, [[7.5, 7.5], [-0.5, 1.5]]);
    }

    #[test]
    fn what_single_precision_cannot_tell_apart_is_refused() {
        let error = statistics(&[1.7e9, 0.0, 1.700001e9, 1.0], [2, 1, 1]).unwrap_err().to_string();
        assert!(error.contains("column `a`") && error.contains("subtract a constant"), "{error}");
    }

    #[test]
    fn stated_ranges_hold_all_training_values() {
        let rows = [1.0, 0.0, 3.0, 1.0];
        let seen = statistics(&rows, [2, 1, 1]).unwrap();
        let allowed = |ranges: &str| {
            let ranges: Ranges = serde_json::from_str(ranges).unwrap();
            allowed_values(Path::new("t"), &reals(&rows), &seen, Some(&ranges)).map_err(|e| e.to_string())
        };
        assert_eq!(allowed(r#"{"a": [0, 120]}"#).unwrap(), [[0.0, 120.0], [-0.5, 1.5]]);
        assert_eq!(allowed("[-5, 5]").unwrap(), [[-5.0, 5.0]; 2]);
        assert!(allowed(r#"{"a": [2, 120]}"#).unwrap_err().contains("values from 1 to 3 in training"));
        assert!(allowed(r#"{"c": [2, 120]}"#).unwrap_err().contains("names among `a`, `b`"));
        assert!(serde_json::from_str::<Ranges>(r#"{"a": 1}"#).unwrap_err().to_string().contains("[smallest, largest]"));
    }
}
