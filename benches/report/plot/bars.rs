//! Horizontal bars in groups, each of one part or of several; dots, where the axis is logarithmic.

use plotters::style::RGBColor;

use super::scale::Scale;
use super::{Canvas, LETTERS, Letters, MARGIN, Side, WIDTH, draw, width};
use crate::Result;
use crate::figure::tick;
use crate::palette::{FAINT, GRID, INK};

/// A picture of bars.
#[derive(Debug)]
pub(crate) struct Bars {
    pub(crate) title: String,
    /// What the values are, with their unit.
    pub(crate) axis: String,
    /// Whether ratios may be shown in place of lengths: only of bars that have one part.
    pub(crate) may_be_logarithmic: bool,
    /// A value with a line across all bars.
    pub(crate) mark: Option<f64>,
    pub(crate) legend: Vec<(String, RGBColor)>,
    pub(crate) groups: Vec<Group>,
}

/// Bars that belong together.
#[derive(Debug)]
pub(crate) struct Group {
    /// Empty, where each bar stands for itself.
    pub(crate) name: String,
    pub(crate) bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug, Default)]
pub(crate) struct Bar {
    pub(crate) name: String,
    /// From left to right; none, where nothing was measured.
    pub(crate) parts: Vec<(f64, RGBColor)>,
    /// Between which values most samples lie.
    pub(crate) whiskers: Option<[f64; 2]>,
    /// What is written at its end.
    pub(crate) label: String,
}

const BAR: i32 = 15;
const ROW: i32 = 21;
/// Half of a dot's width.
const DOT: i32 = 6;
/// The size that ordinary letters seem to have where they are bold.
const BOLD: i32 = LETTERS + 1;
const BETWEEN_GROUPS: i32 = 11;

impl Bar {
    /// What is said of a bar that cannot be drawn.
    pub(crate) fn missing(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn end(&self) -> f64 {
        self.parts.iter().map(|(value, _)| value).sum()
    }

    fn is_drawn(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|(value, _)| value.is_finite())
    }
}

impl Bars {
    /// Whether there is nothing to draw.
    pub(crate) fn is_empty(&self) -> bool {
        !self.bars().any(Bar::is_drawn)
    }

    /// Draws it.
    pub(crate) fn svg(&self) -> Result<String> {
        let top = if self.legend.is_empty() { 40 } else { 64 };
        let bars: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        let gaps = (self.groups.len().saturating_sub(1)) as i32 * self.gap();
        let bottom = top + bars as i32 * ROW + gaps;
        draw(&self.title, bottom + 52, |canvas| {
            if !self.legend.is_empty() {
                canvas.legend(&self.legend, 45)?;
            }
            let scale = self.scale();
            self.axis(canvas, &scale, (top, bottom))?;
            let mut y = top;
            for group in &self.groups {
                self.group(canvas, &scale, group, y)?;
                y += group.bars.len() as i32 * ROW + self.gap();
            }
            self.mark(canvas, &scale, (top, bottom))
        })
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }

    fn gap(&self) -> i32 {
        if self.groups.iter().all(|group| group.bars.len() < 2) { 0 } else { BETWEEN_GROUPS }
    }

    /// Where the bars begin, to the right of all names.
    fn left(&self) -> i32 {
        let groups = self.groups.iter().map(|group| width(&group.name, BOLD)).max().unwrap_or_default();
        let bars = self.bars().map(|bar| width(&bar.name, LETTERS)).max().unwrap_or_default();
        let columns = [groups, bars].into_iter().filter(|width| *width > 0);
        MARGIN + columns.map(|width| width + 8).sum::<i32>()
    }

    fn scale(&self) -> Scale {
        let label = self.bars().map(|bar| width(&bar.label, LETTERS)).max().unwrap_or_default();
        let pixels = (self.left(), WIDTH - MARGIN - 8 - label);
        let drawn = || self.bars().filter(|bar| bar.is_drawn());
        let ends = drawn().map(Bar::end);
        let whiskers = drawn().flat_map(|bar| bar.whiskers.into_iter().flatten());
        let values: Vec<f64> = ends.chain(whiskers).chain(self.mark).collect();
        if self.may_be_logarithmic { Scale::fitting(&values, pixels) } else { Scale::linear(&values, pixels) }
    }

    fn axis(&self, canvas: &Canvas<'_>, scale: &Scale, (top, bottom): (i32, i32)) -> Result {
        let mut free = i32::MIN;
        for value in scale.ticks() {
            let Some(x) = scale.place(value) else { continue };
            canvas.line(vec![(x, top), (x, bottom)], GRID, 1)?;
            let (text, half) = (tick(value), width(&tick(value), LETTERS) / 2);
            if x - half > free {
                canvas.write(&text, x, bottom + 13, Letters::faint(Side::Middle))?;
                free = x + half + 4;
            }
        }
        let middle = (self.left() + WIDTH - MARGIN) / 2;
        let name = format!("{}{}", self.axis, scale.note());
        canvas.write(&name, middle, bottom + 34, Letters::of(Side::Middle))
    }

