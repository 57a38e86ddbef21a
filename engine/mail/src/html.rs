//! HTML to text, by html5gum's tokenizer.
//!
//! A tokenizer rather than a tree: hostile nesting costs nothing, memory is the text itself, and time is linear.
//! What always holds: the text is what a reader would see in its order, without markup, scripts and styles; blocks
//! are on lines of their own, at most one empty line apart.

use crate::codepage;
use html5gum::emitters::callback::{Callback, CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};
use std::collections::HashSet;

/// Decodes an HTML body: by its byte order mark, else the code page beside it, else the charset it names itself, else
/// what it is likeliest to be.
#[must_use]
pub fn decode(bytes: &[u8], page: Option<u32>) -> String {
    if let Some((encoding, length)) = encoding_rs::Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(bytes.get(length..).unwrap_or_default()).0.into_owned();
    }
    match page.filter(|page| !codepage::is_vague(*page)) {
        Some(page) => codepage::decode(page, bytes),
        None => match named_charset(bytes).filter(|named| *named != encoding_rs::UTF_8) {
            Some(encoding) if core::str::from_utf8(bytes).is_err() => {
                encoding.decode_without_bom_handling(bytes).0.into_owned()
            }
            _ => codepage::decode(0, bytes),
        },
    }
}

/// The content ids that an HTML body names in its `cid:` links.
#[must_use]
pub fn linked(html: &[u8]) -> HashSet<&[u8]> {
    /// Longest content id.
    const LONGEST: usize = 1024;
    let finder = memchr::memmem::Finder::new(b"cid:");
    let mut found = HashSet::new();
    let mut rest = html;
    // Each byte is looked at once: what runs on without an end is no id, and is passed over.
    while let Some(after) = finder.find(rest).and_then(|at| rest.get(at.checked_add(4)?..)) {
        let near = after.get(..LONGEST).unwrap_or(after);
        let end = near.iter().position(|b| b.is_ascii_whitespace() || b"\"'<>)".contains(b));
        let (id, more) = after.split_at(end.unwrap_or(near.len()));
        if end.is_some() {
            found.insert(id);
        }
        rest = more;
    }
    found
}

/// Whether an HTML body has a byte order mark, or names a charset that it can be in.
pub(crate) fn tells_charset(bytes: &[u8]) -> bool {
    let named = || named_charset(bytes).is_some_and(|named| named != encoding_rs::UTF_8);
    encoding_rs::Encoding::for_bom(bytes).is_some() || core::str::from_utf8(bytes).is_err() && named()
}

/// The charset named in a `meta` element near the start.
pub(crate) fn named_charset(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let start = bytes.get(..bytes.len().min(2048))?.to_ascii_lowercase();
    let found = start.windows(8).position(|w| w == b"charset=")?;
    let rest = start.get(found.saturating_add(8)..)?;
    let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
    let end =
        rest.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-_.:".contains(b)).unwrap_or(rest.len());
    encoding_rs::Encoding::for_label(rest.get(..end)?)
}

/// The text of an HTML document, at most `limit` bytes and a little. `true`: there was more.
#[must_use]
pub fn to_text(html: &str, limit: usize) -> (String, bool) {
    let (text, cut) = write(html, limit, true);
    // `<title/>` hides all that follows from an HTML parser; XHTML means it to be over at once.
    if text.is_empty() && html.contains("/>") { write(html, limit, false) } else { (text, cut) }
}

fn write(html: &str, limit: usize, raw_elements: bool) -> (String, bool) {
    let mut writer = Writer { limit, raw_elements, ..Writer::default() };
    let mut emitter = CallbackEmitter::new(&mut writer);
    emitter.naively_switch_states(raw_elements);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(()) = token;
    }
    let Writer { mut text, cut, .. } = writer;
    text.truncate(text.trim_end().len());
    (text, cut)
}

/// What a break between two words must be at least.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Blank,
    Tab,
    Line,
    Paragraph,
}

#[derive(Default)]
struct Writer {
    text: String,
    limit: usize,
    cut: bool,
    gap: Gap,
    /// The content of scripts and the like runs to their end tag whatever is in it.
    raw_elements: bool,
    /// Inside an element whose content is not shown.
    hidden: bool,
    /// Inside how many `pre` elements.
    verbatim: u32,
}

