//! Log pages: how group commits lie in a shard's log.
//!
//! A log *stream* belongs to one shard of one writer. It is a row of files, each a multiple of 4 KiB, filled with
//! zeros before use. One group commit is one *frame*; a frame begins on a page of its own and is cut into pages:
//!
//! ```text
//!  0  crc          u32   over bytes 4..4096
//!  4  version      u8    1
//!  5  type         u8    1 rows, 2 clean close
//!  6  used         u16   payload bytes in this page
//!  8  stream       u64   drawn at random when the stream begins
//! 16  generation   u32   number of the file in its stream: a recycled file holds older ones
//! 20  page         u32   number of the page in its file
//! 24  first_seq    u64   sequence number of the frame's first row
//! 32  durable_seq  u64   the highest sequence number acknowledged before this frame was written
//! 40  frame_len    u32   payload bytes of the whole frame
//! 44  frame_page   u32   number of the page in its frame
//! 48  payload      4048 bytes
//! ```
//!
//! What always holds: a page that was made durable is never written again while its stream lives; every page
//! begins with a header, so reading goes on after damage at the next page and never looks for magic bytes inside
//! mail; a page counts only in its own stream, file and place, so neither a recycled file, nor a misdirected
//! write, nor an attachment that imitates a page is taken for one.

use crate::error::FormatError;
use crate::limits::{MAX_FRAME, PAGE};
use bytes::{Bytes, BytesMut};

/// Bytes before the payload of a page.
pub const HEADER: usize = 48;
/// Payload bytes of a page.
pub const PAYLOAD: usize = PAGE - HEADER;
const VERSION: u8 = 1;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameType {
    /// Rows, as [`crate::row::Rows`] reads them.
    Rows = 1,
    /// The writer closed the stream in order; nothing comes after it.
    CleanClose = 2,
}

/// The header of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    /// What the frame is.
    pub frame_type: FrameType,
    /// Payload bytes in this page.
    pub used: u16,
    /// The stream.
    pub stream: u64,
    /// The file's number in the stream.
    pub generation: u32,
    /// The page's number in the file.
    pub page: u32,
    /// Sequence number of the frame's first row.
    pub first_seq: u64,
    /// Highest sequence number acknowledged before.
    pub durable_seq: u64,
    /// Payload bytes of the frame.
    pub frame_len: u32,
    /// The page's number in the frame.
    pub frame_page: u32,
}

/// Pages that a frame with this payload takes.
#[must_use]
pub const fn pages_for(payload: usize) -> usize {
    if payload == 0 { 1 } else { payload.div_ceil(PAYLOAD) }
}

/// Lays out one frame as pages. `at` carries stream, generation and the number of the first page; `used`,
/// `frame_len` and `frame_page` are filled in here.
///
/// # Errors
/// [`FormatError::TooLarge`] past [`MAX_FRAME`].
pub fn encode_frame(at: PageHeader, payload: &[u8], out: &mut [u8]) -> Result<usize, FormatError> {
    let too_large = FormatError::TooLarge { what: "log frame", have: payload.len(), limit: MAX_FRAME };
    let frame_len = u32::try_from(payload.len()).map_err(|_| too_large.clone())?;
    let pages = pages_for(payload.len());
    if payload.len() > MAX_FRAME || out.len() < pages.saturating_mul(PAGE) {
        return Err(too_large);
    }
    let mut chunks = payload.chunks(PAYLOAD);
    for (n, page) in out.chunks_exact_mut(PAGE).take(pages).enumerate() {
        let chunk = chunks.next().unwrap_or_default();
        let number = u32::try_from(n).unwrap_or(u32::MAX);
        let header = PageHeader {
            used: u16::try_from(chunk.len()).unwrap_or(0),
            page: at.page.saturating_add(number),
            frame_len,
            frame_page: number,
            ..at
        };
        write_page(&header, chunk, page);
    }
    Ok(pages.saturating_mul(PAGE))
}

