//! From characters and where they stand to words and lines.
//!
//! A PDF has no lines, and often no blanks: they are told by the gaps. What always holds: characters come in the order
//! in which the page shows them.
#![expect(clippy::arithmetic_side_effects, reason = "geometry in floating point, which does not overflow")]

use crate::meter::Fail;
use crate::output::Output;
use hayro_font::hayro_cmap::BfString;
use hayro_font::kurbo::{Affine, Point};

/// Gap that parts words, in sizes of the font.
const WORD: f64 = 0.17;
/// Distance that parts lines.
const LINE: f64 = 0.45;
/// Step back that parts words.
const BACK: f64 = 1.0;

#[derive(Default)]
pub(super) struct Layout {
    /// Where the last character ended, and its size.
    last: Option<(Point, f64)>,
    /// Characters that were shown, and those of them that are not known.
    pub(super) shown: u64,
    pub(super) unknown: u64,
}

impl Layout {
    /// A character at the origin of `place`, of a size there, that moves on by `advance`.
    pub(super) fn show(
        &mut self,
        text: Option<&BfString>,
        place: Affine,
        size: f64,
        advance: (f64, f64),
        output: &mut Output,
    ) -> Result<(), Fail> {
        let start = place * Point::ORIGIN;
        let end = place * Point::new(advance.0, advance.1);
        let height = (place * Point::new(0.0, size) - start).hypot();
        if let Some((last, last_height)) = self.last {
            let along = end - start;
            let length = along.hypot();
            // Signs that do not move on stand as if they were written to the right.
            let along = if length > 0.0 {
                along / length
            } else {
                (place * Point::new(1.0, 0.0) - start).normalize()
            };
            let (gap, unit) = (start - last, height.max(last_height));
            if gap.cross(along).abs() > LINE * unit {
                output.line()?;
            } else if gap.dot(along) > WORD * unit || gap.dot(along) < -BACK * unit {
                output.blank()?;
            }
        }
        self.last = Some((end, height));
        self.shown = self.shown.saturating_add(1);
        match text {
            Some(BfString::Char(c)) => self.character(*c, output),
            Some(BfString::String(text)) => text.chars().try_for_each(|c| self.character(c, output)),
            None => {
                self.unknown = self.unknown.saturating_add(1);
                Ok(())
            }
        }
    }

    /// What follows is elsewhere.
    pub(super) fn part(&mut self, output: &mut Output) -> Result<(), Fail> {
        self.last = None;
        output.part()
    }

    fn character(&mut self, c: char, output: &mut Output) -> Result<(), Fail> {
        match c {
            c if c.is_whitespace() => output.blank(),
            // Letters that are set as one are looked for as several.
            '\u{fb00}' => output.push("ff"),
            '\u{fb01}' => output.push("fi"),
            '\u{fb02}' => output.push("fl"),
            '\u{fb03}' => output.push("ffi"),
            '\u{fb04}' => output.push("ffl"),
            '\u{fb05}' | '\u{fb06}' => output.push("st"),
            '\u{e000}'..='\u{f8ff}' | '\u{fffd}' | '\0' => {
                self.unknown = self.unknown.saturating_add(1);
                Ok(())
            }
            c => output.character(c),
        }
    }
}