impl Writer {
    fn at_least(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn flush_gap(&mut self) {
        if !self.text.is_empty() {
            let ends_line = self.text.ends_with('\n');
            self.text.push_str(match self.gap {
                Gap::None => "",
                Gap::Blank | Gap::Tab | Gap::Line if ends_line => "",
                Gap::Blank => " ",
                Gap::Tab => "\t",
                Gap::Line => "\n",
                Gap::Paragraph if ends_line => "\n",
                Gap::Paragraph => "\n\n",
            });
        }
        self.gap = Gap::None;
    }

    fn characters(&mut self, text: &str) {
        if self.hidden {
            return;
        }
        for c in text.chars() {
            if self.text.len() >= self.limit {
                self.cut = true;
                return;
            }
            match c {
                '\n' if self.verbatim > 0 => {
                    self.flush_gap();
                    self.text.push('\n');
                }
                // Zero-width characters hide words from search; soft hyphens split them.
                '\u{ad}' | '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' | '\0' | '\r' => {}
                c if c.is_whitespace() => self.at_least(Gap::Blank),
                c => {
                    self.flush_gap();
                    self.text.push(c);
                }
            }
        }
    }

    fn element(&mut self, name: &[u8], opens: bool) {
        match name {
            b"script" | b"style" | b"title" | b"noscript" | b"iframe" | b"noembed" => self.hidden = opens,
            b"pre" => {
                self.verbatim =
                    if opens { self.verbatim.saturating_add(1) } else { self.verbatim.saturating_sub(1) };
                self.at_least(Gap::Paragraph);
            }
            b"br" => self.line_break(),
            b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"blockquote" | b"ul" | b"ol" | b"dl"
            | b"table" | b"hr" => self.at_least(Gap::Paragraph),
            b"div" | b"tr" | b"li" | b"dt" | b"dd" | b"section" | b"article" | b"header" | b"footer"
            | b"center" | b"address" | b"fieldset" | b"form" | b"caption" | b"thead" | b"tbody"
            | b"tfoot" | b"nav" | b"main" | b"aside" | b"figure" | b"figcaption" | b"option" | b"head"
            | b"body" | b"html" => self.at_least(Gap::Line),
            b"td" | b"th" => self.at_least(Gap::Tab),
            _ => {}
        }
    }

    /// A line break: two of them make an empty line, more do not.
    fn line_break(&mut self) {
        if self.hidden {
            return;
        }
        self.gap = match self.gap {
            Gap::Line | Gap::Paragraph => Gap::Paragraph,
            _ => Gap::Line,
        };
    }
}

impl Callback<(), ()> for &mut Writer {
    fn handle_event(&mut self, event: CallbackEvent<'_>, _span: Span<()>) -> Option<()> {
        match event {
            CallbackEvent::OpenStartTag { name } => self.element(name, true),
            CallbackEvent::CloseStartTag { self_closing: true } if !self.raw_elements => self.hidden = false,
            CallbackEvent::EndTag { name } => self.element(name, false),
            CallbackEvent::String { value } => match core::str::from_utf8(value) {
                Ok(text) => self.characters(text),
                Err(_) => self.characters(&String::from_utf8_lossy(value)),
            },
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(html: &str) -> String {
        to_text(html, 1 << 20).0
    }

    #[test]
    fn blocks_are_lines_and_markup_is_gone() {
        assert_eq!(
            text(
                "<html><head><title>t</title><style>p{x:y}</style></head><body><p>One <b>two</b>&nbsp;&amp; three</p>\n<p>Four<br>five</p></body>"
            ),
            "One two & three\n\nFour\nfive"
        );
        assert_eq!(text("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"), "a\tb\nc");
        assert_eq!(text("<pre>a\n  b\n\n c</pre>d"), "a\nb\n\nc\n\nd");
        assert_eq!(text("<div>a</div><div>b</div>"), "a\nb");
        assert_eq!(text("<script>if (a < b) x()</script>c"), "c");
        assert_eq!(text("a<!-- b -->c"), "ac");
        assert_eq!(text("<title>x<body>y"), "");
        assert_eq!(text("<title/><body>y"), "y");
        assert_eq!(text("<title/><script>1 < 2</script>y"), "y");
        assert_eq!(text("<ul><li>a<li>b</ul>"), "a\nb");
        assert_eq!(text("foo\u{200b}bar"), "foobar");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let (text, cut) = to_text(&"word ".repeat(1000), 100);
        assert!(cut && text.len() <= 108, "{}", text.len());
        assert!(!to_text("word", 100).1);
    }

    #[test]
    fn hostile_nesting_is_linear() {
        let html = "<div><blockquote><table><pre><title>".repeat(50_000);
        assert_eq!(text(&html), "");
    }

    #[test]
    fn links_to_attachments_are_found() {
        let html = b"<img src=\"cid:a@b\"><img src='cid:c'> url(cid:d) cid:cid:e> cid:f";
        let mut found: Vec<&[u8]> = linked(html).into_iter().collect();
        found.sort_unstable();
        assert_eq!(found, [&b"a@b"[..], b"c", b"cid:e", b"d"]);
        assert!(linked(&b"cid:".repeat(1 << 20)).is_empty());
    }

    #[test]
    fn charsets_are_found() {
        assert_eq!(decode(b"<meta charset=\"windows-1251\">\xcf", None), "<meta charset=\"windows-1251\">П");
        assert_eq!(decode("ö".as_bytes(), Some(1252)), "ö");
        assert_eq!(decode(b"\xf6", Some(65001)), "ö");
        assert_eq!(decode(b"\xff\xfea\0", Some(1252)), "a");
        assert_eq!(decode(b"\xf6", None), "ö");
        // What is declared cannot be; what the document names can.
        assert_eq!(decode(b"<meta charset=windows-1251>\xcf", Some(65001)), "<meta charset=windows-1251>П");
        assert_eq!(decode(b"<meta charset=windows-1251>\xcf", Some(20127)), "<meta charset=windows-1251>П");
        for (encoding, page) in [(encoding_rs::SHIFT_JIS, None), (encoding_rs::GBK, Some(65001))] {
            let text = "<html><meta charset=utf-8><p>会議の議事録をお送りします</p>";
            let text = if page.is_none() {
                text
            } else {
                "<p>附件是我们昨天讨论的合同，请您查收。</p>"
            };
            assert_eq!(decode(&encoding.encode(text).0, page), text);
        }
    }

    proptest! {
        #[test]
        fn any_html_becomes_text(html in "(<[/a-z!?-]{0,8}[ =\"'a-z]{0,6}>?|&[#a-z0-9]{0,6};?|[a-zä <>\n\0]{0,5}){0,60}") {
            let _ = to_text(&html, 200);
        }

        #[test]
        fn any_bytes_are_decoded(bytes: Vec<u8>, page: Option<u32>) {
            let text = decode(&bytes, page);
            let _ = to_text(&text, 1000);
        }
    }
}
