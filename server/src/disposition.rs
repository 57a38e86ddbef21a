//! Names and types of downloads: they come from strangers' mail, and end up in a browser and on a disk.
//!
//! What always holds: a browser saves what it gets and never shows it, and the name it saves it under has no
//! folder in it, begins with no dot and hides no characters.

use crate::percent;
use hyper::header::HeaderValue;

/// Characters of a file name that are kept.
const MAX_NAME: usize = 150;

/// The `Content-Disposition` of a download: a plain name for old clients, the real one for the others (RFC 6266).
pub(crate) fn attachment(name: &str, otherwise: &str) -> HeaderValue {
    let name = clean(name);
    let name = if name.is_empty() { otherwise } else { &name };
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !"\"\\%;".contains(c) || c == ' ' { c } else { '_' })
        .collect();
    let mut value = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''");
    percent::encode_into(&mut value, name);
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// A name without anything that has a meaning to a file system or turns text around.
fn clean(name: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let meant = |c: char| if "/\\:*?\"<>|".contains(c) { '_' } else { c };
    let kept: String = name.chars().filter(|c| !hides(*c)).map(meant).collect();
    let kept = kept.trim().trim_start_matches('.').trim_end_matches(['.', ' ']);
    let length = kept.chars().count();
    if length <= MAX_NAME {
        return kept.to_owned();
    }
    // The end is kept: it tells what kind of file it is.
    let tail: String = kept.chars().skip(length - MAX_NAME / 3).collect();
    let head: String = kept.chars().take(MAX_NAME - MAX_NAME / 3).collect();
    head + &tail
}

/// The declared type, if a browser can do nothing with it; else the one that means bytes.
pub(crate) fn media_type(declared: &str) -> HeaderValue {
    const HARMLESS: [&str; 4] = ["image/", "audio/", "video/", "application/"];
    let declared = declared.trim().to_ascii_lowercase();
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let formed = declared.split_once('/').is_some_and(|(a, b)| token(a) && token(b)) && declared.len() <= 100;
    let active =
        ["html", "xml", "svg", "script", "flash", "x-mixed"].iter().any(|word| declared.contains(word));
    let value = match HARMLESS.iter().any(|start| declared.starts_with(start)) && formed && !active {
        true => HeaderValue::from_str(&declared).ok(),
        false => None,
    };
    value.unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> String {
        attachment(name, "attachment-3").to_str().unwrap().to_owned()
    }

    #[test]
    fn names_are_made_safe() {
        assert_eq!(value("a b.pdf"), "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf");
        assert_eq!(value("é\".txt"), "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%A9_.txt");
        assert!(value("../../etc/passwd").contains("filename=\"_.._etc_passwd\""));
        assert!(value("a\r\nSet-Cookie: x=1").contains("filename=\"aSet-Cookie_ x=1\""));
        assert!(value("exe\u{202e}fdp.txt").ends_with("''exefdp.txt"));
        for nothing in ["", ".", "...", " \u{200b}\t"] {
            assert!(value(nothing).contains("filename=\"attachment-3\""), "{nothing:?}");
        }
        let long = value(&format!("{}.docx", "x".repeat(5000)));
        assert!(long.len() < 500 && long.ends_with(".docx"));
    }

    #[test]
    fn active_types_become_bytes() {
        for (declared, served) in [
            ("application/pdf", "application/pdf"),
            ("IMAGE/PNG", "image/png"),
            ("text/html", "application/octet-stream"),
            ("image/svg+xml", "application/octet-stream"),
            ("application/xhtml+xml", "application/octet-stream"),
            ("application/x-javascript", "application/octet-stream"),
            ("application/pdf\r\nx: y", "application/octet-stream"),
            ("application/pdf; charset=x", "application/octet-stream"),
            ("", "application/octet-stream"),
            ("image", "application/octet-stream"),
        ] {
            assert_eq!(media_type(declared), served, "{declared}");
        }
    }
}
