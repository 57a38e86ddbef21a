//! From the bytes that travelled to the bytes that were meant, and from these to text.
//!
//! What always holds: decoding never fails. What is no base64 is passed over, what is no quoted-printable is taken as
//! it is, and what is in no known charset becomes the likeliest text.

use super::head::Transfer;
use crate::{charset, codepage, html};
use encoding_rs::{Encoding, UTF_8};
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;
use std::borrow::Cow;

/// Undoes a transfer encoding. `true`: there were bytes that it has no meaning for.
pub(super) fn transfer(transfer: Transfer, bytes: &[u8]) -> (Cow<'_, [u8]>, bool) {
    match transfer {
        Transfer::None => (Cow::Borrowed(bytes), false),
        Transfer::QuotedPrintable => {
            // Without a boundary it runs to the end, and takes broken escapes as they are.
            (MessageStream::new(bytes).decode_quoted_printable_mime(b"").1.into_owned().into(), false)
        }
        // mail-parser ends at this byte, as at the end.
        Transfer::Base64 => match base64_decode(bytes).filter(|_| !bytes.contains(&0xff)) {
            Some(decoded) => (decoded.into(), false),
            None => {
                let known = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
                let kept: Vec<u8> = bytes.iter().filter(known).copied().collect();
                (base64_decode(&kept).unwrap_or_default().into(), true)
            }
        },
    }
}

/// What a part says of its charset.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Charset {
    /// Nothing.
    #[default]
    Silent,
    /// That it has none but ASCII, which is so.
    Ascii,
    /// One that is known.
    Known(&'static Encoding),
    /// One that only mail knows, such as UTF-7.
    Mail(fn(&[u8]) -> String),
}

impl Charset {
    /// The charset of bytes with a label. A label that nobody knows says nothing, and neither does one that programs
    /// put on everything, US-ASCII or UTF-8, where the bytes cannot be that; then they are what they likeliest are.
    pub(super) fn of(label: Option<&str>, bytes: &[u8], html: bool) -> Self {
        let declared = Self::declared(label);
        match declared {
            Self::Known(encoding) if encoding != UTF_8 || core::str::from_utf8(bytes).is_ok() => {
                return declared;
            }
            Self::Mail(_) => return declared,
            _ => {}
        }
        if html && html::tells_charset(bytes) {
            return Self::Silent;
        }
        charset::guess(bytes).map_or(declared, Self::Known)
    }

    fn declared(label: Option<&str>) -> Self {
        let Some(label) = label.map(str::trim).filter(|label| !label.is_empty()) else { return Self::Silent };
        if is_ascii_label(label) {
            return Self::Ascii;
        }
        if let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) {
            return Self::Known(encoding);
        }
        charset_decoder(label.as_bytes()).map_or(Self::Silent, Self::Mail)
    }

    /// Its code page, 0 where there is none.
    pub(super) fn page(self) -> u32 {
        match self {
            Self::Known(encoding) => codepage::page(encoding).unwrap_or(0),
            Self::Ascii => codepage::DEFAULT,
            Self::Silent | Self::Mail(_) => 0,
        }
    }

    /// The code page that other text of the message is likely in, 0 where it says nothing of that.
    pub(super) fn hint(self) -> u32 {
        if matches!(self, Self::Ascii) { 0 } else { self.page() }
    }

    /// Plain text.
    pub(super) fn text(self, bytes: &[u8]) -> String {
        match self {
            Self::Known(encoding) => match codepage::page(encoding) {
                Some(page) => codepage::decode(page, without_mark(bytes)),
                None => encoding.decode_with_bom_removal(bytes).0.into_owned(),
            },
            Self::Mail(decode) => decode(bytes),
            Self::Silent | Self::Ascii => codepage::decode(0, without_mark(bytes)),
        }
    }

    /// The source of an HTML body, and whether a reader who knows no more than the code page makes the same of the
    /// bytes.
    pub(super) fn html(self, bytes: &[u8]) -> (String, bool) {
        let source = match self {
            Self::Known(encoding) if codepage::page(encoding).is_none() => {
                encoding.decode_with_bom_removal(bytes).0.into_owned()
            }
            Self::Mail(decode) => decode(bytes),
            Self::Known(_) | Self::Silent | Self::Ascii => {
                html::decode(bytes, Some(self.page()).filter(|page| *page != 0))
            }
        };
        let same = match core::str::from_utf8(bytes) {
            Ok(text) => text == source,
            Err(_) => match self {
                Self::Known(encoding) => {
                    let named = html::named_charset(bytes).filter(|named| *named != encoding_rs::UTF_8);
                    self.page() != 0 && named.is_none_or(|named| named == encoding)
                }
                Self::Silent | Self::Ascii => true,
                Self::Mail(_) => false,
            },
        };
        (source, same)
    }
}

