//! The two layouts of the format that are written, and all in which they differ: the width of numbers, the
//! trailers of pages and blocks, and how text is kept.

use std::borrow::Cow;

use encoding_rs::{EncoderResult, WINDOWS_1252};

use crate::bytes::{push_u32, push_u64, utf16};

/// The layouts of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// 64-bit offsets and text in UTF-16: what Outlook writes since 2003.
    #[default]
    Unicode,
    /// 32-bit offsets and text in code page 1252: at most 2 GiB in a file and 65,536 items in a folder.
    /// Characters that the code page lacks become question marks; [`fit_ansi`] shows which.
    Ansi,
}

/// The code page of text in ANSI archives.
pub(crate) const ANSI_CODE_PAGE: i32 = 1252;
const PTYP_STRING8: u16 = 0x001E;
const PTYP_STRING: u16 = 0x001F;
/// Set in the type of properties that have many values.
const MULTIPLE: u16 = 0x1000;

impl Format {
    /// The most items that a folder can have: as many as the index of its table can number.
    pub fn most_items(self) -> u64 {
        1 << (8 * self.row_number_len())
    }

    /// Bytes of a block id or a place in the file.
    pub(crate) fn number_len(self) -> usize {
        match self {
            Format::Unicode => 8,
            Format::Ansi => 4,
        }
    }

    /// Bytes of the trailer of a page or block.
    pub(crate) fn trailer_len(self) -> usize {
        match self {
            Format::Unicode => 16,
            Format::Ansi => 12,
        }
    }

    /// Bytes of data in the largest block.
    pub(crate) fn block_data_len(self) -> usize {
        8192 - self.trailer_len()
    }

    /// Where the bits of an allocation map begin in its page.
    pub(crate) fn map_offset(self) -> usize {
        match self {
            Format::Unicode => 0,
            Format::Ansi => 4,
        }
    }

    /// Bytes of a B-tree page that hold entries.
    pub(crate) fn tree_entries_len(self) -> usize {
        match self {
            Format::Unicode => 488,
            Format::Ansi => 496,
        }
    }

    /// Bytes before the entries of a block of subnodes.
    pub(crate) fn subnodes_head_len(self) -> usize {
        match self {
            Format::Unicode => 8,
            Format::Ansi => 4,
        }
    }

    /// Bytes of a row's number in the index of a table.
    pub(crate) fn row_number_len(self) -> usize {
        match self {
            Format::Unicode => 4,
            Format::Ansi => 2,
        }
    }

    /// The most bytes that a file can have.
    pub(crate) fn most_bytes(self) -> u64 {
        match self {
            Format::Unicode => u64::MAX,
            Format::Ansi => 1 << 31,
        }
    }

    /// Appends a block id or a place in the file. Those of ANSI archives fit because the file's length is limited.
    pub(crate) fn push_number(self, out: &mut Vec<u8>, number: u64) {
        match self {
            Format::Unicode => push_u64(out, number),
            Format::Ansi => push_u32(out, number as u32),
        }
    }

    /// The property type that values of type `kind` have here: other for text in ANSI archives.
    pub(crate) fn kind(self, kind: u16) -> u16 {
        if self == Format::Ansi && kind & !MULTIPLE == PTYP_STRING {
            PTYP_STRING8 | kind & MULTIPLE
        } else {
            kind
        }
    }

    /// `text` as it goes to the file, without a terminator.
    pub(crate) fn text(self, text: &str) -> Vec<u8> {
        match self {
            Format::Unicode => utf16(text),
            Format::Ansi => to_code_page(text),
        }
    }
}

fn to_code_page(text: &str) -> Vec<u8> {
    let mut encoder = WINDOWS_1252.new_encoder();
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut rest = text;
    loop {
        let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut out, true);
        rest = &rest[read..];
        match result {
            EncoderResult::InputEmpty => return out,
            EncoderResult::OutputFull => out.reserve(rest.len() + 16),
            EncoderResult::Unmappable(_) => out.push(b'?'),
        }
    }
}

/// `text` as an ANSI archive keeps it: each character that its code page lacks is a question mark.
pub fn fit_ansi(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let bytes = to_code_page(text);
    Cow::Owned(WINDOWS_1252.decode_without_bom_handling(&bytes).0.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_a_code_page_lacks_become_question_marks() {
        assert_eq!(fit_ansi("Grüße für 5 € – 日本 🎉"), "Grüße für 5 € – ?? ?");
        assert_eq!(Format::Ansi.text("ß€Ł"), [0xDF, 0x80, b'?']);
        let long = "日ß".repeat(10_000);
        assert_eq!(to_code_page(&long), b"?\xdf".repeat(10_000));
    }

    #[test]
    fn only_types_of_text_differ() {
        for (kind, ansi) in [(0x1F, 0x1E), (0x101F, 0x101E), (0x0102, 0x0102), (0x0003, 0x0003)] {
            assert_eq!((Format::Unicode.kind(kind), Format::Ansi.kind(kind)), (kind, ansi));
        }
    }
}
