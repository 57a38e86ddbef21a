//! Text in the code pages of Windows, by encoding_rs.
//!
//! What always holds: decoding never fails; what cannot be decoded becomes U+FFFD.

use crate::charset;
use encoding_rs::Encoding;

/// The code page taken where none is named: Western European.
pub const DEFAULT: u32 = 1252;
/// US-ASCII.
pub const ASCII: u32 = 20127;
/// UTF-8.
pub const UTF8: u32 = 65001;

/// The encoding of a Windows code page number; `None` for one that is not known.
#[must_use]
pub fn encoding(page: u32) -> Option<&'static Encoding> {
    use encoding_rs as e;
    Some(match page {
        874 => e::WINDOWS_874,
        932 => e::SHIFT_JIS,
        936 | 20936 => e::GBK,
        949 | 51949 => e::EUC_KR,
        950 => e::BIG5,
        1200 => e::UTF_16LE,
        1201 => e::UTF_16BE,
        1250 => e::WINDOWS_1250,
        1251 => e::WINDOWS_1251,
        // US-ASCII and ISO-8859-1 are read as windows-1252, as every browser does.
        437 | 850 | 1252 | 20127 | 28591 => e::WINDOWS_1252,
        1253 => e::WINDOWS_1253,
        1254 | 28599 => e::WINDOWS_1254,
        1255 => e::WINDOWS_1255,
        1256 => e::WINDOWS_1256,
        1257 => e::WINDOWS_1257,
        1258 => e::WINDOWS_1258,
        866 => e::IBM866,
        10000 => e::MACINTOSH,
        10007 | 10017 => e::X_MAC_CYRILLIC,
        20866 => e::KOI8_R,
        21866 => e::KOI8_U,
        20932 | 51932 => e::EUC_JP,
        28592 => e::ISO_8859_2,
        28593 => e::ISO_8859_3,
        28594 => e::ISO_8859_4,
        28595 => e::ISO_8859_5,
        28596 => e::ISO_8859_6,
        28597 => e::ISO_8859_7,
        28598 => e::ISO_8859_8,
        38598 => e::ISO_8859_8_I,
        28603 => e::ISO_8859_13,
        28605 => e::ISO_8859_15,
        50220..=50222 => e::ISO_2022_JP,
        54936 => e::GB18030,
        UTF8 => e::UTF_8,
        _ => return None,
    })
}

/// The code page number of an encoding; `None` for one that Windows has no number for.
#[must_use]
pub fn page(of: &'static Encoding) -> Option<u32> {
    const PAGES: &[u32] = &[
        UTF8, DEFAULT, 874, 932, 936, 949, 950, 866, 1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258, 10000,
        20866, 21866, 28592, 28593, 28594, 28595, 28596, 28597, 28598, 28603, 28605, 50220, 51932, 54936,
    ];
    PAGES.iter().copied().find(|page| encoding(*page) == Some(of))
}

/// Whether a code page is one that programs declare whatever they write: nothing, US-ASCII and UTF-8. What these say is
/// believed only if the bytes can be that.
#[must_use]
pub fn is_vague(page: u32) -> bool {
    matches!(page, 0 | ASCII | UTF8) || encoding(page).is_none()
}

/// Decodes bytes of a code page. Bytes that are UTF-8 with at least one character beyond ASCII are taken as UTF-8
/// whatever page they claim, because bodies often contradict it and other text is hardly ever valid UTF-8 by
/// chance; multi-byte pages, in which that does happen, are believed. What cannot be what it claims, or claims nothing,
/// is guessed.
#[must_use]
pub fn decode(page: u32, bytes: &[u8]) -> String {
    let found = encoding(page).filter(|_| !is_vague(page));
    let believed = found.is_some_and(|e| !e.is_single_byte());
    if !believed
        && let Ok(text) = core::str::from_utf8(bytes)
        && (found.is_some() || !bytes.contains(&0x1b))
    {
        return text.to_owned();
    }
    let found = found.or_else(|| charset::guess(bytes)).unwrap_or(encoding_rs::WINDOWS_1252);
    found.decode_without_bom_handling(bytes).0.into_owned()
}

/// Decodes UTF-16LE. A last odd byte is U+FFFD.
#[must_use]
pub fn utf16le(bytes: &[u8]) -> String {
    encoding_rs::UTF_16LE.decode_without_bom_handling(bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn utf8_wins_over_a_single_byte_page_and_not_over_a_multi_byte_one() {
        assert_eq!(decode(1252, "Jörn".as_bytes()), "Jörn");
        assert_eq!(decode(1252, b"J\xf6rn"), "Jörn");
        assert_eq!(decode(UTF8, b"J\xf6rn"), "Jörn");
        assert_eq!(decode(0, b"J\xf6rn"), "Jörn");
        assert_eq!(decode(1251, b"\xcf\xf0\xe8"), "При");
        assert_eq!(decode(ASCII, "Jörn".as_bytes()), "Jörn");
        assert_eq!(decode(936, b"\xb2\xc9\xb9\xba"), "采购");
        // Valid UTF-8 by chance; in GBK these are two common characters.
        assert_eq!(decode(936, b"\xc1\xaa\xcf\xb5"), "联系");
    }

    /// Text that claimed to be UTF-8 or nothing at all, and was in an Asian or Cyrillic code page, was shown as Western
    /// European: `ðÒÉ×ÅÔ` for `Привет`.
    #[test]
    fn what_a_page_cannot_be_is_guessed() {
        let text = "Здравствуйте, посылаю вам договор.";
        let bytes = encoding_rs::KOI8_R.encode(text).0;
        for page in [0, ASCII, UTF8, 99_999] {
            assert_eq!(decode(page, &bytes), text);
        }
        let shown = decode(1252, &bytes);
        assert!(shown.starts_with('ú'), "a page that can be is believed: {shown}");
        assert_eq!(decode(0, b"\x1b$B$3$s$K$A$O\x1b(B"), "こんにちは");
        assert_eq!(decode(0, b"\x1b[1mbold"), "\x1b[1mbold");
    }

    #[test]
    fn an_encoding_has_the_page_that_has_it() {
        assert_eq!(page(encoding_rs::WINDOWS_1252), Some(1252));
        assert_eq!(page(encoding_rs::KOI8_R), Some(20866));
        assert_eq!(page(encoding_rs::ISO_2022_JP), Some(50220));
        assert_eq!(page(encoding_rs::X_USER_DEFINED), None);
    }

    proptest! {
        #[test]
        fn any_bytes_decode(page in prop_oneof![any::<u32>(), Just(932), Just(936), Just(50220), Just(1200)], bytes: Vec<u8>) {
            let _ = decode(page, &bytes);
            let _ = utf16le(&bytes);
        }

        #[test]
        fn utf16_round_trips(text: String) {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            prop_assert_eq!(utf16le(&bytes), text);
        }
    }
}
