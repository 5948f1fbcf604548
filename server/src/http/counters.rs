//! Counts of requests, for `/metrics`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// Upper ends of the classes of times, in seconds.
const CLASSES: [f64; 8] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// How many requests there were, and how long they took until the response began.
#[derive(Default)]
pub(super) struct Counters(Mutex<BTreeMap<(String, String), Times>>);

#[derive(Default)]
struct Times {
    by_status: BTreeMap<u16, u64>,
    by_class: [u64; CLASSES.len()],
    count: u64,
    seconds: f64,
}

impl Counters {
    /// Counts a request.
    pub(super) fn add(&self, method: &str, path: &str, status: u16, seconds: f64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = all.entry((method.to_owned(), path.to_owned())).or_default();
        *times.by_status.entry(status).or_default() += 1;
        times.count += 1;
        times.seconds += seconds;
        for (count, end) in times.by_class.iter_mut().zip(CLASSES) {
            *count += u64::from(seconds <= end);
        }
    }

    /// In the text format of Prometheus.
    pub(super) fn text(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from("# TYPE beaa_requests_total counter\n");
        // Writing to a string cannot fail.
        for ((method, path), times) in all.iter() {
            for (status, count) in &times.by_status {
                let labels = format!("method=\"{method}\",path=\"{path}\",status=\"{status}\"");
                let _ = writeln!(text, "beaa_requests_total{{{labels}}} {count}");
            }
        }
        text.push_str("# TYPE beaa_request_seconds histogram\n");
        for ((method, path), times) in all.iter() {
            let labels = format!("method=\"{method}\",path=\"{path}\"");
            for (count, end) in times.by_class.iter().zip(CLASSES) {
                let _ = writeln!(text, "beaa_request_seconds_bucket{{{labels},le=\"{end}\"}} {count}");
            }
            let _ = writeln!(text, "beaa_request_seconds_bucket{{{labels},le=\"+Inf\"}} {}", times.count);
            let _ = writeln!(text, "beaa_request_seconds_sum{{{labels}}} {}", times.seconds);
            let _ = writeln!(text, "beaa_request_seconds_count{{{labels}}} {}", times.count);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_path_status_and_time() {
        let counters = Counters::default();
        counters.add("GET", "/v1/jobs/{job}", 200, 0.02);
        counters.add("GET", "/v1/jobs/{job}", 404, 3.0);
        let text = counters.text();
        for line in [
            "beaa_requests_total{method=\"GET\",path=\"/v1/jobs/{job}\",status=\"404\"} 1",
            "beaa_request_seconds_bucket{method=\"GET\",path=\"/v1/jobs/{job}\",le=\"0.025\"} 1",
            "beaa_request_seconds_bucket{method=\"GET\",path=\"/v1/jobs/{job}\",le=\"+Inf\"} 2",
            "beaa_request_seconds_sum{method=\"GET\",path=\"/v1/jobs/{job}\"} 3.02",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }
}
