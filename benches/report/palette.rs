//! One colour for each engine, on every picture: those of Okabe and Ito, which the colour-blind tell apart.

use plotters::style::RGBColor;
use shimmer_benches::results::engines::NATIVE;
use shimmer_benches::results::target::{FLOOR, RUNC, RUNWASI};

/// Text, axes and whiskers.
pub(crate) const INK: RGBColor = RGBColor(0x24, 0x29, 0x2f);
/// What is said in passing.
pub(crate) const FAINT: RGBColor = RGBColor(0x6e, 0x77, 0x81);
/// The lines behind the bars.
pub(crate) const GRID: RGBColor = RGBColor(0xe4, 0xe7, 0xeb);
/// In legends, what has a shade and no colour.
pub(crate) const GREY: RGBColor = RGBColor(0x80, 0x86, 0x8c);

const NAMED: [(&str, RGBColor); 7] = [
    ("wasmtime", RGBColor(0x00, 0x72, 0xb2)),
    ("wasmedge", RGBColor(0xe6, 0x9f, 0x00)),
    ("wasmer", RGBColor(0x00, 0x9e, 0x73)),
    (RUNWASI, RGBColor(0xcc, 0x79, 0xa7)),
    (RUNC, RGBColor(0x6b, 0x6f, 0x75)),
    (NATIVE, RGBColor(0x6b, 0x6f, 0x75)),
    (FLOOR, RGBColor(0xb4, 0xb9, 0xbf)),
];

/// For whoever comes next.
const OTHERS: [RGBColor; 3] =
    [RGBColor(0xd5, 0x5e, 0x00), RGBColor(0x56, 0xb4, 0xe9), RGBColor(0x8c, 0x6b, 0x1f)];

/// The colour of an engine or a target. An old host has a light one of its engine's; whatever begins with an
/// engine's name has a dark one.
pub(crate) fn colour(name: &str) -> RGBColor {
    if let Some(engine) = name.strip_prefix("old-") {
        return light(colour(engine), 0.5);
    }
    if let Some((known, colour)) = NAMED.iter().find(|(known, _)| name.starts_with(known)) {
        return if name == *known { *colour } else { mix(*colour, 0, 0.35) };
    }
    let sum: usize = name.bytes().map(usize::from).sum();
    OTHERS[sum % OTHERS.len()]
}

/// Nearer to white by this part.
pub(crate) fn light(colour: RGBColor, part: f64) -> RGBColor {
    mix(colour, 255, part)
}

/// A part of a whole, from dark to light: shades differ for every eye.
pub(crate) fn shade(colour: RGBColor, place: usize, count: usize) -> RGBColor {
    let along = place as f64 / count.saturating_sub(1).max(1) as f64;
    let step = along * 1.05 - 0.35;
    if step < 0.0 { mix(colour, 0, -step) } else { mix(colour, 255, step) }
}

fn mix(RGBColor(red, green, blue): RGBColor, with: u8, part: f64) -> RGBColor {
    let mixed = |one: u8| (f64::from(one) * (1.0 - part) + f64::from(with) * part).round() as u8;
    RGBColor(mixed(red), mixed(green), mixed(blue))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_of_an_engine_has_a_shade_of_its_colour() {
        assert_eq!(colour("wasmtime serve"), mix(colour("wasmtime"), 0, 0.35));
        assert_eq!(colour("old-wasmer"), light(colour("wasmer"), 0.5));
        assert_ne!(colour("wasmtime"), colour("wasmer"));
        assert_eq!(colour("another"), colour("another"), "it does not change from picture to picture");
    }

    #[test]
    fn parts_have_shades_from_dark_to_light() {
        let RGBColor(first, ..) = shade(GREY, 0, 4);
        let RGBColor(last, ..) = shade(GREY, 3, 4);
        assert!(first < GREY.0 && GREY.0 < last && last < 255, "{first} {last}");
    }
}
