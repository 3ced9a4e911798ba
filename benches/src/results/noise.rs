//! How far the figures can be trusted.

use super::NOISY;
use super::containers::{Containers, Program, Starts};
use super::engines::{Engines, Kernel, NATIVE};
use super::query::Setting;
use super::target::FLOOR;

/// How far quartiles are apart, as a part of their median.
#[derive(Clone, Debug)]
pub struct Noise {
    /// What ought to be constant.
    of: &'static str,
    constant: Option<f64>,
    /// What is measured, where they are furthest apart.
    widest: Option<(String, f64)>,
}

impl Containers {
    /// That of the floor, and that of the warm start whose quartiles are furthest apart.
    #[must_use]
    pub fn trust(&self) -> Noise {
        let rows = self.starts.iter().filter(|row| row.setting() == Setting::WARM && row.target != FLOOR);
        let rows = rows.filter(|row| row.program != Program::Stamp && row.failure.is_none());
        let name = |row: &Starts| format!("{} {} ({})", row.target, row.program, row.image);
        Noise {
            of: "the floor",
            constant: self.noise,
            widest: widest(rows.map(|row| (name(row), row.to_exit.spread()))),
        }
    }
}

impl Engines {
    /// That of native code, and that of the kernel on an engine whose quartiles are furthest apart.
    #[must_use]
    pub fn trust(&self) -> Noise {
        let rows = self.kernels.iter().filter(|row| row.engine != NATIVE && row.failure.is_none());
        let name = |row: &Kernel| format!("{} on {}", row.kernel, row.engine);
        Noise {
            of: "native code",
            constant: self.noise,
            widest: widest(rows.map(|row| (name(row), row.run.spread()))),
        }
    }
}

fn widest(spreads: impl Iterator<Item = (String, f64)>) -> Option<(String, f64)> {
    spreads.filter(|(_, spread)| spread.is_finite()).max_by(|(_, one), (_, other)| one.total_cmp(other))
}

impl Noise {
    /// Both, in a sentence.
    #[must_use]
    pub fn said(&self) -> String {
        let Some(constant) = self.constant.filter(|constant| constant.is_finite()) else {
            return "Noise was not measured, so nobody knows how far the figures can be trusted.".to_owned();
        };
        let of = self.of;
        let said = format!("Noise: the quartiles of {of} are {:.0} % of its median apart", constant * 100.0);
        match &self.widest {
            Some((what, spread)) => format!("{said}, and at most those of {what}, {:.0} %.", spread * 100.0),
            None => format!("{said}."),
        }
    }

    /// What is not to be trusted, if it is much.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        if self.constant.is_some_and(|constant| constant > NOISY) {
            return Some("the machine was too busy for these figures to be trusted.");
        }
        let is_wide = self.widest.as_ref().is_some_and(|(_, spread)| *spread > NOISY);
        is_wide.then_some("single samples lie far apart: a difference that is within the quartiles is none.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(constant: f64, widest: f64) -> Noise {
        Noise { of: "the floor", constant: Some(constant), widest: Some(("wasmer hello".into(), widest)) }
    }

    #[test]
    fn what_lies_far_apart_is_warned_of_whatever_the_floor_does() {
        let said = noise(0.1, 0.49).said();
        assert!(
            said.contains("10 % of its median apart, and at most those of wasmer hello, 49 %."),
            "{said}"
        );
        assert!(noise(0.1, 0.49).warning().is_some_and(|warning| warning.contains("within the quartiles")));
        assert!(noise(0.3, 0.1).warning().is_some_and(|warning| warning.contains("too busy")));
        assert_eq!(noise(0.1, 0.1).warning(), None);
    }

    #[test]
    fn the_widest_has_figures() {
        let spreads =
            [("a", 0.1), ("b", f64::NAN), ("c", 0.3)].map(|(name, spread)| (name.to_owned(), spread));
        assert_eq!(widest(spreads.into_iter()), Some(("c".into(), 0.3)));
    }
}
