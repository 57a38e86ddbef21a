//! Segments: immutable files of sections, each a row of blocks.
//!
//! ```text
//! page 0      header: magic "PLSEGMNT", version u32, crc u32 (over bytes 16..4096 and the version), id, salt u64, …
//! …           sections, each from a page boundary
//! directory   one section of its own: an rkyv record (Directory)
//! last page   trailer: magic "PLSEGEND", version u32, crc u32, id, salt, directory offset, length u64
//! ```
//!
//! What always holds: a segment is written once, made durable, then named by a manifest; every byte from the
//! first section to the last lies in a block with a CRC; sections are found by the directory alone.

use crate::block::{self, BlockPlace};
use crate::column::{self, ColumnId};
use crate::error::FormatError;
use crate::id::Id;
use crate::index::IndexId;
use crate::limits::{MAX_SECTIONS, PAGE};
use crate::manifest::SegmentKind;
use crate::row::{RowKind, access};
use rkyv::with::Skip;
use rkyv::{Archive, Deserialize, Serialize};

const HEAD_MAGIC: &[u8; 8] = b"PLSEGMNT";
const TAIL_MAGIC: &[u8; 8] = b"PLSEGEND";
/// Newest version known here. Version 1 had no [`SectionKind::EmailFrames`]; version 2 no [`SectionKind::Dictionary`], no
/// short [`Location`]s, and fewer indexes ([`IndexId::since`]); version 3 no [`SectionKind::Vectors`]; version 4 no
/// [`SectionKind::Columns`]; version 5 no [`IndexId::Near`], and no graphs of half-turned vectors.
pub const VERSION: u32 = 6;
/// The directory's own section number, in its blocks' CRCs.
pub const DIRECTORY_SECTION: u16 = u16::MAX;
/// Block size of the directory.
pub const DIRECTORY_BLOCK: usize = PAGE;

/// Which file a segment is: its id, and the salt that was drawn when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The segment's id.
    pub id: u64,
    /// Its salt.
    pub salt: u64,
}

/// What a section holds. The numbers are part of the format; a reader passes over those it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum SectionKind {
    /// rkyv records of emails, one after the other in ordinal order.
    Emails = 1,
    /// One [`Ordinal`] an email, in (date, id) order.
    Ordinals = 2,
    /// zstd frames of bodies.
    Bodies = 3,
    /// Values of all other rows.
    Heap = 4,
    /// B+tree: row kind and key -> [`Location`].
    Primary = 5,
    /// B+tree of one metadata index; `index` is its [`crate::index::IndexId`].
    Index = 6,
    /// [`crate::bloom::Bloom`] over the emails' ids.
    Bloom = 7,
    /// The text index: a bundle of its files.
    Text = 8,
    /// Since version 2, in the place of [`SectionKind::Emails`]: zstd frames of emails, each after its length.
    EmailFrames = 9,
    /// Since version 3: what the frames or values of another section were compressed with; `index` is the number of that
    /// section's kind.
    Dictionary = 10,
    /// Since version 4: vectors of the emails; `index` is the number of the [`VectorPart`].
    Vectors = 11,
    /// Since version 5: values of the emails, for counting and sorting; `index` is the number of the [`ColumnId`], or
    /// [`column::STRANGERS`].
    Columns = 12,
}

/// The parts of a segment's vectors, each a section of its own. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum VectorPart {
    /// The model, what was embedded, and what the other parts are.
    Head = 0,
    /// The ordinal of the email of each vector.
    Emails = 1,
    /// Exact values.
    Values = 2,
    /// What a walk of the graph compares.
    Codes = 3,
    /// The links of the graph.
    Links = 4,
    /// Vectors by their nodes in the graph.
    Rows = 5,
}

impl VectorPart {
    /// All of them.
    pub const ALL: [VectorPart; 6] =
        [Self::Head, Self::Emails, Self::Values, Self::Codes, Self::Links, Self::Rows];

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Emails => "emails",
            Self::Values => "values",
            Self::Codes => "codes",
            Self::Links => "links",
            Self::Rows => "rows",
        }
    }
}

