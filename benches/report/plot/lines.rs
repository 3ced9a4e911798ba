//! A measure that follows from a count, as a line for each target.

use plotters::style::RGBColor;

use super::scale::Scale;
use super::{Canvas, LETTERS, Letters, MARGIN, Side, WIDTH, apart, draw, width};
use crate::Result;
use crate::figure::tick;
use crate::palette::{FAINT, GRID};

/// A picture of lines.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) title: String,
    /// What is counted to the right and measured upwards.
    pub(crate) axes: [String; 2],
    /// In rising order, and as far apart from each other as the picture allows.
    pub(crate) counts: Vec<usize>,
    pub(crate) lines: Vec<Line>,
}

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) colour: RGBColor,
    /// For each count, as far as it was measured.
    pub(crate) values: Vec<Option<f64>>,
}

const HEIGHT: i32 = 440;
const TOP: i32 = 66;
const BOTTOM: i32 = HEIGHT - 52;
const LEFT: i32 = 62;

impl Lines {
    /// Draws it.
    pub(crate) fn svg(&self) -> Result<String> {
        draw(&self.title, HEIGHT, |canvas| {
            let values: Vec<f64> =
                self.lines.iter().flat_map(|line| &line.values).flatten().copied().collect();
            let up = Scale::fitting(&values, (BOTTOM, TOP));
            self.axes(canvas, &up)?;
            self.lines(canvas, &up)
        })
    }

    /// Where a count is: each has as much room as the others.
    fn x(&self, place: usize) -> i32 {
        let label = self.lines.iter().map(|line| width(&line.label(), LETTERS)).max().unwrap_or_default();
        let right = WIDTH - MARGIN - label - 30;
        let steps = self.counts.len().saturating_sub(1).max(1) as i32;
        LEFT + 24 + place as i32 * (right - LEFT - 24) / steps
    }

    fn axes(&self, canvas: &Canvas<'_>, up: &Scale) -> Result {
        canvas.write(&format!("↑ {}{}", self.axes[1], up.note()), MARGIN, 46, Letters::of(Side::Right))?;
        let middle = (LEFT + self.x(self.counts.len().saturating_sub(1))) / 2;
        canvas.write(&format!("{} →", self.axes[0]), middle, HEIGHT - 16, Letters::of(Side::Middle))?;
        for value in up.ticks() {
            let Some(y) = up.place(value) else { continue };
            canvas.line(vec![(LEFT, y), (self.x(self.counts.len().saturating_sub(1)), y)], GRID, 1)?;
            canvas.write(&tick(value), LEFT - 8, y, Letters::faint(Side::Left))?;
        }
        for (place, count) in self.counts.iter().enumerate() {
            canvas.write(&count.to_string(), self.x(place), BOTTOM + 14, Letters::faint(Side::Middle))?;
        }
        Ok(())
    }

    fn lines(&self, canvas: &Canvas<'_>, up: &Scale) -> Result {
        let points = |line: &Line| {
            let places = line.values.iter().enumerate();
            let points = places.filter_map(|(place, value)| Some((self.x(place), up.place((*value)?)?)));
            points.collect::<Vec<_>>()
        };
        let drawn: Vec<_> = self.lines.iter().map(|line| (line, points(line))).collect();
        let drawn: Vec<_> = drawn.into_iter().filter(|(_, points)| !points.is_empty()).collect();
        let mut heights: Vec<i32> = drawn.iter().map(|(_, points)| points[points.len() - 1].1).collect();
        apart(&mut heights, LETTERS + 4);
        let right = self.x(self.counts.len().saturating_sub(1));
        for ((line, points), height) in drawn.iter().zip(heights) {
            canvas.line(points.clone(), line.colour, 2)?;
            for point in points {
                canvas.dot(*point, 4, line.colour)?;
            }
            canvas.line(vec![points[points.len() - 1], (right + 18, height)], FAINT, 1)?;
            canvas.write(&line.label(), right + 22, height, Letters::of(Side::Right))?;
        }
        Ok(())
    }
}

impl Line {
    /// Its name, with its last value.
    fn label(&self) -> String {
        let last = self.values.iter().rev().flatten().find(|value| value.is_finite());
        last.map_or_else(
            || self.name.clone(),
            |value| format!("{} {}", self.name, crate::figure::figure(*value)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::colour;

    #[test]
    fn a_line_has_its_name_and_a_dot_for_each_measurement() {
        let line = |name: &str, values| Line { name: name.into(), colour: colour(name), values };
        let lines = Lines {
            title: "Throughput".into(),
            axes: ["at a time".into(), "a second".into()],
            counts: vec![1, 4, 8],
            lines: vec![
                line("wasmtime", vec![Some(30.0), Some(59.0), None]),
                line("wasmer", vec![None, Some(f64::NAN), None]),
            ],
        };
        let svg = lines.svg().expect("a picture");
        assert!(svg.contains("wasmtime 59.0") && svg.contains("at a time"), "{svg}");
        assert!(!svg.contains("wasmer"), "it has no measurement: {svg}");
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
    }
}
