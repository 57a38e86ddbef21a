//! An RTF document read to its text, or to the HTML it carries ([MS-OXRTFEX]).
//!
//! What always holds: one pass over the tokens, a bounded stack of groups, output within the limit. What a reader
//! would not see (font tables, pictures, field instructions, hidden text) is left out.

use super::token::{Token, Tokens};
use crate::codepage;
use std::collections::HashMap;

/// Deepest group whose state is kept; deeper ones share that of the deepest.
const MAX_DEPTH: usize = 512;
/// Most fonts whose character set is kept.
const MAX_FONTS: usize = 4096;

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Its text.
    Text(String),
    /// The HTML document it was made from.
    Html(String),
}

/// Destinations whose content is no text of the document.
const SKIPPED: &[&[u8]] = &[
    b"fonttbl",
    b"colortbl",
    b"stylesheet",
    b"info",
    b"pict",
    b"object",
    b"objdata",
    b"themedata",
    b"datastore",
    b"listtable",
    b"listoverridetable",
    b"rsidtbl",
    b"generator",
    b"xmlnstbl",
    b"latentstyles",
    b"header",
    b"headerl",
    b"headerr",
    b"headerf",
    b"footer",
    b"footerl",
    b"footerr",
    b"footerf",
    b"fldinst",
    b"bkmkstart",
    b"bkmkend",
    b"colorschememapping",
    b"filetbl",
    b"revtbl",
    b"mhtmltag",
    b"pntext",
    b"pntxtb",
    b"pntxta",
    b"nonshppict",
];

/// Reads a document, at most `limit` bytes of output and a little. `true`: there was more.
#[must_use]
pub fn read(rtf: &[u8], limit: usize) -> (Content, bool) {
    let mut reader = Reader { limit, ..Reader::default() };
    for token in Tokens::new(rtf) {
        reader.token(token);
        if reader.cut {
            break;
        }
    }
    reader.flush();
    let cut = reader.cut;
    if reader.html {
        return (Content::Html(reader.out), cut);
    }
    let mut text = reader.out;
    text.truncate(text.trim_end().len());
    (Content::Text(text), cut)
}

/// What a group inherits and changes.
#[derive(Clone, Copy, Default)]
struct State {
    /// Its content is not for readers.
    skip: bool,
    /// Characters formatted as hidden (`\v`).
    hidden: bool,
    /// Inside the font table.
    fonts: bool,
    /// RTF that only stands for HTML given elsewhere (`\htmlrtf`).
    only_rtf: bool,
    /// Inside `\*\htmltag`: its content is HTML as it is.
    html_tag: bool,
    /// Font, whose character set decodes bytes.
    font: Option<i32>,
    /// Characters that follow a `\u` as a replacement for old readers.
    replacement: u8,
}

#[derive(Default)]
struct Reader {
    limit: usize,
    cut: bool,
    out: String,
    bytes: Vec<u8>,
    page_of_bytes: u32,
    state: State,
    stack: Vec<State>,
    /// Groups deeper than the stack keeps.
    overflow: usize,
    /// The document carries HTML.
    html: bool,
    /// The font of characters that have no other (`\deff`).
    default_font: Option<i32>,
    page: u32,
    font_pages: HashMap<i32, u32>,
    /// `\*` came last: an unknown destination is to be skipped.
    starred: bool,
    /// Replacement characters still to be passed over.
    to_pass: u8,
    /// First half of a surrogate pair.
    high: Option<u16>,
}

impl Reader {
    fn token(&mut self, token: Token<'_>) {
        let starred = core::mem::take(&mut self.starred);
        match token {
            Token::Open => self.open(),
            Token::Close => self.close(),
            Token::Byte(byte) => self.byte(byte),
            Token::Symbol(b'*') => self.starred = true,
            Token::Symbol(b'~') => self.push_str("\u{a0}"),
            Token::Symbol(b'_') => self.push_str("-"),
            Token::Symbol(_) | Token::Binary => {}
            Token::Word(word, number) => self.word(word, number, starred),
        }
    }

    fn open(&mut self) {
        self.to_pass = 0;
        if self.stack.len() < MAX_DEPTH {
            self.stack.push(self.state);
        } else {
            self.overflow = self.overflow.saturating_add(1);
        }
    }

    fn close(&mut self) {
        self.to_pass = 0;
        self.flush();
        if self.overflow > 0 {
            self.overflow = self.overflow.saturating_sub(1);
        } else if let Some(state) = self.stack.pop() {
            self.state = state;
        }
    }

    /// Whether text here is for the reader.
    fn shown(&self) -> bool {
        !self.state.skip && !self.state.hidden && (!self.html || !self.state.only_rtf || self.state.html_tag)
    }