impl SectionKind {
    /// All of them.
    pub const ALL: [SectionKind; 12] = [
        Self::Emails,
        Self::Ordinals,
        Self::Bodies,
        Self::Heap,
        Self::Primary,
        Self::Index,
        Self::Bloom,
        Self::Text,
        Self::EmailFrames,
        Self::Dictionary,
        Self::Vectors,
        Self::Columns,
    ];

    /// The kind of a number, if it is known here.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|k| *k as u16 == number)
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Emails => "emails",
            Self::Ordinals => "ordinals",
            Self::Bodies => "bodies",
            Self::Heap => "heap",
            Self::Primary => "primary",
            Self::Index => "index",
            Self::Bloom => "bloom",
            Self::Text => "text",
            Self::EmailFrames => "emails",
            Self::Dictionary => "dictionary",
            Self::Vectors => "vectors",
            Self::Columns => "columns",
        }
    }
}

/// One section.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Section {
    /// Number of its [`SectionKind`].
    pub kind: u16,
    /// Which one of that kind: the number of the index, of the column, of the part of vectors, of the kind of section that a
    /// dictionary is for; else 0.
    pub index: u16,
    /// Where its first block lies in the file.
    pub offset: u64,
    /// Bytes of content, without CRCs and padding.
    pub bytes: u64,
    /// Size of its blocks.
    pub block_size: u32,
    /// Trees: block number of the root.
    pub root: u32,
    /// Trees: levels.
    pub height: u8,
    /// Trees: entries. Others: records, where that means something.
    pub entries: u64,
}

impl Section {
    /// Its name, for people: `bodies`, `index:sender`.
    #[must_use]
    pub fn name(&self) -> String {
        match SectionKind::from_number(self.kind) {
            Some(SectionKind::Index) => {
                let index = crate::index::IndexId::from_number(self.index);
                format!("index:{}", index.map_or("unknown", crate::index::IndexId::name))
            }
            Some(SectionKind::Dictionary) => {
                let of = SectionKind::from_number(self.index);
                format!("dictionary:{}", of.map_or("unknown", SectionKind::name))
            }
            Some(SectionKind::Vectors) => {
                let part = VectorPart::ALL.into_iter().find(|part| *part as u16 == self.index);
                format!("vectors:{}", part.map_or("unknown", VectorPart::name))
            }
            Some(SectionKind::Columns) => {
                let column = if self.index == column::STRANGERS { Some("strangers") } else { None };
                let column = column.or(ColumnId::from_number(self.index).map(ColumnId::name));
                format!("columns:{}", column.unwrap_or("unknown"))
            }
            Some(kind) => kind.name().to_owned(),
            None => format!("unknown:{}", self.kind),
        }
    }

    /// Number of its blocks.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        block::count(self.bytes, self.block_size as usize)
    }
}

/// All sections of a segment.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Directory {
    /// The segment's id.
    pub id: u64,
    /// Its salt.
    pub salt: u64,
    /// What it holds.
    pub kind: SegmentKind,
    /// First hash of its range.
    pub low: u64,
    /// Last hash of its range, included.
    pub high: u64,
    /// Its sections; the position in this list is the section's number in block CRCs.
    pub sections: Vec<Section>,
    /// Rows by kind: (number of the kind, rows).
    pub rows: Vec<(u8, u64)>,
    /// Earliest date of its emails.
    pub min_date: i64,
    /// Latest date of its emails.
    pub max_date: i64,
    /// Highest sequence number in it.
    pub max_seq: u64,
    /// The segment's version: not of the record, the pages around it tell.
    #[rkyv(with = Skip)]
    pub version: u32,
}

impl Directory {
    /// Has it all keys of an index? A segment that was written before the index was thought of has none.
    #[must_use]
    pub fn knows(&self, index: IndexId) -> bool {
        self.version >= index.since()
    }

