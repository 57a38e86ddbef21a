//! Frames: neighbouring records compressed together. Bodies have lain in frames since version 1 of segments, emails since
//! version 2; before that they lay one after the other as they are.
//!
//! A frame of bodies is a zstd frame, its length in the ordinal. A frame of emails has its length (u32) before it, because
//! the ordinal has no room for it: of `email_at` the low 16 bits say where the record begins in the decompressed frame, the
//! rest where the frame begins. What always holds: no length is believed that is beyond what a writer writes.

use bytes::Bytes;
use postlode_format::limits::MAX_VALUE;
use postlode_format::segment::Ordinal;

/// Raw bytes of emails that are compressed together: small, so that one email is read fast.
pub const EMAILS: usize = 16 << 10;
/// Raw bytes of bodies that are compressed together.
pub const BODIES: usize = 128 << 10;
/// Bytes of the length before a frame of emails.
pub const LENGTH: usize = 4;
/// The longest frame: one record of the largest size after others that just did not fill it.
const MAX_FRAME: usize = MAX_VALUE + (1 << 20);

/// How hard to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// While mail is loaded: what is written now will be merged.
    Fast,
    /// While segments are merged: what is written now stays.
    Small,
}

impl Effort {
    /// A compressor.
    ///
    /// # Errors
    /// In words.
    pub fn compressor(self) -> Result<zstd::bulk::Compressor<'static>, String> {
        let level = match self {
            Self::Fast => 3,
            Self::Small => 9,
        };
        zstd::bulk::Compressor::new(level).map_err(|error| format!("zstd: {error}"))
    }
}

/// Decompresses a frame that says how long it is, if that is at most `limit`.
pub fn decompress(frame: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let size = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten();
    let size = size.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= limit);
    let size = size.ok_or("a compressed frame does not tell a size within the limits")?;
    zstd::bulk::decompress(frame, size).map_err(|e| format!("zstd: {e}"))
}

/// A frame, decompressed.
pub fn open(frame: &[u8]) -> Result<Bytes, String> {
    decompress(frame, MAX_FRAME).map(Bytes::from)
}

/// A body out of its decompressed frame.
pub fn body_in(raw: &Bytes, ordinal: &Ordinal) -> Result<Bytes, String> {
    slice(raw, ordinal.body_at as usize, ordinal.body_len, "a body")
}

/// Where an email's frame begins.
pub fn email_frame_at(ordinal: &Ordinal) -> u64 {
    ordinal.email_at >> 16
}

/// What an ordinal says of an email at `within` of the frame at `frame_at`.
pub fn email_at(frame_at: u64, within: usize) -> Result<u64, String> {
    let within = u16::try_from(within).map_err(|_| "a frame of emails is too long".to_owned())?;
    let shifted = frame_at.checked_mul(1 << 16).ok_or("a section of emails is too long")?;
    Ok(shifted | u64::from(within))
}

/// The length of the frame that follows it.
pub fn email_frame_len(length: &[u8]) -> Result<usize, String> {
    let length = length.first_chunk::<LENGTH>().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    // Compression may make a little more of it.
    length
        .filter(|length| *length <= MAX_FRAME.saturating_add(MAX_FRAME / 64))
        .ok_or_else(|| "the length of a frame of emails is beyond what any can be".to_owned())
}

/// An email out of its decompressed frame.
pub fn email_in(raw: &Bytes, ordinal: &Ordinal) -> Result<Bytes, String> {
    slice(raw, (ordinal.email_at & 0xffff) as usize, ordinal.email_len, "an email")
}

fn slice(raw: &Bytes, from: usize, len: u32, what: &str) -> Result<Bytes, String> {
    let to = from.saturating_add(len as usize);
    if to > raw.len() {
        return Err(format!("{what} does not lie inside its frame"));
    }
    Ok(raw.slice(from..to))
}
