//! The rows of several segments as the source of one.
//!
//! What always holds: of rows with one key the newest is given; index entries whose rows are gone are left out; what is
//! in memory are keys, never records.

use super::Gone;
use super::keys::MergedKeys;
use super::purge::bare;
use crate::api::{MergedText, Missing, NOWHERE, SectionRead};
use crate::attachments::Sha256;
use crate::cache::BlockCache;
use crate::segment::emails::Emails;
use crate::segment::frames;
use crate::segment::heap::Heap;
use crate::segment::leaves;
use crate::segment::shared::{self, SharedSection};
use crate::segment::source::{BuildError, Sampled, Source, SourceEmail, SourceRow};
use crate::shard::Shared;
use crate::vectors::{MergedVectors, VectorParts};
use crate::verify::shared_directory;
use bytes::Bytes;
use postlode_format::id::{Id, hash_of};
use postlode_format::index::{self, IndexId, Position};
use postlode_format::manifest::SegmentEntry;
use postlode_format::row::{RowKind, key_id, shard_hash};
use postlode_format::segment::{Location, ORDINAL, Ordinal, SectionKind};
use postlode_runtime::SharedFile;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most records that a dictionary is trained on, and most bytes of each.
const SAMPLES: usize = 4096;
const SAMPLE: usize = 1024;
/// Bytes of text sections that are kept while they are merged.
const TEXT_BLOCKS: usize = 4 << 20;

/// The part of a record that is a sample, without all that was read with it.
fn beginning(record: &Bytes) -> Bytes {
    Bytes::copy_from_slice(record.get(..SAMPLE).unwrap_or(record))
}

/// One source of a merge.
struct Input {
    ordinals: Option<SharedSection>,
    emails: Option<Emails>,
    bodies: Option<SharedSection>,
    heap: Option<Heap>,
    text: Option<SharedSection>,
    vectors: VectorParts,
    indexes: Vec<(IndexId, SharedSection)>,
    /// The frame read last, decompressed: neighbours share it.
    frame: RefCell<Option<(u64, Bytes)>>,
    id: u64,
}

impl Input {
    fn section<'a>(
        &self,
        part: &'a Option<SharedSection>,
        name: &str,
    ) -> Result<&'a SharedSection, BuildError> {
        part.as_ref().ok_or_else(|| self.no_section(name))
    }

    fn no_section(&self, name: &str) -> BuildError {
        BuildError::Missing(Missing {
            segment: Some(self.id),
            section: name.into(),
            reason: "the segment has no such section".into(),
        })
    }

    fn ordinal(&self, number: u64) -> Result<Ordinal, BuildError> {
        let part = self.section(&self.ordinals, "ordinals")?;
        let bytes = part.read(number.saturating_mul(ORDINAL as u64), ORDINAL).map_err(BuildError::Missing)?;
        Ok(Ordinal::decode(&bytes)?)
    }

    fn email(&self, ordinal: &Ordinal) -> Result<Bytes, BuildError> {
        match &self.emails {
            Some(emails) => emails.read(ordinal).map_err(BuildError::Missing),
            None => Err(self.no_section("emails")),
        }
    }

    fn body(&self, ordinal: &Ordinal) -> Result<Bytes, BuildError> {
        let part = self.section(&self.bodies, "bodies")?;
        let mut frame = self.frame.borrow_mut();
        let damaged = |reason: String| {
            BuildError::Missing(Missing { segment: Some(self.id), section: "bodies".into(), reason })
        };
        if frame.as_ref().is_none_or(|(at, _)| *at != ordinal.frame_at) {
            let bytes =
                part.read(ordinal.frame_at, ordinal.frame_len as usize).map_err(BuildError::Missing)?;
            *frame = Some((ordinal.frame_at, frames::open(&bytes, None).map_err(damaged)?));
        }
        let raw = frame.as_ref().map(|(_, raw)| raw.clone()).unwrap_or_default();
        frames::body_in(&raw, ordinal).map_err(damaged)
    }

    fn value(&self, at: &Location) -> Result<Bytes, BuildError> {
        match &self.heap {
            Some(heap) => heap.read(at).map_err(BuildError::Missing),
            None => Err(self.no_section("heap")),
        }
    }
}