    /// Has it rows of a kind?
    #[must_use]
    pub fn has_rows(&self, kind: RowKind) -> bool {
        self.rows.iter().any(|(number, rows)| *number == kind as u8 && *rows > 0)
    }

    /// Number and description of the section of a kind.
    #[must_use]
    pub fn find(&self, kind: SectionKind, index: u16) -> Option<(u16, Section)> {
        let at = self.sections.iter().position(|s| s.kind == kind as u16 && s.index == index)?;
        Some((u16::try_from(at).ok()?, *self.sections.get(at)?))
    }

    /// Reads the directory of a segment of some version, and checks it against the file's size.
    ///
    /// # Errors
    /// [`FormatError`] where a section does not lie inside the file, or the record is not one.
    pub fn decode(bytes: &[u8], own: Identity, version: u32, file_bytes: u64) -> Result<Self, FormatError> {
        let malformed = |why| FormatError::Malformed { what: "segment directory", why };
        let archived = access::<ArchivedDirectory>(bytes)?;
        let mut directory = rkyv::deserialize::<Directory, rkyv::rancor::Error>(archived)
            .map_err(|_| malformed("its record cannot be read"))?;
        directory.version = version;
        if (Identity { id: directory.id, salt: directory.salt }) != own {
            return Err(malformed("it belongs to another segment"));
        }
        if directory.sections.len() > MAX_SECTIONS {
            return Err(malformed("it lists too many sections"));
        }
        for section in &directory.sections {
            let size = section.block_size as usize;
            if !block::valid_size(size) {
                return Err(malformed("a section has a block size that no section may have"));
            }
            let end = section.blocks().checked_mul(size as u64).and_then(|n| n.checked_add(section.offset));
            if end.is_none_or(|end| end > file_bytes) || !section.offset.is_multiple_of(PAGE as u64) {
                return Err(malformed("a section does not lie inside the file"));
            }
        }
        Ok(directory)
    }
}

/// Where a row's value lies: the value of a primary tree's entry.
///
/// Emails and bodies have their ordinal as `offset` and a length of 0; others a range of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Offset in the heap, or ordinal.
    pub offset: u64,
    /// Bytes.
    pub len: u32,
    /// Sequence number of the row.
    pub seq: u64,
}

/// Bytes of a [`Location`] at full length, as all were before version 3.
pub const LOCATION: usize = 20;

/// Bytes that a number needs.
fn needs(number: u64) -> usize {
    usize::try_from(u64::BITS.saturating_sub(number.leading_zeros()).div_ceil(8)).unwrap_or(8)
}

impl Location {
    /// Its bytes: a byte that says how many are of the offset (low half) and of the length (high half), these, then those
    /// of the sequence number, all without leading zeros. Where that is no shorter, all of them at full length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (offset, len) = (needs(self.offset), needs(u64::from(self.len)));
        let sizes = u8::try_from(len << 4 | offset).unwrap_or(u8::MAX);
        let mut out = Vec::with_capacity(LOCATION);
        out.push(sizes);
        out.extend(self.offset.to_le_bytes().into_iter().take(offset));
        out.extend(self.len.to_le_bytes().into_iter().take(len));
        out.extend(self.seq.to_le_bytes().into_iter().take(needs(self.seq)));
        if out.len() >= LOCATION {
            out.clear();
            out.extend(self.offset.to_le_bytes());
            out.extend(self.len.to_le_bytes());
            out.extend(self.seq.to_le_bytes());
        }
        out
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let wrong = || FormatError::Truncated { what: "row location", have: bytes.len(), need: LOCATION };
        let (offset, len, seq) = if bytes.len() == LOCATION {
            let (offset, rest) = bytes.split_at_checked(8).ok_or_else(wrong)?;
            let (len, seq) = rest.split_at_checked(4).ok_or_else(wrong)?;
            (offset, len, seq)
        } else {
            let (sizes, rest) = bytes.split_first().ok_or_else(wrong)?;
            let (offset, rest) = rest.split_at_checked(usize::from(sizes & 15)).ok_or_else(wrong)?;
            let (len, seq) = rest.split_at_checked(usize::from(sizes >> 4)).ok_or_else(wrong)?;
            (offset, len, seq)
        };
        let number = |bytes: &[u8], most: usize| {
            let mut out = [0u8; 8];
            for (to, from) in out.iter_mut().zip(bytes) {
                *to = *from;
            }
            let number = u64::from_le_bytes(out);
            (bytes.len() <= most).then_some(number)
        };
        let too_long = FormatError::Malformed { what: "row location", why: "a number in it is too long" };
        match (number(offset, 8), number(len, 4).and_then(|len| u32::try_from(len).ok()), number(seq, 8)) {
            (Some(offset), Some(len), Some(seq)) => Ok(Self { offset, len, seq }),
            _ => Err(too_long),
        }
    }
}

