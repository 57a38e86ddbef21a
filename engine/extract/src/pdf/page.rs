//! Following the operators of a page, for its text.
//!
//! What always holds: forms within forms are followed to a depth, saved states are bounded, and the clock is asked
//! between operators. Text that is not drawn but there, as below a scan, is read too.
#![expect(clippy::arithmetic_side_effects, reason = "geometry in floating point, which does not overflow")]

use super::font::{Fonts, Known};
use super::layout::Layout;
use super::stream::decode;
use crate::meter::{Fail, Meter, corrupt};
use crate::output::Output;
use hayro_font::hayro_cmap::BfString;
use hayro_font::kurbo::Affine;
use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction;
use hayro_syntax::object::{Array, Dict, Name, Number, Object, Stream};
use hayro_syntax::page::{Page, Resources};
use std::rc::Rc;

/// Forms in forms.
const FORMS: u32 = 12;
/// Saved states.
const STATES: usize = 512;
/// Most bytes of the operators of one page.
const CONTENT: usize = 64 << 20;
/// Most streams of one page.
const STREAMS: usize = 10_000;

#[derive(Clone)]
struct State<'p> {
    place: Affine,
    font: Option<Rc<Known<'p>>>,
    size: f64,
    /// Added to each character, and to each blank.
    spacing: (f64, f64),
    /// Stretch to the right.
    scale: f64,
    leading: f64,
    rise: f64,
}

pub(super) struct Reader<'p, 'a, 'l> {
    meter: &'a Meter<'l>,
    output: &'a mut Output,
    fonts: Fonts<'p>,
    layout: Layout,
    state: State<'p>,
    saved: Vec<State<'p>>,
    unsaved: u32,
    /// A form was passed over because of its depth.
    too_deep: bool,
    /// Where the next character goes, and where its line began.
    text: Affine,
    line: Affine,
}

impl<'p, 'a, 'l> Reader<'p, 'a, 'l> {
    pub(super) fn new(meter: &'a Meter<'l>, output: &'a mut Output) -> Self {
        Self {
            meter,
            output,
            fonts: Fonts::new(),
            layout: Layout::default(),
            state: fresh(),
            saved: Vec::new(),
            unsaved: 0,
            too_deep: false,
            text: Affine::IDENTITY,
            line: Affine::IDENTITY,
        }
    }

    pub(super) fn output(&mut self) -> &mut Output {
        self.output
    }

    /// Notes if most of what was shown could not be told.
    pub(super) fn finish(self) {
        let Layout { shown, unknown, .. } = self.layout;
        if unknown.saturating_mul(2) > shown {
            let reason = format!("its fonts do not tell what {unknown} of {shown} characters are");
            self.output.note(&Fail::Unsupported(reason));
        }
    }

