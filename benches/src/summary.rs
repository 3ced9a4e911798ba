//! Samples, and what is said of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Percentiles of samples, all of which are kept; NaN, in JSON null, where there are none.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(from = "Samples")]
pub struct Summary {
    /// Half of the samples lie below.
    pub median: f64,
    /// One in twenty lies below.
    pub p5: f64,
    /// A quarter lies below.
    pub p25: f64,
    /// A quarter lies above.
    pub p75: f64,
    /// One in twenty lies above.
    pub p95: f64,
    /// In the order in which they were taken.
    pub samples: Vec<f64>,
}

impl Summary {
    /// What is to be said of these samples.
    #[must_use]
    pub fn of(samples: Vec<f64>) -> Self {
        let mut sorted = samples.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let [p5, p25, median, p75, p95] = [0.05, 0.25, 0.5, 0.75, 0.95].map(|part| at(&sorted, part));
        Self { median, p5, p25, p75, p95, samples }
    }

    /// Times, in milliseconds.
    #[must_use]
    pub fn of_times<'a>(times: impl IntoIterator<Item = &'a Duration>) -> Self {
        Self::of(times.into_iter().map(|time| time.as_secs_f64() * 1000.0).collect())
    }

    /// A quarter, the median, and three quarters, where anything was measured.
    #[must_use]
    pub fn quartiles(&self) -> Option<Quartiles> {
        self.median.is_finite().then_some([self.p25, self.median, self.p75])
    }

    /// How far apart the quartiles are, as a part of the median.
    #[must_use]
    pub fn spread(&self) -> f64 {
        (self.p75 - self.p25) / self.median
    }
}

/// A quarter of the samples lies below the first, half below the second, and a quarter above the third.
pub type Quartiles = [f64; 3];

/// What a summary is read from: all the rest follows from it.
#[derive(Deserialize)]
struct Samples {
    samples: Vec<f64>,
}

impl From<Samples> for Summary {
    fn from(Samples { samples }: Samples) -> Self {
        Self::of(samples)
    }
}

/// The value below which a part of the samples lies, between two of them if need be.
fn at(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = part * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_samples() {
        let summary = Summary::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!([summary.p25, summary.median, summary.p75], [1.75, 2.5, 3.25]);
        assert!((summary.p5 - 1.15).abs() < 1e-9 && (summary.p95 - 3.85).abs() < 1e-9, "{summary:?}");
        assert_eq!(summary.samples, [4.0, 1.0, 3.0, 2.0]);
        assert_eq!(Summary::of(vec![7.0]).median, 7.0);
        assert!(Summary::of(Vec::new()).median.is_nan(), "nothing was measured");
    }

    #[test]
    fn a_summary_of_nothing_can_be_written_and_read() {
        let json = serde_json::to_string(&Summary::of(Vec::new())).expect("it is data");
        let read: Summary = serde_json::from_str(&json).expect("it was written");
        assert!(read.median.is_nan() && read.samples.is_empty(), "{json}");
    }

    #[test]
    fn times_are_in_milliseconds() {
        assert_eq!(Summary::of_times(&[Duration::from_micros(1500)]).median, 1.5);
    }
}
