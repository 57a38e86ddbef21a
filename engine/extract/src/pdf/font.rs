//! Fonts: from the codes that a page shows to characters and their widths.
//!
//! What always holds: a font whose tables would take more memory than a font does is not handed to the library.

use super::stream::fits;
use crate::meter::{Fail, Meter, corrupt};
use hayro_font::hayro_cmap::BfString;
use hayro_font::{CMapResolverFn, Font, FontCache, FontGlyph, FontQuery, FontResolverFn};
use hayro_syntax::object::{Array, Dict, Number, Stream};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Highest code of a character.
const CODES: u32 = 65_535;
/// Codes of a font that are kept.
const KEPT: usize = 16_384;
/// Most widths.
const WIDTHS: u32 = 1 << 20;

pub(super) struct Fonts<'p> {
    cache: FontCache<'p>,
    /// By where their dictionaries lie.
    known: HashMap<(usize, usize), Option<Rc<Known<'p>>>>,
    fonts: FontResolverFn,
    maps: CMapResolverFn,
}

/// A font, and what is known of its codes.
pub(super) struct Known<'p> {
    font: Font<'p>,
    codes: RefCell<HashMap<u32, Rc<Shown>>>,
}

/// What a code shows.
pub(super) struct Shown {
    /// How far it moves on, in thousandths of the size: to the right, and up.
    pub(super) advance: (f64, f64),
    pub(super) text: Option<BfString>,
}

impl Known<'_> {
    pub(super) fn is_horizontal(&self) -> bool {
        self.font.is_horizontal()
    }

    /// The codes in a string, one after the other, and whether they are blanks that words are spaced by.
    pub(super) fn shown(
        &self,
        bytes: &[u8],
        mut each: impl FnMut(&Shown, bool) -> Result<(), Fail>,
    ) -> Result<(), Fail> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let (code, length) = self.font.read_code(bytes, at);
            at = at.saturating_add(length.max(1));
            each(&self.code(code), length == 1 && *byte == b' ')?;
        }
        Ok(())
    }

    fn code(&self, code: u32) -> Rc<Shown> {
        if let Some(shown) = self.codes.borrow().get(&code) {
            return Rc::clone(shown);
        }
        let text = match self.font.glyph(self.font.map_code(code), code) {
            FontGlyph::Outline(glyph) => glyph.as_unicode(),
            FontGlyph::Type3(glyph) => glyph.as_unicode(),
        };
        let advance = self.font.code_advance(code);
        let shown = Rc::new(Shown { advance: (advance.x, advance.y), text });
        let mut codes = self.codes.borrow_mut();
        if codes.len() < KEPT {
            codes.insert(code, Rc::clone(&shown));
        }
        shown
    }
}

impl<'p> Fonts<'p> {
    pub(super) fn new() -> Self {
        Self {
            cache: FontCache::new(),
            known: HashMap::new(),
            // Fonts that are not in the file: their widths are those of the standard fonts.
            fonts: Arc::new(|query| {
                Some(match query {
                    FontQuery::Standard(font) => font.get_font_data(),
                    FontQuery::Fallback(query) => query.pick_standard_font().get_font_data(),
                })
            }),
            maps: Arc::new(hayro_cmap::load_embedded),
        }
    }

    /// The font of a dictionary. The error tells why there is none, the first time it is asked for.
    pub(super) fn get(&mut self, dict: &Dict<'p>, meter: &Meter<'_>) -> Result<Option<Rc<Known<'p>>>, Fail> {
        let place = (dict.data().as_ptr().addr(), dict.data().len());
        if let Some(font) = self.known.get(&place) {
            return Ok(font.clone());
        }
        let checked = check(dict, meter);
        let font = checked.as_ref().ok().and_then(|()| self.cache.font(dict, &self.fonts, &self.maps));
        let font = font.map(|font| Rc::new(Known { font, codes: RefCell::default() }));
        self.known.insert(place, font.clone());
        checked.map(|()| font)
    }
}

fn check(dict: &Dict<'_>, meter: &Meter<'_>) -> Result<(), Fail> {
    meter.time()?;
    one(dict, meter)?;
    let below = dict.get::<Array<'_>>("DescendantFonts").and_then(|fonts| fonts.iter::<Dict<'_>>().next());
    below.map_or(Ok(()), |font| one(&font, meter))
}

fn one(dict: &Dict<'_>, meter: &Meter<'_>) -> Result<(), Fail> {
    for key in ["FirstChar", "LastChar"] {
        let code = dict.get::<Number>(key);
        if code.is_some_and(|code| code.as_i64() > i64::from(CODES)) {
            return Err(corrupt("a font has too many characters"));
        }
    }
    for key in ["ToUnicode", "Encoding", "CIDToGIDMap"] {
        dict.get::<Stream<'_>>(key).map_or(Ok(()), |stream| fits(&stream, meter))?;
    }
    if let Some(descriptor) = dict.get::<Dict<'_>>("FontDescriptor") {
        for key in ["FontFile", "FontFile2", "FontFile3"] {
            descriptor.get::<Stream<'_>>(key).map_or(Ok(()), |stream| fits(&stream, meter))?;
        }
    }
    let widths = dict.get::<Array<'_>>("W").is_none_or(|widths| few(&widths, false));
    let heights = dict.get::<Array<'_>>("W2").is_none_or(|heights| few(&heights, true));
    if widths && heights { Ok(()) } else { Err(corrupt("a font has too many widths")) }
}

/// Whether the ranges of a table of widths stand for few enough characters. Reads it as the library does.
fn few(table: &Array<'_>, vertical: bool) -> bool {
    let (mut iter, mut sum) = (table.flex_iter(), 0_u32);
    loop {
        if iter.next::<(u32, Array<'_>)>().is_some() {
            continue;
        }
        let range = if vertical {
            iter.next::<(u32, u32, f32, f32, f32)>().map(|(first, last, ..)| (first, last))
        } else {
            iter.next::<(u32, u32, f32)>().map(|(first, last, _)| (first, last))
        };
        let Some((first, last)) = range else { return true };
        sum = sum.saturating_add(last.saturating_sub(first));
        if sum > WIDTHS {
            return false;
        }
    }
}
