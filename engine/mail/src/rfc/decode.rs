//! From the bytes that travelled to the bytes that were meant, and from these to text.
//!
//! What always holds: decoding never fails. What is no base64 is passed over, what is no quoted-printable is taken as
//! it is, and what is in no known charset becomes the likeliest text.

use super::head::Transfer;
use crate::{codepage, html};
use encoding_rs::Encoding;
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
    /// One that is known.
    Known(&'static Encoding),
    /// One that only mail knows, such as UTF-7.
    Mail(fn(&[u8]) -> String),
}

impl Charset {
    /// The charset of a label; a label that nobody knows says nothing.
    pub(super) fn of(label: Option<&str>) -> Self {
        let Some(label) = label.map(str::trim).filter(|label| !label.is_empty()) else { return Self::Silent };
        if let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) {
            return Self::Known(encoding);
        }
        charset_decoder(label.as_bytes()).map_or(Self::Silent, Self::Mail)
    }

    /// Its code page, 0 where there is none.
    pub(super) fn page(self) -> u32 {
        match self {
            Self::Known(encoding) => codepage::page(encoding).unwrap_or(0),
            Self::Silent | Self::Mail(_) => 0,
        }
    }

    /// Plain text.
    pub(super) fn text(self, bytes: &[u8]) -> String {
        match self {
            Self::Known(encoding) => match codepage::page(encoding) {
                Some(page) => codepage::decode(page, without_mark(bytes)),
                None => encoding.decode_with_bom_removal(bytes).0.into_owned(),
            },
            Self::Mail(decode) => decode(bytes),
            Self::Silent => codepage::decode(0, without_mark(bytes)),
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
            Self::Known(_) | Self::Silent => html::decode(bytes, Some(self.page()).filter(|page| *page != 0)),
        };
        let same = match core::str::from_utf8(bytes) {
            Ok(text) => text == source,
            Err(_) => match self {
                Self::Known(encoding) => {
                    let named = html::named_charset(bytes).filter(|named| *named != encoding_rs::UTF_8);
                    self.page() != 0 && named.is_none_or(|named| named == encoding)
                }
                Self::Silent => true,
                Self::Mail(_) => false,
            },
        };
        (source, same)
    }
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
        let text = |label: &str, bytes: &[u8]| Charset::of(Some(label)).text(bytes);
        assert_eq!(text("koi8-r", b"\xf0\xd2\xc9"), "При");
        assert_eq!(text("ISO-2022-JP", b"\x1b$B$3\x1b(B"), "こ");
        assert_eq!(text("utf-8", b"J\xf6rn"), "Jörn");
        assert_eq!(text("us-ascii", "Jörn".as_bytes()), "Jörn");
        assert_eq!(text("utf-7", b"J+APY-rn"), "Jörn");
        assert_eq!(text("no-such-thing", b"J\xf6rn"), "Jörn");
        assert_eq!(text("utf-16le", b"a\0"), "a");
    }

    #[test]
    fn html_is_the_same_or_says_so() {
        let html = |label: Option<&str>, bytes: &[u8]| Charset::of(label).html(bytes);
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
            let charset = Charset::of(Some(&label));
            let _ = (charset.text(&bytes), charset.html(&bytes));
        }
    }
}
