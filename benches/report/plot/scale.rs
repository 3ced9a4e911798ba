//! From values to pixels.

/// One axis. Pixels may rise or fall along it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    from: f64,
    to: f64,
    /// Equal distances are equal ratios.
    pub(crate) is_logarithmic: bool,
    pixels: (i32, i32),
}

/// From here on, the least would be hard to see beside the most.
const WIDE: f64 = 10.0;

impl Scale {
    /// From zero to somewhat above all values.
    pub(crate) fn linear(values: &[f64], pixels: (i32, i32)) -> Self {
        let most = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let most = if most > 0.0 { most } else { 1.0 };
        let step = step(most);
        Self { from: 0.0, to: (most / step).ceil() * step, is_logarithmic: false, pixels }
    }

    /// Logarithmic where the values are far apart.
    pub(crate) fn fitting(values: &[f64], pixels: (i32, i32)) -> Self {
        let good = || values.iter().copied().filter(|value| value.is_finite() && *value > 0.0);
        let (least, most) = (good().fold(f64::INFINITY, f64::min), good().fold(0.0, f64::max));
        if most <= least * WIDE {
            return Self::linear(values, pixels);
        }
        // A little lower than the least, for a bar must have a length.
        Self { from: below(least * 0.8), to: above(most), is_logarithmic: true, pixels }
    }

    /// Where a value is; nowhere, if it is none.
    pub(crate) fn place(&self, value: f64) -> Option<i32> {
        let part = if self.is_logarithmic {
            (value / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        let (first, last) = self.pixels;
        part.is_finite().then(|| first + (part.clamp(0.0, 1.0) * f64::from(last - first)).round() as i32)
    }

    /// Round values along the axis.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        if !self.is_logarithmic {
            let step = step(self.to);
            let count = (self.to / step).round() as usize;
            return (0..=count).map(|number| number as f64 * step).collect();
        }
        let decades = (self.to / self.from).log10();
        let kinds: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = self.from.log10().floor() as i32..=self.to.log10().ceil() as i32;
        let all = powers.flat_map(|power| kinds.iter().map(move |kind| kind * 10_f64.powi(power)));
        all.filter(|tick| *tick >= self.from * 0.999 && *tick <= self.to * 1.001).collect()
    }

    /// What is said of it beside its unit.
    pub(crate) fn note(&self) -> &'static str {
        if self.is_logarithmic { ", logarithmic" } else { "" }
    }
}

/// Between four and eight steps of 1, 2 or 5.
fn step(most: f64) -> f64 {
    let power = 10_f64.powf((most / 4.0).log10().floor());
    let fits = [5.0, 2.0, 1.0].into_iter().find(|kind| kind * power <= most / 4.0);
    fits.unwrap_or(1.0) * power
}

const ROUND: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

fn below(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    ROUND.into_iter().rev().map(|kind| kind * power).find(|round| *round <= value).unwrap_or(power)
}

fn above(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    ROUND.into_iter().map(|kind| kind * power).find(|round| *round >= value).unwrap_or(power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_at_round_values_and_begins_at_zero() {
        let scale = Scale::linear(&[25.4, f64::NAN, 65.1], (100, 500));
        assert_eq!(scale.ticks(), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]);
        assert_eq!(
            [scale.place(0.0), scale.place(35.0), scale.place(70.0)],
            [Some(100), Some(300), Some(500)]
        );
    }

    #[test]
    fn is_logarithmic_where_values_are_far_apart() {
        assert!(!Scale::fitting(&[1.0, 9.0], (0, 100)).is_logarithmic);
        let scale = Scale::fitting(&[1.3, 900.0], (0, 100));
        assert!(scale.is_logarithmic);
        assert_eq!(scale.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]);
    }

    #[test]
    fn what_is_no_number_has_no_place() {
        let linear = Scale::linear(&[], (0, 100));
        let wide = Scale::fitting(&[1.0, 1000.0], (0, 100));
        assert_eq!([linear.place(f64::NAN), wide.place(f64::NAN), wide.place(-1.0)], [None; 3]);
        assert_eq!(wide.place(0.0), None, "zero is infinitely far away");
    }
}
