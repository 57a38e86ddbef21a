//! Media types of attachments that do not declare one, by the ending of their name.

/// What is said of bytes of which nothing is known.
pub const UNKNOWN: &str = "application/octet-stream";

const BY_ENDING: &[(&str, &str)] = &[
    ("7z", "application/x-7z-compressed"),
    ("bmp", "image/bmp"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("eml", "message/rfc822"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("msg", "application/vnd.ms-outlook"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("p7m", "application/pkcs7-mime"),
    ("p7s", "application/pkcs7-signature"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("rtf", "application/rtf"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("wav", "audio/x-wav"),
    ("webp", "image/webp"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The media type of a file name, [`UNKNOWN`] where its ending is none that is known.
#[must_use]
pub fn of_name(name: &str) -> &'static str {
    let Some((_, ending)) = name.rsplit_once('.') else { return UNKNOWN };
    let ending = ending.trim().to_ascii_lowercase();
    let found = BY_ENDING.binary_search_by(|(known, _)| (*known).cmp(ending.as_str()));
    found.ok().and_then(|n| BY_ENDING.get(n)).map_or(UNKNOWN, |(_, mime)| mime)
}

/// A declared media type in its usual form (lower case, no parameters); `None` where it is none.
#[must_use]
pub fn declared(text: &str) -> Option<String> {
    let kind = text.split(';').next()?.trim();
    let (main, sub) = kind.split_once('/')?;
    let token =
        |s: &str| !s.is_empty() && s.len() <= 127 && s.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    (token(main) && token(sub)).then(|| kind.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_known_and_sorted() {
        assert!(BY_ENDING.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(of_name("a.b.PDF"), "application/pdf");
        assert_eq!(of_name("a"), UNKNOWN);
        assert_eq!(of_name("a.unknown"), UNKNOWN);
    }

    #[test]
    fn declared_types_are_cleaned() {
        assert_eq!(declared("Text/Plain; charset=utf-8").as_deref(), Some("text/plain"));
        assert_eq!(declared("jpeg"), None);
        assert_eq!(declared("a b/c"), None);
    }
}