    fn group(&self, canvas: &Canvas<'_>, scale: &Scale, group: &Group, top: i32) -> Result {
        let middle = top + group.bars.len() as i32 * ROW / 2;
        let letters = Letters { bold: true, ..Letters::of(Side::Right) };
        canvas.write(&group.name, MARGIN, middle, letters)?;
        for (number, bar) in group.bars.iter().enumerate() {
            self.bar(canvas, scale, bar, top + number as i32 * ROW + ROW / 2)?;
        }
        Ok(())
    }

    fn bar(&self, canvas: &Canvas<'_>, scale: &Scale, bar: &Bar, y: i32) -> Result {
        let left = self.left();
        canvas.write(&bar.name, left - 8, y, Letters::of(Side::Left))?;
        if !bar.is_drawn() {
            return canvas.write("not measured", left + 6, y, Letters::faint(Side::Right));
        }
        let x = if scale.is_logarithmic {
            self.dot(canvas, scale, bar, y)?
        } else {
            self.parts(canvas, scale, bar, y)?
        };
        let x = Self::whiskers(canvas, scale, bar, y)?.map_or(x, |high| x.max(high));
        canvas.write(&bar.label, x + 6, y, Letters::of(Side::Right))
    }

    /// Draws the parts of a bar, and gives its end.
    fn parts(&self, canvas: &Canvas<'_>, scale: &Scale, bar: &Bar, y: i32) -> Result<i32> {
        let left = self.left();
        let (mut value, mut x) = (0.0, left);
        for (part, colour) in &bar.parts {
            value += part;
            let Some(end) = scale.place(value).filter(|end| *end >= x) else { continue };
            // A gap between parts, for shades alone may be too much alike.
            let from = if x > left && end > x + 2 { x + 1 } else { x };
            canvas.block((from, y - BAR / 2), (end, y + BAR / 2 + 1), *colour)?;
            x = end;
        }
        Ok(x)
    }

    /// Draws a dot in place of a bar: a logarithmic axis begins anywhere, so that a length on it says nothing.
    fn dot(&self, canvas: &Canvas<'_>, scale: &Scale, bar: &Bar, y: i32) -> Result<i32> {
        let (left, colour) = (self.left(), bar.parts[0].1);
        let Some(x) = scale.place(bar.end()) else { return Ok(left) };
        // For the eye, from the name to the dot.
        canvas.line(vec![(left, y), (x, y)], GRID, 1)?;
        canvas.dot((x, y), DOT, colour)?;
        Ok(x + DOT)
    }

    /// Draws between which values most samples lie, and gives where that ends.
    fn whiskers(canvas: &Canvas<'_>, scale: &Scale, bar: &Bar, y: i32) -> Result<Option<i32>> {
        let ends = bar.whiskers.and_then(|[low, high]| scale.place(low).zip(scale.place(high)));
        let Some((low, high)) = ends else { return Ok(None) };
        canvas.line(vec![(low, y), (high, y)], INK, 1)?;
        for end in [low, high] {
            canvas.line(vec![(end, y - 4), (end, y + 4)], INK, 1)?;
        }
        Ok(Some(high))
    }

    fn mark(&self, canvas: &Canvas<'_>, scale: &Scale, (top, bottom): (i32, i32)) -> Result {
        let Some(x) = self.mark.and_then(|mark| scale.place(mark)) else { return Ok(()) };
        canvas.line(vec![(x, top - 4), (x, bottom + 4)], FAINT, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::colour;

    fn bars(values: &[(&str, f64)]) -> Bars {
        let bar = |(name, value): &(&str, f64)| Bar {
            name: (*name).into(),
            parts: vec![(*value, colour(name))],
            whiskers: Some([value * 0.9, value * 1.1]),
            label: format!("{value} ms"),
        };
        Bars {
            title: "Times".into(),
            axis: "ms".into(),
            may_be_logarithmic: true,
            mark: Some(1.0),
            legend: vec![("all".into(), colour("runc"))],
            groups: vec![Group { name: "one".into(), bars: values.iter().map(bar).collect() }],
        }
    }

    #[test]
    fn names_values_axis_and_legend_are_in_the_picture() {
        let svg = bars(&[("wasmtime", 25.4), ("runc", 56.4)]).svg().expect("a picture");
        for text in ["Times", "\nms, logarithmic\n", "wasmtime", "25.4 ms", "runc", "56.4 ms", "all", "one"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }

    #[test]
    fn a_logarithmic_axis_has_dots_and_no_lengths() {
        let count = |values: &[(&str, f64)]| {
            let svg = bars(values).svg().expect("a picture");
            (svg.matches("<circle").count(), svg.matches("<rect").count())
        };
        // What is behind all, and a colour of the legend.
        assert_eq!(count(&[("wasmtime", 25.4), ("runc", 56.4)]), (2, 2));
        assert_eq!(count(&[("wasmtime", 1.1), ("runc", 1.2)]), (0, 4), "a linear axis begins at zero");
    }

    #[test]
    fn what_was_not_measured_has_words_and_no_bar() {
        let mut bars = bars(&[("wasmtime", f64::NAN)]);
        assert!(bars.is_empty());
        let nothing = bars.svg().expect("a picture").matches("<rect").count();
        bars.groups[0].bars.push(Bar::missing("wasmer"));
        let svg = bars.svg().expect("a picture");
        assert!(svg.contains("not measured") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), nothing, "a bar of no length says zero");
    }
}