/// Keys of indexes, in order.
type Keys = BTreeMap<IndexId, BTreeSet<Bytes>>;

/// One email of the target.
struct Merged {
    position: Position,
    input: usize,
    /// Its number in that input.
    number: u64,
    ordinal: Ordinal,
}

/// The newest rows of several segments, inside one hash range.
pub struct MergeSource {
    inputs: Vec<Input>,
    range: (u64, u64),
    /// In (date, id) order.
    emails: Vec<Merged>,
    dates: HashMap<Id, i64>,
    rows: BTreeMap<Vec<u8>, (usize, Location)>,
    gone: Gone,
    shared: Arc<Shared>,
    /// Indexes that some source is too old to have, and their keys once they are made.
    unknown: BTreeSet<IndexId>,
    made: OnceCell<Keys>,
    /// Blocks of text sections: words are read in their order, so each section's last block comes again and again.
    text_blocks: BlockCache,
}

impl MergeSource {
    /// Reads the keys of all rows. `gone`: what to leave out.
    ///
    /// # Errors
    /// Damage in a source.
    pub fn open(
        files: &[(Arc<dyn SharedFile>, SegmentEntry)],
        range: (u64, u64),
        gone: Gone,
        shared: Arc<Shared>,
    ) -> Result<Self, BuildError> {
        let mut out = Self {
            inputs: Vec::new(),
            range,
            emails: Vec::new(),
            dates: HashMap::new(),
            rows: BTreeMap::new(),
            gone: gone.clone(),
            shared,
            unknown: BTreeSet::new(),
            made: OnceCell::new(),
            text_blocks: BlockCache::new(TEXT_BLOCKS),
        };
        for (file, entry) in files {
            out.add(file, entry)?;
        }
        let mut emails = Vec::new();
        for (key, (input, at)) in &out.rows {
            let id = key
                .split_first()
                .filter(|(kind, _)| **kind == RowKind::Email as u8)
                .and_then(|(_, k)| key_id(k));
            let (Some(id), Some(source)) = (id, out.inputs.get(*input)) else { continue };
            if !gone.emails.contains(&id) {
                let ordinal = source.ordinal(at.offset)?;
                let position = Position { date: ordinal.date, id };
                emails.push(Merged { position, input: *input, number: at.offset, ordinal });
            }
        }
        emails.sort_unstable_by_key(|email| email.position);
        out.dates = emails.iter().map(|email| (email.position.id, email.position.date)).collect();
        out.emails = emails;
        out.rows.retain(|key, _| match key.split_first() {
            Some((kind, _)) if *kind == RowKind::Email as u8 => false,
            Some((kind, key)) if *kind == RowKind::Place as u8 => {
                key_id(key).is_none_or(|id| !gone.emails.contains(&id))
            }
            Some((kind, key)) if *kind == RowKind::BlobChunk as u8 => {
                key.first_chunk().is_none_or(|sha256: &Sha256| !gone.attachments.contains(sha256))
            }
            _ => true,
        });
        Ok(out)
    }

    fn add(&mut self, file: &Arc<dyn SharedFile>, entry: &SegmentEntry) -> Result<(), BuildError> {
        let directory = shared_directory(file, entry).map_err(BuildError::Missing)?;
        let find = |kind| SharedSection::find(file, &directory, kind, 0, None);
        let number = self.inputs.len();
        self.unknown.extend(IndexId::ALL.into_iter().filter(|index| !directory.knows(*index)));
        if let Some(primary) = find(SectionKind::Primary) {
            for row in leaves::locations(&primary) {
                let (key, at) = row.map_err(BuildError::Missing)?;
                let Some((kind, own)) = key.split_first() else { continue };
                let hash = shard_hash(RowKind::from_number(*kind)?, own);
                let newer = self.rows.get(&key).is_none_or(|(_, old)| old.seq < at.seq);
                if self.owns(hash) && newer {
                    self.rows.insert(key, (number, at));
                }
            }
        }
        self.inputs.push(Input {
            ordinals: find(SectionKind::Ordinals),
            emails: Emails::find(file, &directory).map_err(BuildError::Missing)?,
            bodies: find(SectionKind::Bodies),
            heap: Heap::find(file, &directory).map_err(BuildError::Missing)?,
            text: SharedSection::find(file, &directory, SectionKind::Text, 0, Some(&self.text_blocks)),
            vectors: shared::vectors(file, &directory, None),
            indexes: IndexId::ALL
                .into_iter()
                .filter_map(|index| {
                    let find = SharedSection::find(file, &directory, SectionKind::Index, index as u16, None);
                    Some((index, find?))
                })
                .collect(),
            frame: RefCell::new(None),
            id: entry.id,
        });
        self.go_on()
    }

