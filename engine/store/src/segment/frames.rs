//! Frames: neighbouring records compressed together. Bodies have lain in frames since version 1 of segments, emails since
//! version 2; before that they lay one after the other as they are.
//!
//! A frame of bodies is a zstd frame, its length in the ordinal. A frame of emails has its length (u32) before it, because
//! the ordinal has no room for it: of `email_at` the low 16 bits say where the record begins in the decompressed frame, the
//! rest where the frame begins. What always holds: no length is believed that is beyond what a writer writes.

use bytes::Bytes;
use postlode_format::limits::MAX_VALUE;
use postlode_format::segment::Ordinal;
use std::cell::RefCell;

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
    /// A compressor. Frames do not name their dictionary: a segment has no more than one for each section.
    ///
    /// # Errors
    /// In words.
    pub fn compressor(self, dictionary: &[u8]) -> Result<zstd::bulk::Compressor<'static>, String> {
        let level = match self {
            Self::Fast => 3,
            Self::Small => 9,
        };
        let mut made = zstd::bulk::Compressor::with_dictionary(level, dictionary);
        if let Ok(compressor) = &mut made {
            drop(compressor.include_dictid(false));
        }
        made.map_err(|error| format!("zstd: {error}"))
    }
}

/// What frames are compressed with besides themselves: trained on what a merge leaves, so that nothing of what it drops
/// stays in it.
pub struct Dictionary(zstd::zstd_safe::DDict<'static>);

impl Dictionary {
    /// Reads one.
    ///
    /// # Errors
    /// In words.
    pub fn new(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_DICTIONARY {
            return Err("it is longer than any dictionary may be".into());
        }
        zstd::zstd_safe::DDict::try_create(bytes).map(Self).ok_or_else(|| "it is no dictionary".into())
    }
}

thread_local! {
    /// A context a thread: making one costs more than decompressing a small value.
    static CONTEXT: RefCell<zstd::zstd_safe::DCtx<'static>> = RefCell::new(zstd::zstd_safe::DCtx::create());
}

/// Decompresses a frame that says how long it is, if that is at most `limit`.
pub fn decompress(frame: &[u8], limit: usize, dictionary: Option<&Dictionary>) -> Result<Vec<u8>, String> {
    let size = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten();
    let size = size.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= limit);
    let size = size.ok_or("a compressed frame does not tell a size within the limits")?;
    let mut out = Vec::with_capacity(size);
    let done = CONTEXT.with_borrow_mut(|context| match dictionary {
        Some(Dictionary(dictionary)) => context.decompress_using_ddict(&mut out, frame, dictionary),
        None => context.decompress(&mut out, frame),
    });
    match done {
        Ok(_) => Ok(out),
        Err(code) => Err(format!("zstd: {}", zstd::zstd_safe::get_error_name(code))),
    }
}

/// A frame, decompressed.
pub fn open(frame: &[u8], dictionary: Option<&Dictionary>) -> Result<Bytes, String> {
    decompress(frame, MAX_FRAME, dictionary).map(Bytes::from)
}

/// Bytes of what a dictionary is trained on, and of the dictionary.
const SAMPLED: usize = 2 << 20;
const DICTIONARY: usize = 32 << 10;
/// No dictionary is longer.
pub const MAX_DICTIONARY: usize = 1 << 20;
/// With fewer samples, or fewer bytes of them, a dictionary is longer than what it saves.
const LEAST: (usize, usize) = (256, 64 << 10);

/// Trains a dictionary on evenly spread samples, of which the beginnings count; `None` where it would not pay.
pub fn train(samples: &[Bytes]) -> Option<Vec<u8>> {
    let each = SAMPLED.checked_div(samples.len())?.max(64);
    let (mut data, mut sizes) = (Vec::new(), Vec::new());
    for sample in samples {
        let part = sample.get(..each).unwrap_or(sample);
        if part.len() >= 8 {
            data.extend_from_slice(part);
            sizes.push(part.len());
        }
    }
    if sizes.len() < LEAST.0 || data.len() < LEAST.1 {
        return None;
    }
    let most = DICTIONARY.min(data.len() / 16);
    zstd::dict::from_continuous(&data, &sizes, most).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(count: usize) -> Vec<Bytes> {
        let one = |n: usize| {
            format!("from person {} to the usual list, folder /top/inbox/{}, read, {n}", n * n, n % 7)
        };
        (0..count).map(|n| one(n).into()).collect()
    }

    #[test]
    fn a_dictionary_makes_small_values_smaller_and_nothing_else_reads_them() {
        let samples = samples(1_600);
        let dictionary = train(&samples).unwrap();
        let mut with = Effort::Small.compressor(&dictionary).unwrap();
        let mut without = Effort::Small.compressor(&[]).unwrap();
        let (mut small, mut large, mut unread) = (0, 0, 0);
        let read = Dictionary::new(&dictionary).unwrap();
        for sample in &samples {
            let frame = with.compress(sample).unwrap();
            small += frame.len();
            large += without.compress(sample).unwrap().len();
            assert_eq!(decompress(&frame, 1 << 20, Some(&read)).unwrap(), sample.to_vec());
            unread += usize::from(decompress(&frame, 1 << 20, None).is_err());
        }
        assert!(small * 2 < large, "{small} bytes with, {large} without");
        assert!(unread > 1_500, "{unread} of 1,600 frames need their dictionary");
    }

    #[test]
    fn few_samples_and_short_ones_give_no_dictionary() {
        assert!(train(&samples(200)).is_none());
        assert!(train(&vec![Bytes::from_static(b"short"); 5000]).is_none());
        assert!(train(&[]).is_none());
    }

    #[test]
    fn no_more_is_decompressed_than_the_limit() {
        let frame = Effort::Fast.compressor(&[]).unwrap().compress(&vec![7; 100_000]).unwrap();
        assert_eq!(decompress(&frame, 100_000, None).unwrap().len(), 100_000);
        assert!(decompress(&frame, 99_999, None).is_err());
        assert!(Dictionary::new(&vec![0; MAX_DICTIONARY + 1]).is_err());
    }
}
