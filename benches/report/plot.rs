//! Pictures, in SVG: white behind and with letters that need no font of this machine.

pub(crate) mod bars;
pub(crate) mod lines;
pub(crate) mod scale;
pub(crate) mod scatter;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Result;
use crate::palette::{FAINT, INK};

/// How wide every picture is.
pub(crate) const WIDTH: i32 = 860;
/// What stays free at its sides.
pub(crate) const MARGIN: i32 = 16;
/// The height of ordinary letters.
pub(crate) const LETTERS: i32 = 12;

/// Something to draw on, in pixels from the upper left corner.
pub(crate) struct Canvas<'a>(DrawingArea<SVGBackend<'a>, Shift>);

/// Where a text is in relation to its point; its middle has the point's height.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Left,
    Middle,
    Right,
}

/// Draws a picture of that height under a title.
pub(crate) fn draw(title: &str, height: i32, paint: impl FnOnce(&Canvas<'_>) -> Result) -> Result<String> {
    let mut svg = String::new();
    {
        let canvas =
            Canvas(SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area());
        canvas.0.fill(&WHITE)?;
        canvas.write(title, MARGIN, 20, Letters { size: 16, bold: true, ..Letters::of(Side::Right) })?;
        paint(&canvas)?;
        canvas.0.present()?;
    }
    Ok(svg)
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letters {
    pub(crate) side: Side,
    pub(crate) size: i32,
    pub(crate) bold: bool,
    pub(crate) colour: RGBColor,
}

impl Letters {
    pub(crate) fn of(side: Side) -> Self {
        Self { side, size: LETTERS, bold: false, colour: INK }
    }

    pub(crate) fn faint(side: Side) -> Self {
        Self { colour: FAINT, ..Self::of(side) }
    }
}

impl Canvas<'_> {
    pub(crate) fn write(&self, text: &str, x: i32, y: i32, letters: Letters) -> Result {
        let side = match letters.side {
            Side::Left => HPos::Right,
            Side::Middle => HPos::Center,
            Side::Right => HPos::Left,
        };
        // The backend takes the size to be that of a line, and divides it by 1.24.
        let font = FontDesc::new(
            FontFamily::SansSerif,
            f64::from(letters.size) * 1.24,
            if letters.bold { FontStyle::Bold } else { FontStyle::Normal },
        );
        let style = TextStyle::from(font).color(&letters.colour).pos(Pos::new(side, VPos::Center));
        Ok(self.0.draw(&Text::new(text.to_owned(), (x, y), style))?)
    }

    pub(crate) fn block(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Result {
        Ok(self.0.draw(&Rectangle::new([from, to], colour.filled()))?)
    }

    pub(crate) fn line(&self, points: Vec<(i32, i32)>, colour: RGBColor, width: u32) -> Result {
        Ok(self.0.draw(&PathElement::new(points, colour.stroke_width(width)))?)
    }

    pub(crate) fn dot(&self, at: (i32, i32), size: i32, colour: RGBColor) -> Result {
        Ok(self.0.draw(&Circle::new(at, size, colour.filled()))?)
    }

    /// A row of names with their colours.
    pub(crate) fn legend(&self, names: &[(String, RGBColor)], y: i32) -> Result {
        let mut x = MARGIN;
        for (name, colour) in names {
            self.block((x, y - 5), (x + 12, y + 6), *colour)?;
            self.write(name, x + 17, y, Letters::of(Side::Right))?;
            x += 17 + width(name, LETTERS) + 18;
        }
        Ok(())
    }
}

/// About how wide a text is: rather more than less, for nobody knows the font.
pub(crate) fn width(text: &str, size: i32) -> i32 {
    let of = |letter: char| match letter {
        'f' | 'i' | 'j' | 'l' | 'r' | 't' | 'I' | ' ' | '.' | ',' | ':' | '(' | ')' | '-' => 0.42,
        'm' | 'w' | 'M' | 'W' => 0.95,
        _ => 0.66,
    };
    (text.chars().map(of).sum::<f64>() * f64::from(size)).ceil() as i32
}

/// Moves heights apart until labels at them do not touch, in whatever order they come.
pub(crate) fn apart(heights: &mut [i32], distance: i32) {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by_key(|place| heights[*place]);
    for pair in 1..order.len() {
        let least = heights[order[pair - 1]] + distance;
        heights[order[pair]] = heights[order[pair]].max(least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stay_letters_and_odd_ones_are_escaped() {
        let svg = draw("a < b & c", 100, |canvas| canvas.write("25.4 ms", 10, 50, Letters::of(Side::Right)))
            .expect("a picture");
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains("25.4 ms"), "{svg}");
        assert!(svg.contains("font-family=\"sans-serif\""), "{svg}");
    }

    #[test]
    fn labels_keep_their_order_and_their_distance() {
        let mut heights = [50, 10, 52, 49];
        apart(&mut heights, 14);
        assert_eq!(heights, [63, 10, 77, 49]);
    }
}