/// What is known of the email with a certain ordinal: fixed size, so that it is found by multiplication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordinal {
    /// The email's date.
    pub date: i64,
    /// Its id.
    pub id: Id,
    /// Sequence number of its row.
    pub seq: u64,
    /// Where its record begins in [`SectionKind::Emails`]; in [`SectionKind::EmailFrames`] where its frame begins, times
    /// 65,536, and where it begins in that.
    pub email_at: u64,
    /// Bytes of its record.
    pub email_len: u32,
    /// Where the zstd frame of its body begins in [`SectionKind::Bodies`].
    pub frame_at: u64,
    /// Bytes of that frame.
    pub frame_len: u32,
    /// Where its body begins in the decompressed frame.
    pub body_at: u32,
    /// Bytes of its body record.
    pub body_len: u32,
}

/// Bytes of an [`Ordinal`].
pub const ORDINAL: usize = 64;

impl Ordinal {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; ORDINAL] {
        let mut out = [0u8; ORDINAL];
        let fields: [&[u8]; 9] = [
            &self.date.to_le_bytes(),
            &self.id,
            &self.seq.to_le_bytes(),
            &self.email_at.to_le_bytes(),
            &self.email_len.to_le_bytes(),
            &self.frame_at.to_le_bytes(),
            &self.frame_len.to_le_bytes(),
            &self.body_at.to_le_bytes(),
            &self.body_len.to_le_bytes(),
        ];
        for (to, from) in out.iter_mut().zip(fields.iter().flat_map(|f| f.iter())) {
            *to = *from;
        }
        out
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] for fewer bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let wrong = FormatError::Truncated { what: "ordinal", have: bytes.len(), need: ORDINAL };
        let mut rest = bytes;
        let mut eight = || -> Result<[u8; 8], FormatError> {
            let (head, tail) = rest.split_first_chunk::<8>().ok_or(wrong.clone())?;
            rest = tail;
            Ok(*head)
        };
        let date = i64::from_le_bytes(eight()?);
        let (id_a, id_b) = (eight()?, eight()?);
        let seq = u64::from_le_bytes(eight()?);
        let email_at = u64::from_le_bytes(eight()?);
        let mut numbers = [0u32; 6];
        for pair in numbers.chunks_exact_mut(2) {
            let [a, b, c, d, e, f, g, h] = eight()?;
            for (to, from) in pair.iter_mut().zip([[a, b, c, d], [e, f, g, h]]) {
                *to = u32::from_le_bytes(from);
            }
        }
        let [email_len, frame_low, frame_high, frame_len, body_at, body_len] = numbers;
        let mut id = [0u8; 16];
        for (to, from) in id.iter_mut().zip(id_a.into_iter().chain(id_b)) {
            *to = from;
        }
        let frame_at = u64::from(frame_low) | (u64::from(frame_high) << 32);
        Ok(Self { date, id, seq, email_at, email_len, frame_at, frame_len, body_at, body_len })
    }
}