    fn byte(&mut self, byte: u8) {
        if self.to_pass > 0 {
            self.to_pass = self.to_pass.saturating_sub(1);
            return;
        }
        if !self.shown() {
            return;
        }
        let page = self.state.font.and_then(|f| self.font_pages.get(&f).copied()).unwrap_or(self.page);
        if page != self.page_of_bytes {
            self.flush();
            self.page_of_bytes = page;
        }
        self.bytes.push(byte);
    }

    fn flush(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = core::mem::take(&mut self.bytes);
        let page = if self.page_of_bytes == 0 { codepage::DEFAULT } else { self.page_of_bytes };
        self.append(&codepage::decode(page, &bytes));
    }

    fn push_str(&mut self, text: &str) {
        if self.to_pass > 0 {
            self.to_pass = self.to_pass.saturating_sub(1);
        } else if self.shown() {
            self.flush();
            self.append(text);
        }
    }

    fn append(&mut self, text: &str) {
        self.high = None;
        if self.out.len().saturating_add(text.len()) > self.limit {
            let mut end = self.limit.saturating_sub(self.out.len()).min(text.len());
            while !text.is_char_boundary(end) {
                end = end.saturating_sub(1);
            }
            self.out.push_str(text.get(..end).unwrap_or_default());
            self.cut = true;
        } else {
            self.out.push_str(text);
        }
    }

    fn word(&mut self, word: &[u8], number: Option<i32>, starred: bool) {
        match word {
            b"ansicpg" => self.page = number.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            b"mac" => self.page = 10_000,
            b"fromhtml" => self.html = number != Some(0),
            b"htmlrtf" => {
                self.flush();
                self.state.only_rtf = number != Some(0);
            }
            b"htmltag" if self.html => {
                self.flush();
                // Inside such a group the RTF is HTML, whatever stands around it.
                self.state.html_tag = true;
                self.state.skip = false;
                self.state.hidden = false;
            }
            b"fonttbl" => {
                self.state.skip = true;
                self.state.fonts = true;
            }
            b"f" => self.state.font = number,
            b"deff" => {
                self.default_font = number;
                self.state.font = self.state.font.or(number);
            }
            b"fcharset" if self.state.fonts => self.font_charset(number),
            b"cpg" if self.state.fonts => self.font_page(number.and_then(|n| u32::try_from(n).ok())),
            // It resets how characters are formatted. `\uc` is no such property: it tells how the file is written.
            b"plain" => {
                self.state.font = self.default_font;
                self.state.hidden = false;
            }
            b"v" if !self.html => self.state.hidden = number != Some(0),
            b"uc" => {
                self.state.replacement =
                    number.and_then(|n| u8::try_from(n).ok()).unwrap_or(1).saturating_add(1)
            }
            b"u" => self.unicode(number.unwrap_or(0)),
            b"par" | b"line" | b"sect" | b"page" | b"row" => {
                self.push_str(if self.html { "\r\n" } else { "\n" })
            }
            b"tab" | b"cell" | b"nestcell" => self.push_str("\t"),
            b"lquote" => self.push_str("\u{2018}"),
            b"rquote" => self.push_str("\u{2019}"),
            b"ldblquote" => self.push_str("\u{201c}"),
            b"rdblquote" => self.push_str("\u{201d}"),
            b"bullet" => self.push_str("\u{2022}"),
            b"endash" => self.push_str("\u{2013}"),
            b"emdash" => self.push_str("\u{2014}"),
            b"emspace" | b"enspace" | b"qmspace" => self.push_str(" "),
            // In HTML that a document carries, only marked RTF is to be left out.
            _ if SKIPPED.contains(&word) => self.state.skip = true,
            _ if starred => self.state.skip = true,
            _ => {}
        }
    }

    fn font_page(&mut self, page: Option<u32>) {
        if let (Some(font), Some(page)) = (self.state.font, page)
            && self.font_pages.len() < MAX_FONTS
            && codepage::encoding(page).is_some()
        {
            self.font_pages.insert(font, page);
        }
    }

    fn font_charset(&mut self, charset: Option<i32>) {
        let page = match charset {
            Some(77) => 10_000,
            Some(128) => 932,
            Some(129 | 130) => 949,
            Some(134) => 936,
            Some(136) => 950,
            Some(161) => 1253,
            Some(162) => 1254,
            Some(163) => 1258,
            Some(177) => 1255,
            Some(178..=180) => 1256,
            Some(186) => 1257,
            Some(204) => 1251,
            Some(222) => 874,
            Some(238) => 1250,
            _ => return,
        };
        self.font_page(Some(page));
    }

