//! Samples, and what is said of them.

use serde::Serialize;

/// The median and the quartiles of samples, all of which are kept.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) p25: f64,
    pub(crate) p75: f64,
    /// In the order in which they were taken.
    samples: Vec<f64>,
}

impl Summary {
    pub(crate) fn of(samples: Vec<f64>) -> Self {
        let mut sorted = samples.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { median: at(&sorted, 0.5), p25: at(&sorted, 0.25), p75: at(&sorted, 0.75), samples }
    }

    /// How far apart the quartiles are, as a part of the median.
    pub(crate) fn spread(&self) -> f64 {
        (self.p75 - self.p25) / self.median
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
    fn quartiles_lie_between_samples() {
        let summary = Summary::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!([summary.p25, summary.median, summary.p75], [1.75, 2.5, 3.25]);
        assert_eq!(summary.samples, [4.0, 1.0, 3.0, 2.0]);
        assert_eq!(Summary::of(vec![7.0]).median, 7.0);
        assert!(Summary::of(Vec::new()).median.is_nan(), "nothing was measured");
    }
}