    fn owns(&self, hash: u64) -> bool {
        self.range.0 <= hash && hash <= self.range.1
    }

    /// A store that closes waits for no merge.
    fn go_on(&self) -> Result<(), BuildError> {
        if self.shared.stopping.load(Ordering::Relaxed) { Err(BuildError::Stopped) } else { Ok(()) }
    }

    /// Is this an entry of a row that is still there?
    fn lives(&self, key: &[u8]) -> bool {
        Position::of_key(key).is_some_and(|at| {
            self.owns(hash_of(&at.id))
                && !self.gone.emails.contains(&at.id)
                && self.dates.get(&at.id).is_none_or(|date| *date == at.date)
        })
    }

    /// Tags may have been taken away since their entries were written, so these come from the marks of now.
    fn tags(&self) -> Result<BTreeSet<Bytes>, BuildError> {
        let mut out = BTreeSet::new();
        let marks = self.rows.iter().filter(|(key, _)| key.first() == Some(&(RowKind::Mark as u8)));
        for (key, (input, at)) in marks {
            let own = key.get(1..).unwrap_or_default();
            if key_id(own).is_some_and(|id| self.gone.emails.contains(&id)) {
                continue;
            }
            for (index, entry) in index::entries(RowKind::Mark, own, &self.value(*input, at)?)? {
                if index == IndexId::Tag {
                    out.insert(entry.into());
                }
            }
        }
        Ok(out)
    }

    /// Keys of the indexes that some source is too old to have: from the rows, as there is nothing to merge.
    fn made(&self) -> Result<&Keys, BuildError> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let mut out = Keys::new();
        let mut add = |kind, key: &[u8], value: &[u8]| -> Result<(), BuildError> {
            for (index, entry) in index::entries(kind, key, value)? {
                if self.unknown.contains(&index) {
                    out.entry(index).or_default().insert(entry.into());
                }
            }
            self.go_on()
        };
        for email in &self.emails {
            let record = self.input(email.input)?.email(&email.ordinal)?;
            add(RowKind::Email, &email.position.id, &record)?;
        }
        for (key, (input, at)) in &self.rows {
            if let Some((kind, own)) = key.split_first()
                && *kind == RowKind::Place as u8
            {
                add(RowKind::Place, own, &self.value(*input, at)?)?;
            }
        }
        Ok(self.made.get_or_init(|| out))
    }

    /// Of each source the new number of each of its emails, none for a source without emails; `None` where an email is where
    /// none can be.
    pub fn numbers(&self) -> Option<Vec<Vec<u32>>> {
        let docs = |input: &Input| {
            let bytes = input.ordinals.as_ref().map_or(0, SectionRead::len);
            usize::try_from(bytes / ORDINAL as u64).unwrap_or(0)
        };
        let mut to: Vec<Vec<u32>> = self.inputs.iter().map(|input| vec![NOWHERE; docs(input)]).collect();
        for (new, email) in self.emails.iter().enumerate() {
            let old = usize::try_from(email.number).ok()?;
            *to.get_mut(email.input)?.get_mut(old)? = u32::try_from(new).ok()?;
        }
        Some(to)
    }

    /// The sources that have emails, with their numbers.
    fn with_emails(&self) -> Option<impl Iterator<Item = (&Input, Vec<u32>)>> {
        Some(self.inputs.iter().zip(self.numbers()?).filter(|(_, to)| !to.is_empty()))
    }

    fn input(&self, number: usize) -> Result<&Input, BuildError> {
        self.inputs.get(number).ok_or_else(|| BuildError::Other("a source is missing".into()))
    }

    fn value(&self, input: usize, at: &Location) -> Result<Bytes, BuildError> {
        self.input(input)?.value(at)
    }
}