/// Whether a label is one of US-ASCII.
fn is_ascii_label(label: &str) -> bool {
    ["us-ascii", "ascii", "ansi_x3.4-1968", "iso-ir-6"].iter().any(|known| known.eq_ignore_ascii_case(label))
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_encodings_give_what_can_be_had() {
        let base64 = |bytes: &'static [u8]| transfer(Transfer::Base64, bytes);
        assert_eq!(base64(b"aGVs\r\nbG8=\r\n"), (b"hello".to_vec().into(), false));
        assert_eq!(base64(b"aGVs*bG8"), (b"hello".to_vec().into(), true));
        assert_eq!(base64(b"aGVs\xffbG8="), (b"hello".to_vec().into(), true));
        let quoted = |bytes: &'static [u8]| transfer(Transfer::QuotedPrintable, bytes).0;
        assert_eq!(&*quoted(b"J=C3=B6rn =\r\nx=zz= \r\ny"), "Jörn x=zzy".as_bytes());
        assert_eq!(&*quoted(b"a=\r\n--b\r\n"), b"a--b\r\n");
    }

    #[test]
    fn charsets_are_believed_where_they_can_be() {
        let text = |label: &str, bytes: &[u8]| Charset::of(Some(label), bytes, false).text(bytes);
        assert_eq!(text("koi8-r", b"\xf0\xd2\xc9"), "При");
        assert_eq!(text("ISO-2022-JP", b"\x1b$B$3\x1b(B"), "こ");
        assert_eq!(text("utf-8", b"J\xf6rn"), "Jörn");
        assert_eq!(text("us-ascii", "Jörn".as_bytes()), "Jörn");
        assert_eq!(text("utf-7", b"J+APY-rn"), "Jörn");
        assert_eq!(text("no-such-thing", b"J\xf6rn"), "Jörn");
        assert_eq!(text("utf-16le", b"a\0"), "a");
    }

    #[test]
    fn what_is_in_no_charset_that_is_told_is_guessed() {
        let russian = "Здравствуйте, посылаю вам договор.";
        let japanese = "昨日の会議の議事録をお送りします。";
        let chinese = "附件是我们昨天讨论的合同，请您查收。";
        let polish = "Proszę też o świeże źródła, które wczoraj omawialiśmy, i o umowę.";
        let german = "Schöne Grüße aus München";
        for (encoding, text) in [
            (encoding_rs::KOI8_R, russian),
            (encoding_rs::WINDOWS_1251, russian),
            (encoding_rs::SHIFT_JIS, japanese),
            (encoding_rs::GBK, chinese),
            (encoding_rs::ISO_8859_2, polish),
            (encoding_rs::WINDOWS_1252, german),
            (encoding_rs::UTF_8, russian),
        ] {
            let bytes = encoding.encode(text).0;
            for label in [None, Some("unknown-8bit"), Some("no-such-thing"), Some("us-ascii"), Some("utf-8")]
            {
                let charset = Charset::of(label, &bytes, false);
                assert_eq!(charset.text(&bytes), text, "{} as {label:?}", encoding.name());
                assert!(charset.page() != 0 && charset.hint() == charset.page());
                assert_eq!(Charset::of(label, &bytes, true).html(&bytes), (text.to_owned(), true));
            }
            let told = Charset::of(Some(encoding.name()), &bytes, false);
            assert_eq!((told.page(), told.text(&bytes).as_str()), (codepage::page(encoding).unwrap(), text));
        }
        let ascii = Charset::of(Some("us-ascii"), b"plain", false);
        assert_eq!((ascii.page(), ascii.hint()), (1252, 0));
    }

    #[test]
    fn html_is_the_same_or_says_so() {
        let html = |label: Option<&str>, bytes: &[u8]| Charset::of(label, bytes, true).html(bytes);
        assert_eq!(html(Some("koi8-r"), b"<p>\xf0"), ("<p>П".to_owned(), true));
        let lies = html(Some("koi8-r"), b"<meta charset=windows-1251>\xf0");
        assert!(lies.0.ends_with('П') && !lies.1);
        assert_eq!(html(Some("iso-2022-jp"), b"\x1b$B$3\x1b(B"), ("こ".to_owned(), false));
        assert!(html(None, b"<meta charset=koi8-r>\xf0").1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded(label in "(utf-7|utf-16|gbk|ibm850|koi8-r|[a-z0-9-]{0,60})", bytes: Vec<u8>) {
            for encoding in [Transfer::None, Transfer::Base64, Transfer::QuotedPrintable] {
                let (decoded, _) = transfer(encoding, &bytes);
                prop_assert!(decoded.len() <= bytes.len() + 3);
            }
            let charset = Charset::of(Some(&label), &bytes, bytes.len() % 2 == 0);
            let _ = (charset.text(&bytes), charset.html(&bytes));
        }
    }
}
