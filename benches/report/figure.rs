//! Figures as people read them.

/// What stands where nothing was measured.
pub(crate) const NOTHING: &str = "–";

/// Three digits that count.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => NOTHING.to_owned(),
        _ if size >= 99.95 || size == 0.0 => format!("{value:.0}"),
        _ if size >= 9.995 => format!("{value:.1}"),
        _ if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The same of what may not have been measured.
pub(crate) fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), figure)
}

/// A ratio, which has two digits behind the point as long as they say something.
pub(crate) fn ratio(value: Option<f64>) -> String {
    match value {
        Some(value) if !value.is_finite() => NOTHING.to_owned(),
        Some(value) if value >= 99.95 => format!("{value:.0}"),
        Some(value) if value >= 9.995 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
        None => NOTHING.to_owned(),
    }
}

/// Tick marks: no digit that is not needed.
pub(crate) fn tick(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bytes, in MiB.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What ratios have in the middle; nothing of no ratios.
pub(crate) fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    let sum: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
    let mean = (sum / ratios.len() as f64).exp();
    mean.is_finite().then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let texts = [1234.5, 99.96, 25.44, 9.999, 1.234, 0.9996, 0.0123, 0.0].map(figure);
        assert_eq!(texts, ["1234", "100", "25.4", "10.0", "1.23", "1.00", "0.012", "0"]);
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        assert_eq!([figure(f64::NAN), maybe(None), ratio(Some(f64::INFINITY)), ratio(None)], [NOTHING; 4]);
    }

    #[test]
    fn a_tick_has_no_needless_digit() {
        assert_eq!([0.5, 20.0, 0.05].map(tick), ["0.5", "20", "0.05"]);
    }

    #[test]
    fn half_and_double_are_one_in_the_middle() {
        assert_eq!(geometric_mean(&[0.5, 2.0]), Some(1.0));
        assert_eq!(geometric_mean(&[]), None);
    }
}