/// A header or trailer page: magic, version, crc, then the numbers.
fn number_page(magic: &[u8; 8], numbers: &[u64]) -> Vec<u8> {
    let mut page = vec![0u8; PAGE];
    let body = numbers.iter().flat_map(|n| n.to_le_bytes());
    for (to, from) in page.iter_mut().skip(16).zip(body) {
        *to = from;
    }
    let crc = page_crc(VERSION, page.get(16..).unwrap_or_default());
    let head = magic.iter().copied().chain(VERSION.to_le_bytes()).chain(crc.to_le_bytes());
    for (to, from) in page.iter_mut().zip(head) {
        *to = from;
    }
    page
}

fn page_crc(version: u32, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(rest);
    hasher.finalize()
}

fn read_number_page<const N: usize>(
    what: &'static str,
    magic: &[u8; 8],
    page: &[u8],
) -> Result<(u32, [u64; N]), FormatError> {
    let Some((head, rest)) = page.split_first_chunk::<16>().filter(|_| page.len() == PAGE) else {
        return Err(FormatError::Truncated { what, have: page.len(), need: PAGE });
    };
    let [m @ .., v0, v1, v2, v3, c0, c1, c2, c3] = *head;
    if m != *magic {
        return Err(FormatError::Magic { what });
    }
    let version = u32::from_le_bytes([v0, v1, v2, v3]);
    let stored = u32::from_le_bytes([c0, c1, c2, c3]);
    let computed = page_crc(version, rest);
    if stored != computed {
        return Err(FormatError::Checksum { what, stored, computed });
    }
    if !(1..=VERSION).contains(&version) {
        return Err(FormatError::Newer { what, found: version, known: VERSION });
    }
    let mut numbers = [0u64; N];
    for (to, from) in numbers.iter_mut().zip(rest.as_chunks::<8>().0) {
        *to = u64::from_le_bytes(*from);
    }
    Ok((version, numbers))
}

/// The first page of a segment's file.
#[must_use]
pub fn header_page(own: Identity) -> Vec<u8> {
    number_page(HEAD_MAGIC, &[own.id, own.salt])
}

/// Checks the first page of a segment's file, and gives the segment's version.
///
/// # Errors
/// [`FormatError`] for a page that is not this segment's.
pub fn check_header(own: Identity, page: &[u8]) -> Result<u32, FormatError> {
    let (version, [id, salt]) = read_number_page("segment header", HEAD_MAGIC, page)?;
    if (Identity { id, salt }) != own {
        return Err(FormatError::Malformed { what: "segment header", why: "it belongs to another segment" });
    }
    Ok(version)
}

/// The last page of a segment's file: where the directory begins, and its length in bytes.
#[must_use]
pub fn trailer_page(own: Identity, directory_at: u64, directory_len: u64) -> Vec<u8> {
    number_page(TAIL_MAGIC, &[own.id, own.salt, directory_at, directory_len])
}

/// Reads the last page of a segment's file: offset and length of the directory.
///
/// # Errors
/// [`FormatError`] for a page that is not this segment's, or a directory that does not end before it.
pub fn read_trailer(own: Identity, file_bytes: u64, page: &[u8]) -> Result<(u64, u64), FormatError> {
    let what = "segment trailer";
    let (_, [id, salt, at, len]) = read_number_page(what, TAIL_MAGIC, page)?;
    if (Identity { id, salt }) != own {
        return Err(FormatError::Malformed { what, why: "it belongs to another segment" });
    }
    let blocks = block::count(len, DIRECTORY_BLOCK);
    let end = blocks.checked_mul(DIRECTORY_BLOCK as u64).and_then(|n| n.checked_add(at));
    // Two overflows are not equal sizes.
    if end.is_none() || end != file_bytes.checked_sub(PAGE as u64) || !at.is_multiple_of(PAGE as u64) {
        return Err(FormatError::Malformed { what, why: "the directory does not lie before it" });
    }
    Ok((at, len))
}

