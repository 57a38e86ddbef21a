//! The body row of an item: raw bodies, headers and properties kept, and the text made from the best body.

use super::item::Contents;
use super::limits::{MAX_RTF, MAX_TEXT};
use super::prop::{Note, Props, RawProp, kind, text_of};
use super::{distlist, table, tag};
use crate::charset::Guess;
use crate::rtf::{self, CompressedError, Content};
use crate::{codepage, html, text};
use postlode_format::row::{Body, Prop, Raw, RawEncoding, TextSource};

/// The code page of an item's 8-bit strings: the first that is declared and that they can be in, else the likeliest,
/// else the archive's.
pub(super) fn codepage_of(props: &Props, archive: u32) -> u32 {
    // UTF-16 is no code page of 8-bit strings; it only says that there are none.
    let is_page = |page: &u32| !matches!(page, 0 | 1200 | 1201);
    let strings =
        || props.0.iter().filter(|prop| prop.kind == kind::STRING8).map(|prop| prop.value.as_slice());
    let can_be = |page: &u32| {
        let utf8 = || strings().all(|value| core::str::from_utf8(value).is_ok());
        codepage::encoding(*page).is_some() && (!codepage::is_vague(*page) || utf8())
    };
    let declared =
        [tag::MESSAGE_CODEPAGE, tag::INTERNET_CODEPAGE].into_iter().filter_map(|id| page(props, id));
    declared.filter(is_page).find(can_be).unwrap_or_else(|| {
        let mut guess = Guess::default();
        strings().for_each(|value| guess.feed(value));
        // Western European is also what a guess falls back to, and the archive may know better.
        let guessed = guess.encoding().and_then(codepage::page).filter(|page| *page != codepage::DEFAULT);
        guessed.or(Some(archive).filter(is_page)).unwrap_or(codepage::DEFAULT)
    })
}

fn page(props: &Props, id: u16) -> Option<u32> {
    props.int(id).and_then(|n| u32::try_from(n).ok())
}

/// Makes the body row. `attachments` are the properties of each attachment. Notes of what could not be converted are
/// added to `notes`; the source's bytes are kept all the same.
pub(super) fn build(contents: Contents, attachments: &[Props], codepage: u32, notes: &mut Vec<Note>) -> Body {
    let Contents { props, recipients, .. } = contents;
    let html_page = page(&props, tag::INTERNET_CODEPAGE);
    let members = distlist::members(&props, codepage);
    let mut body = Body {
        extra: Vec::new(),
        plain: None,
        html: None,
        rtf: None,
        headers: None,
        original: None,
        text: String::new(),
        text_source: TextSource::None,
        props: Vec::with_capacity(props.0.len().saturating_add(2)),
    };
    for prop in props.0 {
        match (prop.id, prop.kind) {
            (tag::BODY, kind::UNICODE | kind::STRING8) if body.plain.is_none() => {
                body.plain = Some(Raw::keep(prop.kind, &prop.value));
            }
            (tag::HTML, kind::BINARY | kind::UNICODE | kind::STRING8) if body.html.is_none() => {
                body.html = Some(Raw::keep(prop.kind, &prop.value));
            }
            (tag::TRANSPORT_MESSAGE_HEADERS, kind::UNICODE | kind::STRING8) if body.headers.is_none() => {
                body.headers = Some(Raw::keep(prop.kind, &prop.value));
            }
            (tag::RTF_COMPRESSED, kind::BINARY) if body.rtf.is_none() && !prop.value.is_empty() => {
                let (bytes, error) = rtf::decompress(&prop.value, MAX_RTF);
                if let Some(error) = error {
                    notes.push(rtf_note(&error));
                    body.props.push(keep(&prop));
                }
                if !bytes.is_empty() {
                    body.rtf = Some(Raw { encoding: RawEncoding::Verbatim, value_type: kind::BINARY, bytes });
                }
            }
            _ => body.props.push(keep(&prop)),
        }
    }
    body.props.extend(table::keep(tag::MESSAGE_RECIPIENTS, recipients.iter().map(|r| &r.props)));
    body.props.extend(table::keep(tag::MESSAGE_ATTACHMENTS, attachments.iter()));
    let mut cut = text(&mut body, codepage, html_page);
    if let Some(members) = members {
        let (all, more) = text::tidy(format!("{}\n\n{members}", body.text()), MAX_TEXT);
        cut |= more;
        (body.text, body.text_source) = (all.trim_start().to_owned(), TextSource::Plain);
    }
    if cut {
        let reason = format!("the text has more than {MAX_TEXT} bytes and is searched up to there");
        notes.push(Note { code: "memory", stage: "text".to_owned(), reason });
    }
    body
}

