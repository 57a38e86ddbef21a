//! Bodies: what the source held, byte for byte, and the text made from it.

use crate::row::Extra;
use rkyv::{Archive, Deserialize, Serialize};

/// How the bytes of a [`Raw`] relate to the bytes of the source.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[rkyv(derive(Debug))]
#[repr(u8)]
pub enum RawEncoding {
    /// They are the source's bytes.
    Verbatim,
    /// The source's bytes are exactly the UTF-16LE form of these UTF-8 bytes (checked when written), so UTF-8 is
    /// kept: half the size, nothing lost.
    Utf16AsUtf8,
}

/// Bytes of the source.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Raw {
    /// How to get the source's bytes back.
    pub encoding: RawEncoding,
    /// The source's type of the value (MAPI property type; 0 where there is none).
    pub value_type: u16,
    /// The bytes kept.
    pub bytes: Vec<u8>,
}

impl Raw {
    /// Keeps `bytes`, in UTF-8 where they are UTF-16LE that survives the way there and back.
    #[must_use]
    pub fn keep(value_type: u16, bytes: &[u8]) -> Self {
        const UNICODE: u16 = 0x1f;
        if value_type == UNICODE && bytes.len().is_multiple_of(2) {
            let units = bytes.chunks_exact(2).map(|c| match c {
                [low, high] => u16::from_le_bytes([*low, *high]),
                _ => 0,
            });
            if let Ok(text) = char::decode_utf16(units).collect::<Result<String, _>>() {
                return Self { encoding: RawEncoding::Utf16AsUtf8, value_type, bytes: text.into_bytes() };
            }
        }
        Self { encoding: RawEncoding::Verbatim, value_type, bytes: bytes.to_vec() }
    }

    /// The source's bytes.
    #[must_use]
    pub fn original(&self) -> Vec<u8> {
        original(self.encoding, &self.bytes)
    }
}

impl ArchivedRaw {
    /// The source's bytes.
    #[must_use]
    pub fn original(&self) -> Vec<u8> {
        let encoding = match self.encoding {
            ArchivedRawEncoding::Verbatim => RawEncoding::Verbatim,
            ArchivedRawEncoding::Utf16AsUtf8 => RawEncoding::Utf16AsUtf8,
        };
        original(encoding, &self.bytes)
    }
}

fn original(encoding: RawEncoding, bytes: &[u8]) -> Vec<u8> {
    match (encoding, core::str::from_utf8(bytes)) {
        (RawEncoding::Utf16AsUtf8, Ok(text)) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        _ => bytes.to_vec(),
    }
}

/// The name of a named property.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct PropName {
    /// Property set, 16 bytes as the source has them.
    pub guid: [u8; 16],
    /// Numeric name (LID), where it has one.
    pub lid: Option<u32>,
    /// String name, or empty.
    pub name: String,
}

/// One property of the source that is not kept elsewhere in the row.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Prop {
    /// Property id, the upper half of a MAPI tag.
    pub id: u16,
    /// Its name, for ids from 0x8000 up.
    pub name: Option<PropName>,
    /// Its value.
    pub value: Raw,
}

/// What text was made from.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[rkyv(derive(Debug))]
#[repr(u8)]
pub enum TextSource {
    /// There is no text.
    None,
    /// `plain`, whose kept bytes are the text already (UTF-8): nothing is stored twice and `text` is empty.
    PlainAsKept,
    /// `plain`, converted.
    Plain,
    /// `html`.
    Html,
    /// `rtf`.
    Rtf,
}

/// Bodies, headers and properties of one item. Immutable.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[rkyv(derive(Debug))]
pub struct Body {
    /// Plain body.
    pub plain: Option<Raw>,
    /// HTML body.
    pub html: Option<Raw>,
    /// RTF body, decompressed.
    pub rtf: Option<Raw>,
    /// Transport headers.
    pub headers: Option<Raw>,
    /// The whole message as it came, for EML and mbox.
    pub original: Option<Raw>,
    /// Text made from the best body, with `\n` line ends. See [`Body::text`].
    pub text: String,
    /// What the text was made from.
    pub text_source: TextSource,
    /// All other properties.
    pub props: Vec<Prop>,
    /// Facts of later versions.
    pub extra: Vec<Extra>,
}

impl Body {
    /// The text, wherever it is kept.
    #[must_use]
    pub fn text(&self) -> &str {
        match (&self.plain, self.text_source) {
            (Some(plain), TextSource::PlainAsKept) => core::str::from_utf8(&plain.bytes).unwrap_or(""),
            _ => &self.text,
        }
    }
}

impl ArchivedBody {
    /// The text, wherever it is kept.
    #[must_use]
    pub fn text(&self) -> &str {
        match (self.plain.as_ref(), &self.text_source) {
            (Some(plain), ArchivedTextSource::PlainAsKept) => {
                core::str::from_utf8(&plain.bytes).unwrap_or("")
            }
            _ => &self.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_kept_gives_the_source_back(kind in prop_oneof![Just(0x1fu16), Just(0x1e), Just(0x102)], bytes: Vec<u8>) {
            prop_assert_eq!(Raw::keep(kind, &bytes).original(), bytes);
        }

        #[test]
        fn utf16_is_kept_as_utf8(text: String) {
            let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let raw = Raw::keep(0x1f, &utf16);
            prop_assert_eq!(&raw.bytes, text.as_bytes());
            prop_assert_eq!(raw.original(), utf16);
        }
    }
}