    pub(super) fn page(&mut self, page: &Page<'p>) -> Result<(), Fail> {
        let mut content = Vec::new();
        let raw = page.raw();
        if let Some(stream) = raw.get::<Stream<'_>>("Contents") {
            self.add(&stream, &mut content)?;
        } else if let Some(streams) = raw.get::<Array<'_>>("Contents") {
            for stream in streams.iter::<Stream<'_>>().take(STREAMS) {
                self.add(&stream, &mut content)?;
            }
        }
        (self.state, self.unsaved) = (fresh(), 0);
        self.saved.clear();
        self.layout.part(self.output)?;
        self.run(&content, page.resources(), 0)
    }

    /// Adds what a stream of a page unpacks to. What does not is noted.
    fn add(&mut self, stream: &Stream<'_>, content: &mut Vec<u8>) -> Result<(), Fail> {
        match decode(stream, self.meter) {
            Ok((bytes, _)) if content.len().saturating_add(bytes.len()) > CONTENT => {
                self.output.note(&Fail::Memory(format!("a page is of more than {CONTENT} bytes")));
            }
            Ok((bytes, whole)) => {
                content.extend_from_slice(&bytes);
                content.push(b' ');
                if !whole {
                    self.output.note(&corrupt("a stream is damaged"));
                }
            }
            Err(fail) if fail.ends_all() => return Err(fail),
            Err(fail) => self.output.note(&fail),
        }
        Ok(())
    }

    fn run(&mut self, content: &[u8], resources: &Resources<'p>, depth: u32) -> Result<(), Fail> {
        let (mut operators, mut count) = (TypedIter::new(content), 0_u32);
        while let Some(operator) = operators.next() {
            count = count.wrapping_add(1);
            if count.is_multiple_of(256) {
                self.meter.time()?;
            }
            self.operator(&operator, resources, depth)?;
        }
        Ok(())
    }

    fn operator(
        &mut self,
        operator: &TypedInstruction<'_, '_>,
        resources: &Resources<'p>,
        depth: u32,
    ) -> Result<(), Fail> {
        use TypedInstruction as I;
        match operator {
            I::SaveState(_) if self.saved.len() < STATES => self.saved.push(self.state.clone()),
            I::SaveState(_) => self.unsaved = self.unsaved.saturating_add(1),
            I::RestoreState(_) if self.unsaved > 0 => self.unsaved = self.unsaved.saturating_sub(1),
            I::RestoreState(_) => self.state = self.saved.pop().unwrap_or_else(fresh),
            I::Transform(to) => {
                self.state.place *= affine([to.0, to.1, to.2, to.3, to.4, to.5]);
            }
            I::BeginText(_) => (self.text, self.line) = (Affine::IDENTITY, Affine::IDENTITY),
            I::SetTextMatrix(to) => {
                self.line = affine([to.0, to.1, to.2, to.3, to.4, to.5]);
                self.text = self.line;
            }
            I::NextLine(by) => self.next_line(by.0.as_f64(), by.1.as_f64()),
            I::NextLineAndSetLeading(by) => {
                self.state.leading = -by.1.as_f64();
                self.next_line(by.0.as_f64(), by.1.as_f64());
            }
            I::NextLineUsingLeading(_) => self.next_line(0.0, -self.state.leading),
            I::TextFont(font) => self.font(font.0, font.1, resources)?,
            I::CharacterSpacing(by) => self.state.spacing.0 = by.0.as_f64(),
            I::WordSpacing(by) => self.state.spacing.1 = by.0.as_f64(),
            I::HorizontalScaling(by) => self.state.scale = by.0.as_f64() / 100.0,
            I::TextLeading(by) => self.state.leading = by.0.as_f64(),
            I::TextRise(by) => self.state.rise = by.0.as_f64(),
            I::ShowText(text) => self.show(text.0.as_bytes())?,
            I::NextLineAndShowText(text) => {
                self.next_line(0.0, -self.state.leading);
                self.show(text.0.as_bytes())?;
            }
            I::ShowTextWithParameters(text) => {
                self.state.spacing = (text.1.as_f64(), text.0.as_f64());
                self.next_line(0.0, -self.state.leading);
                self.show(text.2.as_bytes())?;
            }
            I::ShowTexts(texts) => {
                for item in texts.0.iter::<Object<'_>>() {
                    match item {
                        Object::String(text) => self.show(text.as_bytes())?,
                        Object::Number(by) => self.kern(by.as_f64()),
                        _ => {}
                    }
                }
            }
            I::XObject(name) => self.form(name.0, resources, depth)?,
            _ => {}
        }
        Ok(())
    }

    fn next_line(&mut self, x: f64, y: f64) {
        self.line *= Affine::translate((x, y));
        self.text = self.line;
    }

    fn kern(&mut self, by: f64) {
        let by = -by / 1000.0 * self.state.size;
        let down = self.state.font.as_ref().is_some_and(|font| !font.is_horizontal());
        let by = if down { (0.0, by) } else { (by * self.state.scale, 0.0) };
        self.text *= Affine::translate(by);
    }

    fn font(&mut self, name: &Name<'_>, size: Number, resources: &Resources<'p>) -> Result<(), Fail> {
        self.state.size = size.as_f64();
        self.state.font = match resources.get_font(name) {
            Some(dict) => match self.fonts.get(&dict, self.meter) {
                Ok(font) => font,
                Err(fail) if fail.ends_all() => return Err(fail),
                Err(fail) => {
                    self.output.note(&fail);
                    None
                }
            },
            None => None,
        };
        Ok(())
    }

    fn show(&mut self, bytes: &[u8]) -> Result<(), Fail> {
        let Some(font) = self.state.font.clone() else { return self.show_plain(bytes) };
        font.shown(bytes, |code, blank| self.code(code.text.as_ref(), code.advance, blank))
    }

    /// Text in a font that there is not: what it says if it is ASCII, as it mostly is.
    fn show_plain(&mut self, bytes: &[u8]) -> Result<(), Fail> {
        for byte in bytes {
            let known = (b' '..=b'~').contains(byte);
            let text = known.then(|| BfString::Char(char::from(*byte)));
            self.code(text.as_ref(), (500.0, 0.0), *byte == b' ')?;
        }
        Ok(())
    }

    fn code(&mut self, text: Option<&BfString>, advance: (f64, f64), blank: bool) -> Result<(), Fail> {
        let State { place, size, spacing, scale, rise, .. } = self.state;
        let added = spacing.0 + if blank { spacing.1 } else { 0.0 };
        let (x, y) = (advance.0 / 1000.0 * size, advance.1 / 1000.0 * size);
        // Added space is no part of a character: a gap that it makes may part words.
        let step = if y == 0.0 { ((x + added) * scale, 0.0) } else { (0.0, y + added) };
        let at = place * self.text * Affine::translate((0.0, rise));
        self.layout.show(text, at, size, (x * scale, y), self.output)?;
        self.text *= Affine::translate(step);
        Ok(())
    }

    fn form(&mut self, name: &Name<'_>, resources: &Resources<'p>, depth: u32) -> Result<(), Fail> {
        let Some(form) = resources.get_x_object(name) else { return Ok(()) };
        let dict = form.dict();
        if dict.get::<Name<'_>>("Subtype").is_none_or(|kind| kind.as_str() != "Form") {
            return Ok(());
        }
        if depth >= FORMS {
            if !std::mem::replace(&mut self.too_deep, true) {
                self.output.note(&Fail::Refused(format!("forms lie in more than {FORMS} forms")));
            }
            return Ok(());
        }
        let mut content = Vec::new();
        self.add(&form, &mut content)?;
        let own = dict.get::<Dict<'p>>("Resources").map(Resources::new);
        let outside = (self.state.clone(), self.text, self.line, self.saved.len(), self.unsaved);
        if let Some(matrix) = dict.get::<[f64; 6]>("Matrix") {
            self.state.place *= Affine::new(matrix);
        }
        self.run(&content, own.as_ref().unwrap_or(resources), depth.saturating_add(1))?;
        (self.state, self.text, self.line) = (outside.0, outside.1, outside.2);
        self.saved.truncate(outside.3);
        self.unsaved = outside.4;
        Ok(())
    }
}

fn fresh<'p>() -> State<'p> {
    State {
        place: Affine::IDENTITY,
        font: None,
        size: 1.0,
        spacing: (0.0, 0.0),
        scale: 1.0,
        leading: 0.0,
        rise: 0.0,
    }
}

fn affine(to: [Number; 6]) -> Affine {
    Affine::new(to.map(|number| number.as_f64()))
}