/// Place of a block of the directory.
#[must_use]
pub fn directory_block(own: Identity, number: u32) -> BlockPlace {
    BlockPlace { segment: own.id, salt: own.salt, section: DIRECTORY_SECTION, block: number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWN: Identity = Identity { id: 77, salt: 1 };

    proptest! {
        #[test]
        fn ordinals_round_trip(date: i64, id: [u8; 16], seq: u64, email_at: u64, frame_at: u64, n: [u32; 4]) {
            let o = Ordinal { date, id, seq, email_at, email_len: n[0], frame_at, frame_len: n[1], body_at: n[2], body_len: n[3] };
            prop_assert_eq!(Ordinal::decode(&o.encode()).unwrap(), o);
            // Small numbers and large ones.
            let l = Location { offset: email_at >> (n[1] % 64), len: n[0] >> (n[2] % 32), seq: seq >> (n[3] % 64) };
            prop_assert_eq!(Location::decode(&l.encode()).unwrap(), l);
            prop_assert!(l.encode().len() <= LOCATION);
        }

        #[test]
        fn no_bytes_are_a_location_by_accident(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
            if let Ok(location) = Location::decode(&bytes) {
                prop_assert_eq!(Location::decode(&location.encode()), Ok(location));
            }
        }
    }

    #[test]
    fn locations_are_short_and_old_ones_are_read() {
        let location = Location { offset: 0x01_0203, len: 0x0405, seq: 0x06 };
        assert_eq!(location.encode(), [0x23, 3, 2, 1, 5, 4, 6]);
        let full = [3, 2, 1, 0, 0, 0, 0, 0, 5, 4, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Location::decode(&full), Ok(location));
        assert!(Location::decode(&[0x23, 3, 2, 1, 5]).is_err(), "it ends early");
        assert!(Location::decode(&[0x09; 12]).is_err(), "no offset has nine bytes");
        assert!(Location::decode(&[0x50; 8]).is_err(), "no length has five bytes");
    }

    #[test]
    fn every_bit_of_header_and_trailer_counts() {
        let mut page = header_page(OWN);
        assert_eq!(check_header(OWN, &page), Ok(VERSION));
        assert!(check_header(Identity { salt: 2, ..OWN }, &page).is_err());
        let mut tail = trailer_page(OWN, 4096, 100);
        assert_eq!(read_trailer(OWN, 3 * 4096, &tail), Ok((4096, 100)));
        assert!(read_trailer(OWN, 4 * 4096, &tail).is_err());
        // A directory that overflows once matched a file too short to have a trailer.
        let overflow = trailer_page(OWN, u64::MAX - 4095, 1 << 20);
        assert!(read_trailer(OWN, 0, &overflow).is_err());
        for bit in 0..PAGE * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(check_header(OWN, &page).is_err());
            page[bit / 8] ^= 1 << (bit % 8);
            tail[bit / 8] ^= 1 << (bit % 8);
            assert!(read_trailer(OWN, 3 * 4096, &tail).is_err());
            tail[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_section_outside_the_file_is_refused() {
        let section = Section {
            kind: 1,
            index: 0,
            offset: 4096,
            bytes: 5000,
            block_size: 4096,
            root: 0,
            height: 0,
            entries: 0,
        };
        let directory = Directory {
            id: 5,
            salt: 3,
            kind: SegmentKind::Mail,
            low: 0,
            high: 9,
            sections: vec![section],
            rows: vec![(1, 2)],
            min_date: 0,
            max_date: 1,
            max_seq: 2,
            version: VERSION,
        };
        let own = Identity { id: 5, salt: 3 };
        let bytes = crate::row::to_bytes(&directory).unwrap();
        assert_eq!(Directory::decode(&bytes, own, VERSION, 4096 * 3).unwrap(), directory);
        assert!(Directory::decode(&bytes, own, VERSION, 4096 * 3 - 1).is_err());
        assert!(Directory::decode(&bytes, Identity { salt: 4, ..own }, VERSION, 4096 * 3).is_err());
        assert!(Directory::decode(&bytes[..bytes.len() - 1], own, VERSION, 4096 * 3).is_err());
    }
}