fn write_page(h: &PageHeader, chunk: &[u8], page: &mut [u8]) {
    page.fill(0);
    let fields: [&[u8]; 10] = [
        &[VERSION, h.frame_type as u8],
        &h.used.to_le_bytes(),
        &h.stream.to_le_bytes(),
        &h.generation.to_le_bytes(),
        &h.page.to_le_bytes(),
        &h.first_seq.to_le_bytes(),
        &h.durable_seq.to_le_bytes(),
        &h.frame_len.to_le_bytes(),
        &h.frame_page.to_le_bytes(),
        chunk,
    ];
    let bytes = fields.iter().flat_map(|f| f.iter());
    for (to, from) in page.iter_mut().skip(4).zip(bytes) {
        *to = *from;
    }
    let crc = crc32fast::hash(page.get(4..).unwrap_or_default());
    for (to, from) in page.iter_mut().zip(crc.to_le_bytes()) {
        *to = from;
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let have = self.0.len();
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(FormatError::Truncated {
            what: "log page",
            have,
            need: N,
        })?;
        self.0 = rest;
        Ok(*head)
    }
}

/// Checks one page and reads its header.
///
/// # Errors
/// [`FormatError`] for a page that is not whole, or was written by a newer program.
pub fn decode_page(page: &[u8]) -> Result<(PageHeader, &[u8]), FormatError> {
    if page.len() != PAGE {
        return Err(FormatError::Truncated { what: "log page", have: page.len(), need: PAGE });
    }
    let mut f = Fields(page);
    let stored = u32::from_le_bytes(f.take()?);
    let computed = crc32fast::hash(f.0);
    if stored != computed {
        return Err(FormatError::Checksum { what: "log page", stored, computed });
    }
    let [version, frame_type] = f.take()?;
    if version != VERSION {
        return Err(FormatError::Newer {
            what: "log page",
            found: u32::from(version),
            known: u32::from(VERSION),
        });
    }
    let frame_type = match frame_type {
        1 => FrameType::Rows,
        2 => FrameType::CleanClose,
        _ => return Err(FormatError::Malformed { what: "log page", why: "its type is unknown" }),
    };
    let header = PageHeader {
        frame_type,
        used: u16::from_le_bytes(f.take()?),
        stream: u64::from_le_bytes(f.take()?),
        generation: u32::from_le_bytes(f.take()?),
        page: u32::from_le_bytes(f.take()?),
        first_seq: u64::from_le_bytes(f.take()?),
        durable_seq: u64::from_le_bytes(f.take()?),
        frame_len: u32::from_le_bytes(f.take()?),
        frame_page: u32::from_le_bytes(f.take()?),
    };
    let payload = f.0.get(..usize::from(header.used)).ok_or(FormatError::Malformed {
        what: "log page",
        why: "it claims more payload than a page holds",
    })?;
    Ok((header, payload))
}

/// A whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub frame_type: FrameType,
    /// Sequence number of its first row.
    pub first_seq: u64,
    /// Highest sequence number acknowledged before it was written.
    pub durable_seq: u64,
    /// Its payload.
    pub payload: Bytes,
}

/// Pages of a stream that should have been readable and were not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDamage {
    /// The file's number in its stream.
    pub generation: u32,
    /// The first page that could not be used.
    pub page: u32,
    /// Sequence numbers of rows that were acknowledged and are lost, both included. Up to `u64::MAX`: nobody knows
    /// how many, because the medium does not give the pages at the end of the log.
    pub lost: (u64, u64),
}

/// What one fed page leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fed {
    /// Nothing yet.
    More,
    /// A frame is complete. The caller counts its rows and tells [`LogScanner::advance`].
    Frame(Frame),
    /// A whole page of a newer layout: nothing may be cut or sealed by a program that cannot read it.
    Newer(FormatError),
}

/// Reads the pages of one stream in order and tells damage from an unfinished end.
///
/// A page that cannot be used is damage only if its rows are known to have been acknowledged: because a later
/// valid page of the stream exists (the writer begins a frame only after the one before it is durable), or because
/// somebody else remembers a durable sequence number. All the rest is a batch that never was acknowledged, and is cut.
#[derive(Clone)]
pub struct LogScanner {
    stream: u64,
    generation: u32,
    next_seq: u64,
    durable_seq: u64,
    bad: Option<(u32, u32)>,
    partial: Option<(PageHeader, BytesMut)>,
    closed: bool,
    unreadable: Option<(u32, u32)>,
    damage: Vec<LogDamage>,
}

impl LogScanner {
    /// A scanner of `stream` whose first row has the sequence number `first_seq`.
    #[must_use]
    pub fn new(stream: u64, first_seq: u64) -> Self {
        Self {
            stream,
            generation: 0,
            next_seq: first_seq,
            durable_seq: 0,
            bad: None,
            partial: None,
            closed: false,
            unreadable: None,
            damage: Vec::new(),
        }
    }

