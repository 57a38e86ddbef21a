//! RTF as mail programs write it: of plain text, and around HTML ([MS-OXRTFEX]).

use std::fmt::Write;

const HEAD: &str = "{\\rtf1\\ansi\\ansicpg1252";
const FONTS: &str = "\\deff0{\\fonttbl{\\f0\\fswiss\\fcharset0 Calibri;}{\\f1\\fmodern Courier New;}}\r\n\
                     {\\colortbl ;\\red0\\green0\\blue255;\\red85\\green85\\blue85;}\r\n";

/// A document that says `text`, whose lines end in CRLF.
pub(crate) fn of_text(text: &str) -> Vec<u8> {
    let mut out = format!("{HEAD}{FONTS}\\pard\\plain\\deftab360\\uc1 \\f0\\fs22 ");
    for (number, line) in text.split("\r\n").enumerate() {
        if number > 0 {
            out.push_str("\\par\r\n");
        }
        push_text(&mut out, line);
    }
    out.push_str("}\r\n");
    out.into_bytes()
}

/// A document that carries `html` so that it can be taken out again as it was.
pub(crate) fn around_html(html: &str) -> Vec<u8> {
    let mut out = format!("{HEAD}\\fromhtml1 {FONTS}\\pard\\plain\\deftab360\\uc1 \\f0\\fs24 ");
    let mut rest = html;
    let mut hidden = false;
    while !rest.is_empty() {
        let end = match rest.as_bytes()[0] {
            b'<' => rest.find('>').map_or(rest.len(), |end| end + 1),
            b'&' => rest.find(';').map_or(rest.len(), |end| end + 1),
            _ => rest.find(['<', '&']).unwrap_or(rest.len()),
        };
        let (part, after) = rest.split_at(end);
        rest = after;
        let tag = part.starts_with('<');
        // What readers of RTF see instead of markup stands between \htmlrtf and \htmlrtf0.
        if tag || hidden {
            push_tag(&mut out, 64, part);
            if ["<br", "</p", "</blockquote"].iter().any(|end| part.starts_with(end)) {
                out.push_str("\\htmlrtf \\par\\htmlrtf0 ");
            }
        } else if let Some(entity) = part.strip_prefix('&') {
            push_tag(&mut out, 84, part);
            let shown = match entity {
                "lt;" => "<",
                "gt;" => ">",
                _ => "&",
            };
            let _ = write!(out, "\\htmlrtf {shown}\\htmlrtf0 ");
        } else {
            push_lines(&mut out, part);
        }
        hidden = match part {
            "<style>" => true,
            "</style>" => false,
            _ => hidden,
        };
    }
    out.push_str("}\r\n");
    out.into_bytes()
}

fn push_tag(out: &mut String, number: u8, html: &str) {
    let _ = write!(out, "{{\\*\\htmltag{number} ");
    push_lines(out, html);
    out.push('}');
}

/// HTML, whose line breaks are its own and no paragraphs.
fn push_lines(out: &mut String, html: &str) {
    for (number, line) in html.split("\r\n").enumerate() {
        if number > 0 {
            out.push_str("\\par ");
        }
        push_text(out, line);
    }
}

fn push_text(out: &mut String, text: &str) {
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match c {
            '\\' | '{' | '}' => write!(out, "\\{c}"),
            '\t' => write!(out, "\\tab "),
            '\n' => write!(out, "\\line "),
            ' '..='~' => write!(out, "{c}"),
            '\u{a0}'..='\u{ff}' => write!(out, "\\'{:02x}", u32::from(c)),
            _ => c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{}?", *unit as i16)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_beyond_ascii_and_those_with_a_meaning_are_escaped() {
        let text = String::from_utf8(of_text("a{b}\\\r\nGrüße 日 🎉")).unwrap();
        assert!(
            text.ends_with("a\\{b\\}\\\\\\par\r\nGr\\'fc\\'dfe \\u26085? \\u-10180?\\u-8311?}\r\n"),
            "{text}"
        );
    }

    #[test]
    fn html_is_in_groups_of_its_own_and_its_text_is_not() {
        let rtf = String::from_utf8(around_html("<p>a &amp; b</p>\r\n")).unwrap();
        let body = rtf.split_once("\\fs24 ").unwrap().1;
        assert_eq!(
            body,
            "{\\*\\htmltag64 <p>}a {\\*\\htmltag84 &amp;}\\htmlrtf &\\htmlrtf0  b{\\*\\htmltag64 </p>}\
             \\htmlrtf \\par\\htmlrtf0 \\par }\r\n"
        );
    }
}