    fn unicode(&mut self, number: i32) {
        // The state holds one more than `\uc`, so that zero means that nothing was said: then it is one.
        let pass = self.state.replacement.checked_sub(1).unwrap_or(1);
        if self.shown() {
            self.flush();
            // Numbers are of 16 bits and written as negative from 0x8000 up.
            let unit = u16::try_from(number & 0xffff).unwrap_or(0);
            let high = self.high.take();
            match (high, unit) {
                (_, 0xd800..=0xdbff) => self.high = Some(unit),
                (Some(high), 0xdc00..=0xdfff) => {
                    let pair = char::decode_utf16([high, unit]).next();
                    self.append_char(pair.and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                _ => self.append_char(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER)),
            }
        }
        self.to_pass = pass;
    }

    fn append_char(&mut self, c: char) {
        self.append(c.encode_utf8(&mut [0; 4]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(rtf: &[u8]) -> String {
        match read(rtf, 10_000).0 {
            Content::Text(text) => text,
            Content::Html(html) => panic!("not text: {html}"),
        }
    }

    #[test]
    fn text_is_read_and_tables_are_not() {
        let rtf = br"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset204 Arial Cyr;}}
{\colortbl ;\red0\green0\blue255;}{\*\generator Msftedit;}\pard\b Hello\b0\par
caf\'e9 \{x\}\tab\u8364?\line{\f1\'cf\'f0\'e8} \u-10179?\u-8704?\'80\~a\ldblquote b\rdblquote{\v hidden}\par}";
        assert_eq!(text(rtf), "Hello\ncafé {x}\t€\nПри 😀€\u{a0}a\u{201c}b\u{201d}");
    }

    #[test]
    fn replacement_characters_are_passed_over_as_told() {
        assert_eq!(text(br"{\rtf1\uc0\u228 b{\uc2\u228??c}\u228 d}"), "äbäcäd");
        assert_eq!(text(br"{\rtf1 \u228\'e4x}"), "äx");
    }

    /// A message written as `\uc1\pard\plain` showed `ä?` for each `ä`, because `\plain` was taken to say that no
    /// replacement characters follow. The specification lets `\plain` reset the formatting of characters; `\uc` is
    /// none, and lasts to the end of its group. What `\plain` does reset, hidden text and the font, was kept.
    #[test]
    fn plain_resets_characters_and_not_their_replacement() {
        assert_eq!(text(br"{\rtf1\ansi\uc1\pard\plain\f0 \u228?x}"), "äx");
        assert_eq!(text(br"{\rtf1\uc2\plain \u228??x{\uc0\plain \u228 y}\plain\u228??}"), "äxäyä");
        assert_eq!(text(br"{\rtf1\plain \u228?x}"), "äx");
        assert_eq!(text(br"{\rtf1\v hidden\plain  shown{\info\plain not}}"), " shown");
        let fonts = br"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 A;}{\f1\fcharset204 B;}}\f1\'cf\plain\'cf}";
        assert_eq!(text(fonts), "ПÏ");
    }

    #[test]
    fn carried_html_is_given_back() {
        let rtf = br"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}}
{\*\htmltag18 <html>}{\*\htmltag50 <body>}\htmlrtf {\f0 \htmlrtf0 
{\*\htmltag64 <p class=\'22x\'22>}\htmlrtf \par\htmlrtf0 H\'f6llo{\*\htmltag84 &nbsp;}\htmlrtf \'a0\htmlrtf0 \par
\htmlrtf }\htmlrtf0 {\*\mhtmltag84 <img src=x>}{\*\htmltag72 </p>}{\*\htmltag58 </body>}}";
        let (content, _) = read(rtf, 10_000);
        assert_eq!(
            content,
            Content::Html("<html><body><p class=\"x\">Höllo&nbsp;\r\n</p></body>".to_owned())
        );
    }

    #[test]
    fn hostile_nesting_and_length_are_bounded() {
        assert_eq!(text(&b"{".repeat(1_000_000)), "");
        let (content, cut) = read(&b"a".repeat(1000), 100);
        assert!(cut);
        assert_eq!(content, Content::Text("a".repeat(100)));
    }

    proptest! {
        #[test]
        fn any_document_is_read(rtf in "(\\\\[a-z*'~]{0,9}-?[0-9]{0,6}|[{}]|[a-zä \r\n]{0,5}|\\\\(u|uc|f|fcharset|htmltag|htmlrtf|fromhtml|fonttbl|bin)-?[0-9]{1,5}){0,60}") {
            let (content, _) = read(rtf.as_bytes(), 100);
            let (Content::Text(out) | Content::Html(out)) = content;
            prop_assert!(out.len() <= 104);
        }

        #[test]
        fn any_bytes_are_read(rtf: Vec<u8>) {
            let _ = read(&rtf, 1000);
        }
    }
}
