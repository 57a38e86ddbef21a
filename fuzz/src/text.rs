//! The text section of a segment: a bundle from a disk that lies, opened and searched.

use bytes::Bytes;
use postlode_format::segment::Ordinal;
use postlode_store::{Missing, Ordinals, SectionRead, SegmentText, TextSources};
use postlode_text::{Form, Phrase, Scope, TextEngine, TextMatches, TextQuery, TextView};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Emails of the section that the seeds hold.
pub const EMAILS: usize = 20;
/// The segment's id.
pub const SEGMENT: u64 = 5;

/// What the section does when it is read.
#[derive(Clone, Copy, PartialEq)]
pub enum Disk {
    /// Gives the bytes that are there.
    Honest,
    /// Gives an error from this read on.
    Failing(u64),
    /// Gives fewer bytes than asked for, from this read on.
    Short(u64),
}

/// A section in memory.
pub struct Section {
    bytes: Bytes,
    disk: Disk,
    reads: AtomicU64,
}

impl Section {
    /// One of these bytes.
    pub fn new(bytes: Bytes, disk: Disk) -> Arc<Self> {
        Arc::new(Self { bytes, disk, reads: AtomicU64::new(0) })
    }

    fn damaged(reason: &str) -> Missing {
        Missing { segment: Some(SEGMENT), section: "text".to_owned(), reason: reason.to_owned() }
    }
}

impl SectionRead for Section {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, offset: u64, len: usize) -> Result<Bytes, Missing> {
        let at = usize::try_from(offset).map_err(|_| Self::damaged("past the end"))?;
        let end = at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| Self::damaged("past the end"))?;
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        match self.disk {
            Disk::Failing(from) if reads >= from => Err(Self::damaged("checksum mismatch")),
            Disk::Short(from) if reads >= from => Ok(self.bytes.slice(at..at.saturating_add(len / 2))),
            _ => Ok(self.bytes.slice(at..end)),
        }
    }
}

/// Ordinals of so many emails.
pub fn ordinals(count: usize) -> Bytes {
    let mut out = Vec::new();
    for n in 0..count {
        let number = u32::try_from(n).unwrap_or(0);
        let ordinal = Ordinal {
            date: i64::from(number),
            id: crate::samples::id(number),
            seq: u64::from(number),
            email_at: 0,
            email_len: 0,
            frame_at: 0,
            frame_len: 0,
            body_at: 0,
            body_len: 0,
        };
        out.extend_from_slice(&ordinal.encode());
    }
    out.into()
}

/// Opens the bytes as a text section, and searches it.
pub fn target(data: &[u8]) {
    let data = Bytes::copy_from_slice(data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default());
    let turn = u64::from(crc32fast::hash(&data) % 40);
    for disk in [Disk::Honest, Disk::Failing(turn), Disk::Short(turn)] {
        search(&data, disk);
    }
}

fn search(data: &Bytes, disk: Disk) {
    let engine = TextEngine::new();
    let section = Section::new(data.clone(), disk);
    let segment = SegmentText {
        id: SEGMENT,
        emails: EMAILS as u64,
        text: Arc::<Section>::clone(&section),
        ordinals: Ordinals::new(Section::new(ordinals(EMAILS), Disk::Honest), EMAILS as u64),
        vectors: Default::default(),
        addons: Vec::new(),
    };
    let sources = TextSources { segments: vec![segment], ..TextSources::default() };
    let view = engine.view(&sources, &engine.known());
    for query in queries() {
        for scored in [false, true] {
            let Some(answer) = job(&view, &query, scored) else { continue };
            assert!(answer.matches.len() <= EMAILS, "{} of {EMAILS} emails", answer.matches.len());
            assert!(answer.matches.is_sorted_by(|a, b| a.position < b.position), "not in order, or twice");
            assert!(
                answer.missing.iter().all(|m| m.segment.is_none_or(|s| s == SEGMENT)),
                "{:?}",
                answer.missing
            );
        }
    }
    let met = |from| section.reads.load(Ordering::Relaxed) > from;
    if let Disk::Failing(from) = disk
        && met(from)
    {
        let told = |query| job(&view, query, true).is_none_or(|answer| !answer.missing.is_empty());
        let missing = queries().iter().any(told);
        assert!(missing, "a disk that fails was read, and nothing is said to be missing");
    }
}

/// A search as the CPU pool runs it: a panic ends the job, and the query gets an error for an answer. The engine
/// contains the panics of one part itself; what is left are those of the statistics over all parts.
fn job(view: &TextView, query: &TextQuery, scored: bool) -> Option<TextMatches> {
    catch_unwind(AssertUnwindSafe(|| view.search(query, scored))).ok()
}

fn queries() -> [TextQuery; 4] {
    let phrase = |scope, text: &str, exact| {
        TextQuery::Phrase(Phrase { scope, text: text.to_owned(), exact, form: Form::Whole })
    };
    [
        phrase(Scope::Anywhere, "budget", false),
        phrase(Scope::Body, "quarterly budget", true),
        TextQuery::All(vec![
            phrase(Scope::From, "ann", false),
            TextQuery::Not(Box::new(phrase(Scope::Subject, "lunch", false))),
        ]),
        TextQuery::Any(vec![phrase(Scope::Files, "report", false), phrase(Scope::To, "bob", false)]),
    ]
}
