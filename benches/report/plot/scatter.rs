//! Points by two measures.

use plotters::style::{RGBColor, WHITE};

use super::scale::Scale;
use super::{Canvas, LETTERS, Letters, MARGIN, Side, WIDTH, draw, width};
use crate::Result;
use crate::figure::tick;
use crate::palette::{FAINT, GRID};

/// A picture of points.
#[derive(Debug)]
pub(crate) struct Scatter {
    pub(crate) title: String,
    /// What is measured to the right and upwards, with their units.
    pub(crate) axes: [String; 2],
    /// What a place in the picture means.
    pub(crate) note: String,
    /// A height with a line across.
    pub(crate) mark: f64,
    pub(crate) points: Vec<Point>,
}

/// One point.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) at: [f64; 2],
    pub(crate) label: String,
    pub(crate) colour: RGBColor,
}

const HEIGHT: i32 = 420;
const TOP: i32 = 70;
const BOTTOM: i32 = HEIGHT - 52;
const LEFT: i32 = 70;

impl Scatter {
    /// Draws it.
    pub(crate) fn svg(&self) -> Result<String> {
        draw(&self.title, HEIGHT, |canvas| {
            let values = |axis: usize| self.points.iter().map(|point| point.at[axis]).collect::<Vec<_>>();
            let label = self.points.iter().map(|point| width(&point.label, LETTERS)).max();
            let right = WIDTH - MARGIN - label.unwrap_or_default() - 12;
            let across = Scale::fitting(&values(0), (LEFT, right));
            let heights = [values(1), vec![self.mark]].concat();
            let up = Scale::fitting(&heights, (BOTTOM, TOP));
            self.axes(canvas, &across, &up)?;
            self.points(canvas, &across, &up)
        })
    }

    fn axes(&self, canvas: &Canvas<'_>, across: &Scale, up: &Scale) -> Result {
        canvas.write(&format!("↑ {}{}", self.axes[1], up.note()), MARGIN, 46, Letters::of(Side::Right))?;
        canvas.write(&self.note, WIDTH - MARGIN, 46, Letters::faint(Side::Left))?;
        let name = format!("{}{} →", self.axes[0], across.note());
        canvas.write(&name, (LEFT + WIDTH - MARGIN) / 2, HEIGHT - 16, Letters::of(Side::Middle))?;
        for value in across.ticks() {
            let Some(x) = across.place(value) else { continue };
            canvas.line(vec![(x, TOP), (x, BOTTOM)], GRID, 1)?;
            canvas.write(&tick(value), x, BOTTOM + 13, Letters::faint(Side::Middle))?;
        }
        for value in up.ticks() {
            let Some(y) = up.place(value) else { continue };
            canvas.line(vec![(LEFT, y), (WIDTH - MARGIN, y)], GRID, 1)?;
            canvas.write(&tick(value), LEFT - 8, y, Letters::faint(Side::Left))?;
        }
        canvas.line(vec![(LEFT, TOP), (LEFT, BOTTOM), (WIDTH - MARGIN, BOTTOM)], FAINT, 1)?;
        let Some(y) = up.place(self.mark) else { return Ok(()) };
        canvas.line(vec![(LEFT, y), (WIDTH - MARGIN, y)], FAINT, 2)
    }

    fn points(&self, canvas: &Canvas<'_>, across: &Scale, up: &Scale) -> Result {
        let place = |point: &Point| across.place(point.at[0]).zip(up.place(point.at[1]));
        let mut placed: Vec<_> =
            self.points.iter().filter_map(|point| Some((point, place(point)?))).collect();
        placed.sort_by_key(|(_, (_, y))| *y);
        let mut labels = Vec::new();
        for (point, (x, y)) in &placed {
            let label = Label { left: x + 14, right: x + 14 + width(&point.label, LETTERS), y: *y };
            labels.push(label.beside(&labels));
        }
        // No line runs through a label.
        for Label { left, right, y } in &labels {
            canvas.block((left - 2, y - LETTERS / 2 - 1), (*right, y + LETTERS / 2 + 2), WHITE)?;
        }
        for ((point, (x, y)), label) in placed.into_iter().zip(labels) {
            if label.y != y {
                canvas.line(vec![(x, y), (x + 12, label.y)], FAINT, 1)?;
            }
            canvas.dot((x, y), 7, point.colour)?;
            canvas.write(&point.label, label.left, label.y, Letters::of(Side::Right))?;
        }
        Ok(())
    }
}

/// Where a text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Label {
    left: i32,
    right: i32,
    y: i32,
}

impl Label {
    /// Moved down until it touches none of those that are above it.
    fn beside(mut self, others: &[Self]) -> Self {
        for other in others {
            if self.left < other.right && other.left < self.right {
                self.y = self.y.max(other.y + LETTERS + 4);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::colour;

    #[test]
    fn each_point_has_its_label_and_what_has_no_place_is_left_out() {
        let point = |name: &str, at| Point { at, label: format!("{name} here"), colour: colour(name) };
        let scatter = Scatter {
            title: "Both".into(),
            axes: ["compile time, ms".into(), "run time".into()],
            note: "better".into(),
            mark: 1.0,
            points: vec![point("wasmtime", [120.0, 1.2]), point("wasmer", [f64::NAN, 1.0])],
        };
        let svg = scatter.svg().expect("a picture");
        assert!(svg.contains("wasmtime here") && svg.contains("compile time, ms"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 1, "{svg}");
    }

    #[test]
    fn a_label_makes_room_for_those_that_it_would_touch_only() {
        let label = |left, y| Label { left, right: left + 100, y };
        assert_eq!(label(50, 20).beside(&[label(0, 10)]), label(50, 26));
        assert_eq!(label(50, 40).beside(&[label(0, 10)]), label(50, 40), "it is below already");
        assert_eq!(label(200, 20).beside(&[label(0, 10)]), label(200, 20), "it is elsewhere");
    }
}
