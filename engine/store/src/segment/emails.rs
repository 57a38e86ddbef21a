//! The emails of a segment of any version, read from any thread, blocking: for compaction and verification.

use super::frames::{self, Dictionary};
use super::heap::dictionary;
use super::shared::SharedSection;
use crate::api::{Missing, SectionRead};
use bytes::Bytes;
use postlode_format::segment::{Directory, Ordinal, SectionKind};
use postlode_runtime::SharedFile;
use std::cell::RefCell;
use std::sync::Arc;

/// The section of emails.
pub struct Emails {
    section: SharedSection,
    segment: u64,
    /// They lie in frames; the one read last, decompressed: neighbours share it.
    frames: Option<RefCell<Option<(u64, Bytes)>>>,
    dictionary: Option<Dictionary>,
}

impl Emails {
    /// `None` where the segment has none.
    ///
    /// # Errors
    /// Where their dictionary cannot be read.
    pub fn find(file: &Arc<dyn SharedFile>, directory: &Directory) -> Result<Option<Self>, Missing> {
        let find = |kind| SharedSection::find(file, directory, kind, 0, None);
        let segment = directory.id;
        let dictionary = dictionary(file, directory, SectionKind::EmailFrames)?;
        Ok(match find(SectionKind::EmailFrames) {
            Some(section) => Some(Self { section, segment, frames: Some(RefCell::default()), dictionary }),
            None => find(SectionKind::Emails).map(|section| Self {
                section,
                segment,
                frames: None,
                dictionary: None,
            }),
        })
    }

    /// An email's record.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(&self, ordinal: &Ordinal) -> Result<Bytes, Missing> {
        let Some(last) = &self.frames else {
            return self.section.read(ordinal.email_at, ordinal.email_len as usize);
        };
        let damaged =
            |reason: String| Missing { segment: Some(self.segment), section: "emails".into(), reason };
        let at = frames::email_frame_at(ordinal);
        let mut last = last.borrow_mut();
        let raw = match &*last {
            Some((known, raw)) if *known == at => raw.clone(),
            _ => {
                let length = self.section.read(at, frames::LENGTH)?;
                let length = frames::email_frame_len(&length).map_err(damaged)?;
                let frame = self.section.read(at.saturating_add(frames::LENGTH as u64), length)?;
                let raw = frames::open(&frame, self.dictionary.as_ref()).map_err(damaged)?;
                *last = Some((at, raw.clone()));
                raw
            }
        };
        frames::email_in(&raw, ordinal).map_err(damaged)
    }
}
