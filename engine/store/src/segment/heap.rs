//! The heap: values of all rows that are no emails, each after a byte that says how it is compressed.
//!
//! What always holds: a value is read whole, or damage is named; what it decompresses to is bounded before memory is taken.

use super::frames::{self, Dictionary};
use super::shared::SharedSection;
use crate::api::{Missing, SectionRead};
use bytes::Bytes;
use postlode_format::limits::MAX_VALUE;
use postlode_format::segment::{Directory, Location, SectionKind};
use postlode_runtime::SharedFile;
use std::sync::Arc;

/// The value as it is.
const RAW: u8 = 0;
/// One zstd frame.
const ZSTD: u8 = 1;
/// Since version 3: one zstd frame that needs the dictionary of the heap.
const WITH_DICTIONARY: u8 = 2;
/// Values below this are not worth compressing one by one, without and with a dictionary.
const COMPRESS_FROM: usize = 512;
const COMPRESS_FROM_WITH: usize = 32;

/// Compresses values.
pub struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    codec: u8,
    from: usize,
}

impl Packer {
    /// One that uses a dictionary, if there is one.
    ///
    /// # Errors
    /// In words.
    pub fn new(effort: frames::Effort, dictionary: Option<&[u8]>) -> Result<Self, String> {
        let compressor = effort.compressor(dictionary.unwrap_or_default())?;
        Ok(match dictionary {
            Some(_) => Self { compressor, codec: WITH_DICTIONARY, from: COMPRESS_FROM_WITH },
            None => Self { compressor, codec: ZSTD, from: COMPRESS_FROM },
        })
    }

    /// What a value is in the heap: as it is, where compressing it saves little.
    ///
    /// # Errors
    /// In words.
    pub fn pack(&mut self, value: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::with_capacity(value.len().saturating_add(1));
        if value.len() >= self.from {
            let frame = self.compressor.compress(value).map_err(|e| format!("zstd: {e}"))?;
            if frame.len() < value.len().saturating_sub(value.len() / 16) {
                out.push(self.codec);
                out.extend_from_slice(&frame);
                return Ok(out);
            }
        }
        out.push(RAW);
        out.extend_from_slice(value);
        Ok(out)
    }
}

/// What was packed, if that is one.
///
/// # Errors
/// In words.
pub fn unpack(bytes: &Bytes, dictionary: Option<&Dictionary>) -> Result<Bytes, String> {
    match (bytes.split_first(), dictionary) {
        (Some((&RAW, _)), _) => Ok(bytes.slice(1..)),
        (Some((&ZSTD, frame)), _) => frames::decompress(frame, MAX_VALUE, None).map(Bytes::from),
        (Some((&WITH_DICTIONARY, frame)), Some(dictionary)) => {
            frames::decompress(frame, MAX_VALUE, Some(dictionary)).map(Bytes::from)
        }
        (Some((&WITH_DICTIONARY, _)), None) => Err("a value needs a dictionary, and there is none".into()),
        _ => Err("a value's codec is unknown".into()),
    }
}

/// The dictionary of a section, read from any thread; `None` where there is none.
///
/// # Errors
/// Where it cannot be read.
pub fn dictionary(
    file: &Arc<dyn SharedFile>,
    directory: &Directory,
    of: SectionKind,
) -> Result<Option<Dictionary>, Missing> {
    let found = SharedSection::find(file, directory, SectionKind::Dictionary, of as u16, None);
    let Some(section) = found else { return Ok(None) };
    let named = |reason: String| {
        let section = format!("dictionary:{}", of.name());
        Missing { segment: Some(directory.id), section, reason }
    };
    let len = usize::try_from(section.len()).ok().filter(|len| *len <= frames::MAX_DICTIONARY);
    let bytes = section.read(0, len.ok_or_else(|| named("it is too long".into()))?)?;
    Dictionary::new(&bytes).map(Some).map_err(named)
}

/// The heap of a segment, read from any thread, blocking.
pub struct Heap {
    section: SharedSection,
    dictionary: Option<Dictionary>,
    segment: u64,
}

impl Heap {
    /// `None` where the segment has none.
    ///
    /// # Errors
    /// Where its dictionary cannot be read.
    pub fn find(file: &Arc<dyn SharedFile>, directory: &Directory) -> Result<Option<Self>, Missing> {
        let Some(section) = SharedSection::find(file, directory, SectionKind::Heap, 0, None) else {
            return Ok(None);
        };
        let dictionary = dictionary(file, directory, SectionKind::Heap)?;
        Ok(Some(Self { section, dictionary, segment: directory.id }))
    }

    /// A row's value.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(&self, at: &Location) -> Result<Bytes, Missing> {
        let bytes = self.section.read(at.offset, at.len as usize)?;
        unpack(&bytes, self.dictionary.as_ref()).map_err(|reason| Missing {
            segment: Some(self.segment),
            section: "heap".into(),
            reason,
        })
    }
}