    /// The next file of the stream begins.
    pub fn start_file(&mut self, generation: u32) {
        self.drop_partial();
        self.generation = generation;
    }

    /// Takes page `number` of the file.
    pub fn feed(&mut self, number: u32, page: &[u8]) -> Fed {
        let decoded = match decode_page(page) {
            Err(error @ FormatError::Newer { .. }) => return Fed::Newer(error),
            decoded => decoded.ok(),
        };
        let mine =
            |h: &PageHeader| h.stream == self.stream && h.generation == self.generation && h.page == number;
        let Some((header, payload)) = decoded.filter(|(h, _)| mine(h)) else {
            self.drop_partial();
            self.bad.get_or_insert((self.generation, number));
            return Fed::More;
        };
        self.durable_seq = self.durable_seq.max(header.durable_seq);
        if header.frame_page == 0 {
            self.drop_partial();
            if header.first_seq < self.next_seq {
                // Already sealed: the manifest's floor lies behind it.
                return Fed::More;
            }
            if header.first_seq > self.next_seq {
                let (generation, page) = self.bad.unwrap_or((self.generation, number));
                self.damage.push(LogDamage {
                    generation,
                    page,
                    lost: (self.next_seq, header.first_seq.saturating_sub(1)),
                });
                self.next_seq = header.first_seq;
            }
            self.bad = None;
            self.unreadable = None;
            let mut payload_so_far = BytesMut::new();
            payload_so_far.extend_from_slice(payload);
            self.partial = Some((header, payload_so_far));
        } else {
            let fits = self.partial.as_ref().is_some_and(|(first, _)| {
                first.first_seq == header.first_seq
                    && first.frame_len == header.frame_len
                    && first.page.checked_add(header.frame_page) == Some(number)
            });
            match self.partial.as_mut().filter(|_| fits) {
                Some((_, so_far)) => so_far.extend_from_slice(payload),
                None => {
                    self.drop_partial();
                    self.bad.get_or_insert((self.generation, number));
                    return Fed::More;
                }
            }
        }
        match self.partial.take() {
            Some((first, so_far)) if so_far.len() == first.frame_len as usize => {
                self.closed = first.frame_type == FrameType::CleanClose;
                Fed::Frame(Frame {
                    frame_type: first.frame_type,
                    first_seq: first.first_seq,
                    durable_seq: first.durable_seq,
                    payload: so_far.freeze(),
                })
            }
            Some((first, so_far)) if so_far.len() > first.frame_len as usize || so_far.len() > MAX_FRAME => {
                self.bad.get_or_insert((self.generation, first.page));
                Fed::More
            }
            rest => {
                self.partial = rest;
                Fed::More
            }
        }
    }

    /// Page `number` of the file cannot be read at all. Unlike a torn page, it may have been acknowledged.
    pub fn unreadable(&mut self, number: u32) {
        self.drop_partial();
        self.bad.get_or_insert((self.generation, number));
        self.unreadable.get_or_insert((self.generation, number));
    }

    fn drop_partial(&mut self) {
        if let Some((first, _)) = self.partial.take() {
            self.bad.get_or_insert((first.generation, first.page));
        }
    }

    /// The frame just given held `rows` rows.
    pub fn advance(&mut self, rows: u64) {
        self.next_seq = self.next_seq.saturating_add(rows);
    }

    /// The sequence number that the next row would have.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The stream was closed in order.
    #[must_use]
    pub fn closed_cleanly(&self) -> bool {
        self.closed
    }

    /// All pages were fed. `known_durable` is the highest acknowledged sequence number that anybody else
    /// remembers (0: nobody does). Gives all damage.
    #[must_use]
    pub fn finish(mut self, known_durable: u64) -> Vec<LogDamage> {
        self.drop_partial();
        let durable = self.durable_seq.max(known_durable);
        if durable >= self.next_seq {
            let (generation, page) = self.bad.unwrap_or((self.generation, 0));
            self.damage.push(LogDamage { generation, page, lost: (self.next_seq, durable) });
        } else if let Some((generation, page)) = self.unreadable.filter(|_| !self.closed) {
            self.damage.push(LogDamage { generation, page, lost: (self.next_seq, u64::MAX) });
        }
        self.damage
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