impl Source for MergeSource {
    fn emails(&self) -> Box<dyn Iterator<Item = Result<SourceEmail, BuildError>> + '_> {
        Box::new(self.emails.iter().map(|Merged { position, input, ordinal, .. }| {
            self.go_on()?;
            let input = self.input(*input)?;
            let (email, body) = (input.email(ordinal)?, input.body(ordinal)?);
            Ok(SourceEmail { position: *position, seq: ordinal.seq, email, body })
        }))
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Result<SourceRow, BuildError>> + '_> {
        Box::new(self.rows.iter().filter_map(|(key, (input, at))| {
            let (kind, own) = key.split_first()?;
            let row = RowKind::from_number(*kind).map_err(BuildError::from).and_then(|kind| {
                let mut value = self.value(*input, at)?;
                if kind == RowKind::Mark && key_id(own).is_some_and(|id| self.gone.emails.contains(&id)) {
                    value = bare(&value)?;
                }
                Ok(SourceRow { kind, key: own.to_vec(), seq: at.seq, value })
            });
            Some(row)
        }))
    }

    fn index(&self, index: IndexId) -> Box<dyn Iterator<Item = Result<Bytes, BuildError>> + '_> {
        if index == IndexId::Tag {
            return match self.tags() {
                Ok(keys) => Box::new(keys.into_iter().map(Ok)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            };
        }
        if self.unknown.contains(&index) {
            return match self.made() {
                Ok(made) => Box::new(made.get(&index).into_iter().flatten().cloned().map(Ok)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            };
        }
        let trees = self.inputs.iter().flat_map(|input| &input.indexes).filter(move |(i, _)| *i == index);
        let sorted = trees.map(|(_, tree)| leaves::entries(tree).map(|entry| Ok(entry?.0.into())));
        let keys = MergedKeys::new(sorted.collect());
        Box::new(
            keys.filter(|key| key.as_ref().map_or(true, |key| self.lives(key)))
                .map(|key| key.map_err(BuildError::Missing)),
        )
    }

    fn ids(&self) -> Vec<Id> {
        let about = |kind: u8| kind == RowKind::Place as u8 || kind == RowKind::Mark as u8;
        let others = self.rows.keys().filter_map(|key| {
            let (kind, own) = key.split_first()?;
            about(*kind).then(|| key_id(own))?
        });
        let all: BTreeSet<Id> = self.emails.iter().map(|email| email.position.id).chain(others).collect();
        all.into_iter().collect()
    }

    fn samples(&self, of: Sampled) -> Result<Vec<Bytes>, BuildError> {
        let every = |all: usize| all.div_ceil(SAMPLES).max(1);
        match of {
            Sampled::Emails => {
                let some = self.emails.iter().step_by(every(self.emails.len()));
                some.map(|email| Ok(beginning(&self.input(email.input)?.email(&email.ordinal)?))).collect()
            }
            Sampled::Rows => {
                // Of what is deleted nothing may get into a dictionary, and values of next to nothing teach nothing.
                let deleted = |key: &[u8]| {
                    let id = key.get(1..).and_then(key_id);
                    key.first() == Some(&(RowKind::Mark as u8))
                        && id.is_some_and(|id| self.gone.emails.contains(&id))
                };
                let fit = || self.rows.iter().filter(|(key, (_, at))| at.len > 8 && !deleted(key));
                let some = fit().step_by(every(fit().count()));
                some.map(|(_, (input, at))| Ok(beginning(&self.value(*input, at)?))).collect()
            }
        }
    }

    fn texts(&self) -> Option<Vec<MergedText>> {
        let text =
            |(input, to): (&Input, Vec<u32>)| Some(MergedText { text: Arc::new(input.text.clone()?), to });
        self.with_emails()?.map(text).collect()
    }

    fn vectors(&self) -> Option<Vec<MergedVectors>> {
        let vectors = |(input, to): (&Input, Vec<u32>)| {
            (!input.vectors.is_empty()).then(|| MergedVectors { parts: input.vectors.clone(), to })
        };
        self.with_emails()?.map(vectors).collect()
    }
}