fn keep(prop: &RawProp) -> Prop {
    Prop { id: prop.id, name: prop.name.as_deref().cloned(), value: Raw::keep(prop.kind, &prop.value) }
}

fn rtf_note(error: &CompressedError) -> Note {
    let code = if matches!(error, CompressedError::Limit { .. }) { "memory" } else { "corrupt" };
    Note { code, stage: "rtf".to_owned(), reason: error.to_string() }
}

fn decode(raw: &Raw, codepage: u32) -> String {
    match (raw.encoding, core::str::from_utf8(&raw.bytes)) {
        (RawEncoding::Utf16AsUtf8, Ok(text)) => text.trim_end_matches('\0').to_owned(),
        _ => text_of(raw.value_type, &raw.bytes, codepage).unwrap_or_default(),
    }
}

/// Makes the text from the first of plain, HTML and RTF that has any. `true`: it was cut at the limit.
fn text(body: &mut Body, codepage: u32, html_page: Option<u32>) -> bool {
    if let Some(plain) = &body.plain {
        let text = decode(plain, codepage);
        if !text.trim().is_empty() {
            if text::is_clean(&text) && text.as_bytes() == plain.bytes && text.len() <= MAX_TEXT {
                body.text_source = TextSource::PlainAsKept;
                return false;
            }
            let (text, cut) = text::tidy(text, MAX_TEXT);
            body.text = text;
            body.text_source = TextSource::Plain;
            return cut;
        }
    }
    if let Some(raw) = &body.html {
        let source = match raw.value_type {
            kind::BINARY => html::decode(&raw.bytes, html_page),
            _ => decode(raw, codepage),
        };
        let (text, cut) = html::to_text(&source, MAX_TEXT);
        if !text.is_empty() {
            body.text = text;
            body.text_source = TextSource::Html;
            return cut;
        }
    }
    if let Some(raw) = &body.rtf {
        let (content, mut cut) = rtf::read(&raw.bytes, MAX_TEXT);
        let text = match content {
            Content::Text(text) => text,
            Content::Html(source) => {
                let (text, more) = html::to_text(&source, MAX_TEXT);
                cut |= more;
                text
            }
        };
        if !text.trim().is_empty() {
            body.text = text;
            body.text_source = TextSource::Rtf;
            return cut;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prop(id: u16, kind: u16, value: &[u8]) -> RawProp {
        RawProp { id, kind, name: None, value: value.to_vec() }
    }

    fn made(props: Vec<RawProp>) -> (Body, Vec<Note>) {
        let mut notes = Vec::new();
        let contents = Contents { props: Props(props), ..Contents::default() };
        (build(contents, &[], 1252, &mut notes), notes)
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn a_plain_body_is_kept_once() {
        let (body, notes) = made(vec![prop(tag::BODY, kind::UNICODE, &utf16("Grüße\r\n"))]);
        assert_eq!((body.text_source, body.text()), (TextSource::PlainAsKept, "Grüße\r\n"));
        assert!(body.text.is_empty() && notes.is_empty());
        let (body, _) = made(vec![prop(tag::BODY, kind::STRING8, b"Gr\xfc\xdfe\r\n")]);
        assert_eq!((body.text_source, body.text()), (TextSource::Plain, "Grüße\n"));
        assert_eq!(body.plain.unwrap().original(), b"Gr\xfc\xdfe\r\n");
    }

    #[test]
    fn noise_in_a_plain_body_is_kept_and_not_searched() {
        let (body, _) = made(vec![prop(tag::BODY, kind::UNICODE, &utf16("a\r\n\0\u{1}b"))]);
        assert_eq!((body.text_source, body.text()), (TextSource::Plain, "a\n  b"));
        assert_eq!(body.plain.unwrap().original(), utf16("a\r\n\0\u{1}b"));
    }

    #[test]
    fn an_empty_plain_body_gives_way_to_html_and_that_to_rtf() {
        let plain = prop(tag::BODY, kind::UNICODE, &utf16(" \r\n"));
        let html = prop(tag::HTML, kind::BINARY, "<p>Jörn</p>".as_bytes());
        let rtf = [&[20, 0, 0, 0, 8, 0, 0, 0][..], b"MELA", &[0; 4], b"{\\rtf1 x}"].concat();
        let rtf = prop(tag::RTF_COMPRESSED, kind::BINARY, &rtf);
        let (body, _) = made(vec![plain.clone(), html, rtf.clone()]);
        assert_eq!((body.text_source, body.text()), (TextSource::Html, "Jörn"));
        let (body, notes) = made(vec![plain, rtf]);
        assert_eq!((body.text_source, body.text()), (TextSource::Rtf, "x"));
        assert!(notes.is_empty() && body.props.is_empty());
    }

    #[test]
    fn an_unreadable_rtf_is_told_and_kept() {
        let (body, notes) = made(vec![prop(tag::RTF_COMPRESSED, kind::BINARY, b"what is this, then?")]);
        assert_eq!((notes[0].code, notes[0].stage.as_str()), ("corrupt", "rtf"));
        assert_eq!(body.props[0].value.original(), b"what is this, then?");
        assert_eq!(body.rtf, None);
    }

    #[test]
    fn the_code_page_is_the_first_that_is_one() {
        let pages = |message: i32, internet: i32| {
            let number = |id, n: i32| prop(id, kind::I32, &n.to_le_bytes());
            let props = [number(tag::MESSAGE_CODEPAGE, message), number(tag::INTERNET_CODEPAGE, internet)];
            codepage_of(&Props(props.to_vec()), 1250)
        };
        assert_eq!(pages(1251, 932), 1251);
        assert_eq!(pages(1200, 932), 932);
        assert_eq!(pages(0, -1), 1250);
        assert_eq!((pages(65001, 932), pages(20127, 0)), (65001, 20127));
    }

    /// An item without a code page had all its 8-bit strings read as Western European.
    #[test]
    fn strings_of_no_possible_page_tell_theirs() {
        let page = |declared: i32, encoding: &'static encoding_rs::Encoding, text: &str| {
            let bytes = encoding.encode(text).0;
            let number = prop(tag::MESSAGE_CODEPAGE, kind::I32, &declared.to_le_bytes());
            let props = Props(vec![number, prop(tag::BODY, kind::STRING8, &bytes)]);
            let page = codepage_of(&props, 1252);
            assert!(declared == 1251 || codepage::decode(page, &bytes) == text, "{declared} {page}");
            page
        };
        let russian = "Здравствуйте, посылаю вам договор.";
        for declared in [0, 20127, 65001, 1200, 99_999] {
            assert_eq!(page(declared, encoding_rs::WINDOWS_1251, russian), 1251);
            assert_eq!(page(declared, encoding_rs::SHIFT_JIS, "昨日の会議の議事録をお送りします。"), 932);
            assert_eq!(page(declared, encoding_rs::GBK, "附件是我们昨天讨论的合同，请您查收。"), 936);
            assert_eq!(page(declared, encoding_rs::WINDOWS_1252, "Schöne Grüße"), 1252);
        }
        assert_eq!(page(0, encoding_rs::UTF_8, russian), 65001);
        assert_eq!(
            page(1251, encoding_rs::SHIFT_JIS, "昨日の会議の議事録"),
            1251,
            "a page that can be is believed"
        );
    }
}
