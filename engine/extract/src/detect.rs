//! What bytes are: by how they begin, then by the name and the media type they were given.
//!
//! What always holds: how they begin counts first. A name or a type alone makes text of what looks like text, or a
//! claim that a note answers.

use crate::{Format, tnef};
use memchr::memmem;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To be read as this.
    Is(Format),
    /// It claims to be this, and is not.
    Claims(Format),
    /// An archive of a kind that is not opened, by its name.
    Archive(&'static str),
    /// A mail, which is read elsewhere.
    Mail,
    /// Nothing to read.
    Nothing,
}

/// Bytes that are looked at to tell text from other bytes.
const SAMPLE: usize = 64 << 10;

pub(crate) fn kind(bytes: &[u8], name: &str, mime: &str) -> Kind {
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let (mime, ending) = (mime.as_str(), ending.as_str());
    if let Some(kind) = by_start(bytes) {
        return kind;
    }
    if mime.starts_with("message/") || ending == "eml" {
        return Kind::Mail;
    }
    let claim = claim(mime, ending);
    let shown = mime.starts_with("image/") || mime.starts_with("audio/") || mime.starts_with("video/");
    if !bytes.is_empty() && !shown && looks_like_text(bytes, claim == Some(Format::Text)) {
        let markup = looks_like_html(bytes) || claim == Some(Format::Html);
        return Kind::Is(if markup { Format::Html } else { Format::Text });
    }
    match claim {
        None | Some(Format::Text | Format::Html) => Kind::Nothing,
        Some(format) => Kind::Claims(format),
    }
}

fn by_start(bytes: &[u8]) -> Option<Kind> {
    const ARCHIVES: &[(&[u8], &str)] = &[
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh", "bzip2"),
        (b"MSCF\0\0\0\0", "cabinet"),
    ];
    let start = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    if [&b"PK\x03\x04"[..], b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| start.starts_with(magic)) {
        return Some(Kind::Is(Format::Zip));
    }
    if start.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Some(Kind::Is(Format::Ole));
    }
    if start.starts_with(tnef::MAGIC) {
        return Some(Kind::Is(Format::Tnef));
    }
    if start.trim_ascii_start().starts_with(b"{\\rtf") {
        return Some(Kind::Is(Format::Rtf));
    }
    if memmem::find(start, b"%PDF-").is_some() {
        return Some(Kind::Is(Format::Pdf));
    }
    if let Some((_, name)) = ARCHIVES.iter().find(|(magic, _)| start.starts_with(magic)) {
        // Text may begin so.
        return (*name != "bzip2" || core::str::from_utf8(start).is_err()).then_some(Kind::Archive(name));
    }
    (start.get(257..262) == Some(b"ustar")).then_some(Kind::Archive("tar"))
}

/// What the type or the ending say it is.
fn claim(mime: &str, ending: &str) -> Option<Format> {
    let by_ending = match ending {
        "pdf" => Some(Format::Pdf),
        "docx" | "docm" | "dotx" | "dotm" => Some(Format::Word),
        "xlsx" | "xlsm" | "xltx" | "xltm" | "xlsb" => Some(Format::Sheet),
        "pptx" | "pptm" | "potx" | "ppsx" | "ppsm" => Some(Format::Slides),
        "doc" | "dot" | "xls" | "xlt" | "ppt" | "pps" | "msg" => Some(Format::Ole),
        "odt" | "ods" | "odp" | "ott" | "ots" | "otp" | "odg" => Some(Format::OpenDocument),
        "zip" => Some(Format::Zip),
        "rtf" => Some(Format::Rtf),
        "htm" | "html" | "xhtml" | "shtml" => Some(Format::Html),
        "txt" | "csv" | "tsv" | "log" | "md" | "json" | "xml" | "ini" | "cfg" | "conf" | "yaml" | "yml"
        | "tex" | "sql" | "ics" | "vcf" | "text" => Some(Format::Text),
        _ => None,
    };
    by_ending.or_else(|| match mime {
        "application/pdf" => Some(Format::Pdf),
        "application/ms-tnef" | "application/vnd.ms-tnef" => Some(Format::Tnef),
        "application/zip" | "application/x-zip-compressed" => Some(Format::Zip),
        "application/rtf" | "text/rtf" => Some(Format::Rtf),
        "text/html" | "application/xhtml+xml" => Some(Format::Html),
        "application/msword" | "application/vnd.ms-excel" | "application/vnd.ms-powerpoint" => {
            Some(Format::Ole)
        }
        "application/json" | "application/xml" => Some(Format::Text),
        mime if mime.starts_with("text/") => Some(Format::Text),
        mime if mime.starts_with("application/vnd.oasis.opendocument.") => Some(Format::OpenDocument),
        mime if mime.starts_with("application/vnd.openxmlformats-officedocument.") => {
            Some(match mime.rsplit('.').nth(1) {
                Some("spreadsheetml") => Format::Sheet,
                Some("presentationml") => Format::Slides,
                _ => Format::Word,
            })
        }
        _ => None,
    })
}

