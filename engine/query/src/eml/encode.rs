//! Encodings of mail: quoted-printable, base64, encoded words, parameters.
//!
//! What always holds: output is ASCII with CRLF line ends and lines of at most 76 characters, and no control
//! character of a value reaches a header, so that no value can add a header of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest line of an encoded body.
const LINE: usize = 76;
/// Bytes that make one line of base64.
pub const BASE64_LINE: usize = 57;
/// Bytes of text in one encoded word, so that the word has at most 75 characters.
const WORD: usize = 42;

/// Text as quoted-printable UTF-8.
pub fn quoted_printable(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().saturating_add(text.len() / 8));
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line).as_bytes();
        let mut width = 0usize;
        for (n, byte) in line.iter().enumerate() {
            let last = n.saturating_add(1) == line.len();
            let plain = match byte {
                b'=' => false,
                b' ' | b'\t' => !last,
                _ => byte.is_ascii_graphic(),
            };
            let needed = if plain { 1 } else { 3 };
            // One column is kept for the mark of a soft break.
            if width.saturating_add(needed) > LINE.saturating_sub(1) {
                out.extend_from_slice(b"=\r\n");
                width = 0;
            }
            if plain {
                out.push(*byte);
            } else {
                out.push(b'=');
                out.extend([hex(byte >> 4), hex(byte & 15)]);
            }
            width = width.saturating_add(needed);
        }
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn hex(digit: u8) -> u8 {
    b"0123456789ABCDEF".get(usize::from(digit)).copied().unwrap_or(b'0')
}

/// Bytes as lines of base64. Only the last piece of a content may be no multiple of [`BASE64_LINE`].
pub fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(78).div_ceil(57).saturating_add(78));
    for line in bytes.chunks(BASE64_LINE) {
        out.extend_from_slice(STANDARD.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// A value without control characters.
pub fn clean(value: &str) -> String {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    value.chars().map(blank).collect::<String>().trim().to_owned()
}

/// Unstructured text of a header: as it is, or as encoded words.
pub fn words(value: &str) -> String {
    let value = clean(value);
    // What looks like an encoded word already would be decoded by readers.
    if value.is_ascii() && !value.contains("=?") {
        return folded(&value);
    }
    let mut out = String::new();
    let mut rest = value.as_str();
    while !rest.is_empty() {
        let mut at = WORD.min(rest.len());
        while !rest.is_char_boundary(at) {
            at = at.saturating_sub(1);
        }
        let (word, tail) = rest.split_at(at);
        if !out.is_empty() {
            out.push_str("\r\n ");
        }
        out.push_str(&format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
        rest = tail;
    }
    out
}

/// Long text, broken at blanks.
fn folded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut width = 0usize;
    for (n, word) in value.split(' ').enumerate() {
        if n > 0 {
            let break_here = width.saturating_add(word.len()) > LINE && !word.is_empty();
            out.push_str(if break_here { "\r\n " } else { " " });
            width = if break_here { 1 } else { width.saturating_add(1) };
        }
        out.push_str(word);
        width = width.saturating_add(word.len());
    }
    out
}

/// A display name: as it is, quoted, or as encoded words.
pub fn phrase(name: &str) -> String {
    let name = clean(name);
    if !name.is_ascii() || name.contains("=?") {
        return words(&name);
    }
    let atoms = name.bytes().all(|b| b.is_ascii_alphanumeric() || b" !#$%&'*+-/=?^_`{|}~".contains(&b));
    if atoms { name } else { quoted(&name) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A parameter of a header, with the blank line break before it.
pub fn parameter(name: &str, value: &str) -> String {
    let value = clean(value);
    if value.is_ascii() && value.len() < 200 {
        return format!(";\r\n {name}={}", quoted(&value));
    }
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(hex(byte >> 4)));
            encoded.push(char::from(hex(byte & 15)));
        }
    }
    if encoded.len() < 60 {
        return format!(";\r\n {name}*=UTF-8''{encoded}");
    }
    let mut out = String::new();
    for (n, piece) in encoded.as_bytes().chunks(54).enumerate() {
        let start = if n == 0 { "UTF-8''" } else { "" };
        out.push_str(&format!(";\r\n {name}*{n}*={start}{}", String::from_utf8_lossy(piece)));
    }
    out
}

/// A MIME type that can stand in a header; anything else is a stream of bytes.
pub fn mime(declared: &str) -> &str {
    let declared = declared.split(';').next().unwrap_or("").trim();
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match declared.split_once('/') {
        // Parts of these types could not be encoded as attachments are.
        Some((kind, sub)) if token(kind) && token(sub) && kind != "multipart" && kind != "message" => {
            declared
        }
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_quoted_printable(bytes: &[u8]) -> String {
        let text = core::str::from_utf8(bytes).unwrap().replace("=\r\n", "");
        let mut out = Vec::new();
        let mut rest = text.bytes();
        while let Some(b) = rest.next() {
            if b == b'=' {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                out.push(u8::from_str_radix(core::str::from_utf8(&digits).unwrap(), 16).unwrap());
            } else {
                out.push(b);
            }
        }
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn quoted_printable_comes_back(text in "[ -~\\té=\n]{0,300}") {
            let encoded = quoted_printable(&text);
            prop_assert!(encoded.split(|b| *b == b'\n').all(|l| l.len() <= LINE + 1));
            prop_assert_eq!(decode_quoted_printable(&encoded), format!("{}\r\n", text.replace('\n', "\r\n")));
        }

        #[test]
        fn no_value_adds_a_header(value: String) {
            for header in [words(&value), phrase(&value), parameter("filename", &value)] {
                prop_assert!(header.is_ascii());
                prop_assert!(header.replace("\r\n ", "").chars().all(|c| !c.is_control()), "{:?}", header);
            }
            prop_assert!(mime(&value).is_ascii());
        }
    }

    #[test]
    fn headers_in_their_forms() {
        assert_eq!(words("Grüße"), "=?UTF-8?B?R3LDvMOfZQ==?=");
        assert_eq!(phrase("Smith, Bob"), "\"Smith, Bob\"");
        assert_eq!(phrase("Bob"), "Bob");
        assert_eq!(parameter("filename", "a\"b.txt"), ";\r\n filename=\"a\\\"b.txt\"");
        assert_eq!(parameter("filename", "ä.txt"), ";\r\n filename*=UTF-8''%C3%A4.txt");
        assert_eq!(mime("text/plain; x"), "text/plain");
        assert_eq!(mime("multipart/mixed"), "application/octet-stream");
        assert_eq!(mime("a/b\r\nX: y"), "application/octet-stream");
    }
}