fn looks_like_html(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let start = bytes.get(..bytes.len().min(16)).unwrap_or_default().to_ascii_lowercase();
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].iter().any(|tag| start.starts_with(tag))
}

/// Whether bytes are text: UTF-8 without control characters, or UTF-16 that says so; where they are claimed to be
/// text, also in another charset.
fn looks_like_text(bytes: &[u8], claimed: bool) -> bool {
    let sample = bytes.get(..bytes.len().min(SAMPLE)).unwrap_or_default();
    if encoding_rs::Encoding::for_bom(sample).is_some() {
        return true;
    }
    if wide(sample).is_some() {
        return claimed;
    }
    let odd = sample.iter().filter(|b| matches!(b, 0..=7 | 11 | 14..=26 | 28..=31 | 127)).count();
    if sample.contains(&0) || odd.saturating_mul(50) > sample.len() {
        return false;
    }
    match core::str::from_utf8(sample) {
        Ok(_) => true,
        // The sample may end within a character.
        Err(error) => claimed || error.error_len().is_none(),
    }
}

/// UTF-16 without a mark: every other byte is nothing in most of it.
pub(crate) fn wide(sample: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let pairs = sample.len() / 2;
    let nothing =
        |at: usize| sample.as_chunks::<2>().0.iter().filter(|pair| pair.get(at) == Some(&0)).count();
    let (first, second) = (nothing(0), nothing(1));
    let most = pairs.saturating_mul(2) / 3;
    if pairs < 2 {
        None
    } else if second > most && first == 0 {
        Some(encoding_rs::UTF_16LE)
    } else if first > most && second == 0 {
        Some(encoding_rs::UTF_16BE)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_count_before_names() {
        assert_eq!(kind(b"%PDF-1.4", "a.txt", "text/plain"), Kind::Is(Format::Pdf));
        assert_eq!(kind(b"\n%PDF-1.4", "a.docx", ""), Kind::Is(Format::Pdf));
        assert_eq!(kind(b"PK\x03\x04", "a.pdf", "application/pdf"), Kind::Is(Format::Zip));
        assert_eq!(kind(b"{\\rtf1 x}", "a.doc", "application/msword"), Kind::Is(Format::Rtf));
        assert_eq!(kind(b"<HTML><p>x", "a.pdf", ""), Kind::Is(Format::Html));
        assert_eq!(kind(b"7z\xbc\xaf\x27\x1c", "a", ""), Kind::Archive("7z"));
        assert_eq!(kind(b"BZhang, hello", "a.txt", ""), Kind::Is(Format::Text));
    }

    #[test]
    fn claims_are_answered_and_the_rest_is_silent() {
        assert_eq!(kind(b"\x00\x01\x02", "a.pdf", ""), Kind::Claims(Format::Pdf));
        assert_eq!(kind(b"", "a.docx", ""), Kind::Claims(Format::Word));
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n\0\0", "a.png", "image/png"), Kind::Nothing);
        assert_eq!(kind(b"<svg>x</svg>", "a.svg", "image/svg+xml"), Kind::Nothing);
        assert_eq!(kind(b"\x00\x01\x02\xff", "a", "application/octet-stream"), Kind::Nothing);
        assert_eq!(kind(b"Subject: x\r\n\r\ny", "a.eml", ""), Kind::Mail);
        assert_eq!(kind(b"", "a.txt", "text/plain"), Kind::Nothing);
    }

    #[test]
    fn text_is_told_from_bytes() {
        assert_eq!(kind(b"let x = 1;", "a.rs", "application/octet-stream"), Kind::Is(Format::Text));
        assert_eq!(kind("Grüße".as_bytes(), "", ""), Kind::Is(Format::Text));
        assert_eq!(kind(b"Gr\xfc\xdfe", "a.txt", ""), Kind::Is(Format::Text));
        assert_eq!(kind(b"Gr\xfc\xdfe", "a.bin", ""), Kind::Nothing);
        assert_eq!(kind(b"h\0i\0!\0", "a.txt", ""), Kind::Is(Format::Text));
        assert_eq!(kind(b"h\0i\0!\0", "a.bin", ""), Kind::Nothing);
        assert_eq!(kind(b"\xff\xfeh\0i\0", "a.bin", ""), Kind::Is(Format::Text));
    }
}
