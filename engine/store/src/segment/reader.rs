//! A sealed segment as its shard reads it.
//!
//! What always holds: no byte is believed before its block's CRC was checked; a part that cannot be read is a
//! [`Missing`] that names segment and section, and says nothing about the other parts.

use super::frames::{self, Dictionary};
use super::heap;
use super::shared::{self, SharedSection, checked, pieces};
use super::tree::{self, Pages};
use crate::api::{AddonText, KeyRange, Missing, SegmentText};
use crate::cache::BlockCache;
use crate::columns::SegmentColumns;
use crate::memtable::full_key;
use crate::names;
use crate::ordinals::Ordinals;
use crate::vectors::VectorParts;
use bytes::{Bytes, BytesMut};
use postlode_format::FormatError;
use postlode_format::block::BlockPlace;
use postlode_format::bloom::Bloom;
use postlode_format::btree::Page;
use postlode_format::id::Id;
use postlode_format::index::{IndexId, Position};
use postlode_format::limits::PAGE;
use postlode_format::manifest::{Addon, SegmentEntry, SegmentKind};
use postlode_format::row::RowKind;
use postlode_format::segment::{
    DIRECTORY_BLOCK, Directory, Identity, Location, ORDINAL, Ordinal, Section, SectionKind, check_header,
    directory_block, read_trailer,
};
use postlode_runtime::{DiskFile, OpenMode, Runtime, SharedFile};
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// An open segment.
pub struct Segment<R: Runtime> {
    /// What the manifest says of it.
    pub entry: SegmentEntry,
    runtime: R,
    cache: BlockCache,
    state: RefCell<State<R>>,
    /// Its add-ons, each open as a segment of its own.
    addons: RefCell<Vec<Rc<OpenAddon<R>>>>,
    /// Counts up with each change of them.
    turn: Cell<u64>,
}

/// Add-ons that are open.
pub struct OpenAddons<R: Runtime>(Vec<Rc<OpenAddon<R>>>);

/// An add-on, and its file.
struct OpenAddon<R: Runtime> {
    addon: Addon,
    file: Rc<Segment<R>>,
}

enum State<R: Runtime> {
    Open(Rc<Open<R>>),
    /// Why not, and when it was tried last.
    Closed(Missing, Duration),
}

/// Of the number of a section, in the cache: frames of it, decompressed. No segment has so many sections.
const DECOMPRESSED: u16 = 1 << 15;

/// Tries to open a segment before it is taken to be damaged: a fault that passes must not hide mail.
const TRIES: usize = 3;
/// One that could not be opened is tried again when it is asked, but not more often than this.
const AGAIN: Duration = Duration::from_secs(1);

struct Open<R: Runtime> {
    runtime: R,
    file: R::File,
    /// Opened by the first who searches or counts: a file descriptor a segment is enough for all else.
    shared: OnceCell<Arc<dyn SharedFile>>,
    /// Read by the first who searches, and then shared.
    positions: Arc<OnceLock<Arc<[Position]>>>,
    directory: Directory,
    bloom: Option<Bloom>,
    cache: BlockCache,
    /// Dictionaries of the emails and of the heap, once they were needed.
    dictionaries: [OnceCell<Option<Dictionary>>; 2],
}

/// One section of an open segment.
struct Part<'a, R: Runtime> {
    open: &'a Open<R>,
    number: u16,
    section: Section,
}

fn whole(id: u64, section: &str, reason: impl ToString) -> Missing {
    Missing { segment: Some(id), section: section.into(), reason: reason.to_string() }
}

/// Opens a segment's file and reads its directory.
async fn open<R: Runtime>(runtime: &R, entry: &SegmentEntry, cache: BlockCache) -> Result<Open<R>, Missing> {
    let path = names::segment(entry.id);
    let id = entry.id;
    let file = runtime.open(&path, OpenMode::Read).await.map_err(|e| whole(id, "file", e))?;
    let size = file.size().await.map_err(|e| whole(id, "file", e))?;
    if size != entry.bytes {
        return Err(whole(id, "file", format!("it has {size} bytes, the manifest says {}", entry.bytes)));
    }
    let head = file.read_at(0, PAGE).await.map_err(|e| whole(id, "header", e))?;
    let version = check_header(identity(entry), &head).map_err(|e| whole(id, "header", e))?;
    let directory = read_directory(&file, identity(entry), version, size).await?;
    let agrees = directory.kind == entry.kind
        && (directory.low, directory.high, directory.max_seq) == (entry.low, entry.high, entry.max_seq);
    if !agrees {
        return Err(whole(id, "directory", "it is not what the manifest says"));
    }
    let shared = OnceCell::new();
    let dictionaries = Default::default();
    let runtime = runtime.clone();
    let positions = Arc::default();
    let mut open = Open { runtime, file, shared, positions, directory, bloom: None, cache, dictionaries };
    // A filter that cannot be read only costs time: every lookup then goes to the tree.
    if let Some(part) = open.part(SectionKind::Bloom, 0) {
        let len = usize::try_from(part.section.bytes).unwrap_or(0);
        let bytes = part.read(0, len).await.ok();
        open.bloom = bytes.and_then(|b| Bloom::from_bytes(b.to_vec()).ok());
    }
    Ok(open)
}

/// Which file the manifest means.
pub fn identity(entry: &SegmentEntry) -> Identity {
    Identity { id: entry.id, salt: entry.salt }
}

async fn read_directory<F: DiskFile>(
    file: &F,
    own: Identity,
    version: u32,
    size: u64,
) -> Result<Directory, Missing> {
    let id = own.id;
    let name = |e: &dyn ToString| whole(id, "directory", e.to_string());
    let tail_at = size.checked_sub(PAGE as u64).ok_or_else(|| name(&"the file is too short"))?;
    let tail = file.read_at(tail_at, PAGE).await.map_err(|e| name(&e))?;
    let (at, len) = read_trailer(own, size, &tail).map_err(|e| name(&e))?;
    let mut record = Vec::new();
    let blocks = postlode_format::block::count(len, DIRECTORY_BLOCK);
    for number in 0..blocks {
        let from = at.saturating_add(number.saturating_mul(DIRECTORY_BLOCK as u64));
        let bytes = file.read_at(from, DIRECTORY_BLOCK).await.map_err(|e| name(&e))?;
        let place = directory_block(own, u32::try_from(number).unwrap_or(u32::MAX));
        record.extend_from_slice(&checked(place, &bytes).map_err(|e| name(&e))?);
    }
    record.truncate(usize::try_from(len).unwrap_or(0));
    Directory::decode(&record, own, version, size).map_err(|e| name(&e))
}

impl<R: Runtime> Open<R> {
    /// The frame of emails at an offset, decompressed.
    async fn email_frame(&self, part: &Part<'_, R>, at: u64) -> Result<Bytes, Missing> {
        // Where a frame begins no block of that number has its key: the section's number tells them apart.
        let place = u32::try_from(at).ok().map(|block| BlockPlace {
            segment: self.directory.id,
            salt: self.directory.salt,
            section: part.number | DECOMPRESSED,
            block,
        });
        if let Some(raw) = place.and_then(|place| self.cache.get(place)) {
            return Ok(raw);
        }
        let length = part.read(at, frames::LENGTH).await?;
        let length = frames::email_frame_len(&length).map_err(|e| part.name(e))?;
        let frame = part.read(at.saturating_add(frames::LENGTH as u64), length).await?;
        let dictionary = self.dictionary(0, SectionKind::EmailFrames).await?;
        let raw = frames::open(&frame, dictionary).map_err(|e| part.name(e))?;
        if let Some(place) = place {
            self.cache.insert(place, raw.clone());
        }
        Ok(raw)
    }

    /// Has it an index? One that is older than the index cannot tell what it would hold.
    fn knows(&self, index: IndexId) -> Result<(), Missing> {
        if self.directory.kind == SegmentKind::Blobs || self.directory.knows(index) {
            return Ok(());
        }
        let why = "the segment is older than this index: `postlode segment compact` makes it anew";
        Err(whole(self.directory.id, &format!("index:{}", index.name()), why))
    }

    /// The dictionary of a section: number `slot` of those that are kept.
    async fn dictionary(&self, slot: usize, of: SectionKind) -> Result<Option<&Dictionary>, Missing> {
        let Some(slot) = self.dictionaries.get(slot) else { return Ok(None) };
        if let Some(known) = slot.get() {
            return Ok(known.as_ref());
        }
        let read = match self.part(SectionKind::Dictionary, of as u16) {
            Some(part) => {
                let len = usize::try_from(part.section.bytes).ok().filter(|n| *n <= frames::MAX_DICTIONARY);
                let bytes = part.read(0, len.ok_or_else(|| part.name("it is too long"))?).await?;
                Some(Dictionary::new(&bytes).map_err(|e| part.name(e))?)
            }
            None => None,
        };
        // Another may have read it meanwhile: it is the same.
        Ok(slot.get_or_init(|| read).as_ref())
    }

    /// The file, for any thread.
    fn shared(&self) -> Result<&Arc<dyn SharedFile>, Missing> {
        if let Some(file) = self.shared.get() {
            return Ok(file);
        }
        let id = self.directory.id;
        let file = self.runtime.open_shared(&names::segment(id)).map_err(|e| whole(id, "file", e))?;
        Ok(self.shared.get_or_init(|| file))
    }

    /// The ordinals, for any thread.
    fn ordinals(&self, entry: &SegmentEntry) -> Result<Ordinals, Missing> {
        let section =
            SharedSection::find(self.shared()?, &self.directory, SectionKind::Ordinals, 0, Some(&self.cache));
        let section =
            section.ok_or_else(|| whole(entry.id, "ordinals", "the segment has no such section"))?;
        Ok(Ordinals::sharing(Arc::new(section), entry.emails, Arc::clone(&self.positions)))
    }

    fn part(&self, kind: SectionKind, index: u16) -> Option<Part<'_, R>> {
        let (number, section) = self.directory.find(kind, index)?;
        Some(Part { open: self, number, section })
    }
}

impl<R: Runtime> Part<'_, R> {
    fn name(&self, reason: impl ToString) -> Missing {
        whole(self.open.directory.id, &self.section.name(), reason)
    }

    async fn block(&self, number: u32) -> Result<Bytes, Missing> {
        let place = BlockPlace {
            segment: self.open.directory.id,
            salt: self.open.directory.salt,
            section: self.number,
            block: number,
        };
        if let Some(found) = self.open.cache.get(place) {
            return Ok(found);
        }
        let size = self.section.block_size as usize;
        let at = self.section.offset.saturating_add(u64::from(number).saturating_mul(size as u64));
        let name = |e: &dyn ToString| self.name(format!("block {number}: {}", e.to_string()));
        let bytes = self.open.file.read_at(at, size).await.map_err(|e| name(&e))?;
        let payload = checked(place, &bytes).map_err(|e| name(&e))?;
        self.open.cache.insert(place, payload.clone());
        Ok(payload)
    }

    async fn read(&self, offset: u64, len: usize) -> Result<Bytes, Missing> {
        let pieces = pieces(&self.section, offset, len)
            .ok_or_else(|| self.name(format!("bytes {offset}+{len} lie outside it")))?;
        if let [(number, from, take)] = pieces.as_slice() {
            let block = self.block(*number).await?;
            return Ok(block.slice(*from..from.saturating_add(*take)));
        }
        let mut out = BytesMut::with_capacity(len);
        for (number, from, take) in pieces {
            let block = self.block(number).await?;
            out.extend_from_slice(block.get(from..from.saturating_add(take)).unwrap_or_default());
        }
        Ok(out.freeze())
    }
}

impl<R: Runtime> Pages for Part<'_, R> {
    fn section(&self) -> &Section {
        &self.section
    }

    async fn page(&self, block: u32) -> Result<Bytes, Missing> {
        self.block(block).await
    }

    fn damaged(&self, error: FormatError) -> Missing {
        self.name(error)
    }
}

impl<R: Runtime> Segment<R> {
    /// Opens a segment.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub async fn try_open(runtime: &R, entry: SegmentEntry, cache: BlockCache) -> Result<Rc<Self>, Missing> {
        let opened = open(runtime, &entry, cache.clone()).await?;
        let state = RefCell::new(State::Open(Rc::new(opened)));
        let own = Self::made(runtime, entry, cache, state);
        own.put_addons(own.open_addons(&own.entry.addons, true).await?);
        Ok(own)
    }

    /// Opens these add-ons, as far as they are not open yet, so that they stay readable if their files lose their names. One
    /// that cannot be opened is there all the same and names itself in every answer that needs it, unless this is to be
    /// `strict`.
    ///
    /// # Errors
    /// The first that cannot be opened, where it is to be strict.
    pub async fn open_addons(&self, addons: &[Addon], strict: bool) -> Result<OpenAddons<R>, Missing> {
        let mut open = Vec::with_capacity(addons.len());
        for addon in addons {
            let known = self.addons.borrow().iter().find(|known| known.addon == *addon).cloned();
            if let Some(known) = known {
                open.push(known);
                continue;
            }
            let (entry, cache) = (self.entry.of_addon(addon), self.cache.clone());
            let file = if strict {
                Box::pin(Self::try_open(&self.runtime, entry, cache)).await?
            } else {
                Box::pin(Self::open(&self.runtime, entry, cache)).await
            };
            let held = file.hold_own().await;
            if strict {
                held?;
            }
            open.push(Rc::new(OpenAddon { addon: addon.clone(), file }));
        }
        Ok(OpenAddons(open))
    }

    /// Has these add-ons from now on.
    pub fn put_addons(&self, addons: OpenAddons<R>) {
        self.turn.set(self.turn.get().wrapping_add(1));
        *self.addons.borrow_mut() = addons.0;
    }

    /// Both, unless others were put there meanwhile: those are newer.
    pub async fn set_addons(&self, addons: &[Addon]) {
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        if let Ok(open) = self.open_addons(addons, false).await
            && self.turn.get() == turn
        {
            self.put_addons(open);
        }
    }

    /// What it knows of its add-ons.
    pub fn addons(&self) -> Vec<Addon> {
        self.addons.borrow().iter().map(|known| known.addon.clone()).collect()
    }

    /// Opens a segment. One that cannot be opened is there all the same, and names itself in every answer.
    pub async fn open(runtime: &R, entry: SegmentEntry, cache: BlockCache) -> Rc<Self> {
        let mut tries = 0;
        let state = loop {
            tries += 1;
            match open(runtime, &entry, cache.clone()).await {
                Ok(opened) => break State::Open(Rc::new(opened)),
                Err(missing) if tries >= TRIES => {
                    tracing::error!("{missing}");
                    break State::Closed(missing, runtime.monotonic());
                }
                Err(_) => {}
            }
        };
        let state = RefCell::new(state);
        let own = Self::made(runtime, entry, cache, state);
        own.set_addons(&own.entry.addons).await;
        own
    }

    fn made(runtime: &R, entry: SegmentEntry, cache: BlockCache, state: RefCell<State<R>>) -> Rc<Self> {
        let (addons, turn) = Default::default();
        Rc::new(Self { entry, runtime: runtime.clone(), cache, state, addons, turn })
    }

    /// Where it is open, or can be opened by now.
    async fn opened(&self) -> Result<Rc<Open<R>>, Missing> {
        let (missing, last) = match &*self.state.borrow() {
            State::Open(open) => return Ok(open.clone()),
            State::Closed(missing, last) => (missing.clone(), *last),
        };
        let now = self.runtime.monotonic();
        if now.saturating_sub(last) < AGAIN {
            return Err(missing);
        }
        // Several may try at once: what one read asks for side by side must not fail because one of them tries.
        match open(&self.runtime, &self.entry, self.cache.clone()).await {
            Ok(opened) => {
                let opened = Rc::new(opened);
                tracing::info!(
                    segment = self.entry.id,
                    "a segment that could not be opened can be read again"
                );
                *self.state.borrow_mut() = State::Open(opened.clone());
                Ok(opened)
            }
            Err(missing) => {
                let mut state = self.state.borrow_mut();
                if matches!(*state, State::Closed(..)) {
                    *state = State::Closed(missing.clone(), self.runtime.monotonic());
                }
                Err(missing)
            }
        }
    }

    /// May it hold rows about this email?
    pub fn may_contain(&self, id: &Id) -> bool {
        let fits = match &*self.state.borrow() {
            State::Open(open) => open.bloom.as_ref().is_none_or(|bloom| bloom.may_contain(id)),
            State::Closed(..) => true,
        };
        fits && self.entry.kind == SegmentKind::Mail
    }

    /// Where a row lies.
    pub async fn location(&self, kind: RowKind, key: &[u8]) -> Result<Option<Location>, Missing> {
        let open = self.opened().await?;
        let Some(part) = open.part(SectionKind::Primary, 0) else { return Ok(None) };
        match tree::get(&part, &full_key(kind, key)).await? {
            Some(value) => Location::decode(&value).map(Some).map_err(|e| part.name(e)),
            None => Ok(None),
        }
    }

    /// The ordinal entry of an email.
    async fn ordinal(&self, number: u64, id: &Id) -> Result<Ordinal, Missing> {
        let open = self.opened().await?;
        let Some(part) = open.part(SectionKind::Ordinals, 0) else {
            return Err(whole(self.entry.id, "ordinals", "the segment has no such section"));
        };
        let bytes = part.read(number.saturating_mul(ORDINAL as u64), ORDINAL).await?;
        let ordinal = Ordinal::decode(&bytes).map_err(|e| part.name(e))?;
        // Whatever the tree says: nobody is shown another's mail.
        if ordinal.id == *id {
            Ok(ordinal)
        } else {
            Err(part.name(format!("entry {number} is of another email")))
        }
    }

    /// An email's record.
    pub async fn email(&self, id: &Id) -> Result<Option<Bytes>, Missing> {
        let Some(at) = self.location(RowKind::Email, id).await? else { return Ok(None) };
        let ordinal = self.ordinal(at.offset, id).await?;
        let open = self.opened().await?;
        if let Some(part) = open.part(SectionKind::EmailFrames, 0) {
            let raw = open.email_frame(&part, frames::email_frame_at(&ordinal)).await?;
            return frames::email_in(&raw, &ordinal).map(Some).map_err(|e| part.name(e));
        }
        let Some(part) = open.part(SectionKind::Emails, 0) else {
            return Err(whole(self.entry.id, "emails", "the segment has no such section"));
        };
        part.read(ordinal.email_at, ordinal.email_len as usize).await.map(Some)
    }

    /// An email's body record.
    pub async fn body(&self, id: &Id) -> Result<Option<Bytes>, Missing> {
        let Some(at) = self.location(RowKind::Email, id).await? else { return Ok(None) };
        let ordinal = self.ordinal(at.offset, id).await?;
        let open = self.opened().await?;
        let Some(part) = open.part(SectionKind::Bodies, 0) else {
            return Err(whole(self.entry.id, "bodies", "the segment has no such section"));
        };
        let frame = part.read(ordinal.frame_at, ordinal.frame_len as usize).await?;
        frames::open(&frame, None)
            .and_then(|raw| frames::body_in(&raw, &ordinal))
            .map(Some)
            .map_err(|e| part.name(e))
    }

    /// Any other row's record.
    pub async fn value(&self, at: Location) -> Result<Bytes, Missing> {
        let open = self.opened().await?;
        let Some(part) = open.part(SectionKind::Heap, 0) else {
            return Err(whole(self.entry.id, "heap", "the segment has no such section"));
        };
        let bytes = part.read(at.offset, at.len as usize).await?;
        let dictionary = open.dictionary(1, SectionKind::Heap).await?;
        heap::unpack(&bytes, dictionary).map_err(|e| part.name(e))
    }

    /// Rows of a kind whose keys lie in a range of full keys: key without the kind, location.
    pub async fn locations(
        &self,
        range: &KeyRange,
        limit: usize,
        missing: &mut Vec<Missing>,
    ) -> Result<Vec<(Vec<u8>, Location)>, Missing> {
        let open = self.opened().await?;
        let Some(part) = open.part(SectionKind::Primary, 0) else { return Ok(Vec::new()) };
        let (mut out, mut damage) = (Vec::new(), None);
        let mut each = |key: &[u8], value: &[u8], _: &Page| {
            match Location::decode(value) {
                Ok(at) => out.push((key.get(1..).unwrap_or_default().to_vec(), at)),
                Err(error) => damage = Some(part.name(error)),
            }
            damage.is_none() && out.len() < limit
        };
        if limit > 0 {
            tree::scan(&part, range, false, missing, &mut each).await?;
        }
        damage.map_or(Ok(out), Err)
    }

    /// Shows the keys of an index, for as long as `each` wants more.
    pub async fn scan(
        &self,
        index: IndexId,
        range: &KeyRange,
        descending: bool,
        missing: &mut Vec<Missing>,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), Missing> {
        let open = self.opened().await?;
        open.knows(index)?;
        let Some(part) = open.part(SectionKind::Index, index as u16) else { return Ok(()) };
        tree::scan(&part, range, descending, missing, &mut |key, _, _| each(key)).await
    }

    /// Number of keys of an index in a range.
    pub async fn count(&self, index: IndexId, range: &KeyRange) -> Result<u64, Missing> {
        let open = self.opened().await?;
        open.knows(index)?;
        match open.part(SectionKind::Index, index as u16) {
            Some(part) => tree::count(&part, range).await,
            None => Ok(0),
        }
    }

    /// Has all open that any answer needs, even if the file loses its name.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub async fn hold(&self) -> Result<(), Missing> {
        let mut all = self.hold_own().await;
        let addons = self.addons.borrow().clone();
        for addon in addons {
            // One that cannot be opened must not leave those after it to be lost.
            all = all.and(addon.file.hold_own().await);
        }
        all
    }

    async fn hold_own(&self) -> Result<(), Missing> {
        self.opened().await?.shared().map(drop)
    }

    /// The vectors in its own sections: all that an add-on has.
    async fn vectors(&self) -> Result<VectorParts, Missing> {
        let open = self.opened().await?;
        Ok(shared::vectors(open.shared()?, &open.directory, Some(&open.cache)))
    }

    /// What text search reads; `None` for a segment without emails.
    pub async fn text(&self) -> Result<Option<SegmentText>, Missing> {
        let open = self.opened().await?;
        if self.entry.emails == 0 {
            return Ok(None);
        }
        let file = open.shared()?;
        let find = |kind: SectionKind| {
            let part = SharedSection::find(file, &open.directory, kind, 0, Some(&open.cache));
            part.ok_or_else(|| whole(self.entry.id, kind.name(), "the segment has no such section"))
        };
        let text = Arc::new(find(SectionKind::Text)?);
        let ordinals = open.ordinals(&self.entry)?;
        let vectors = shared::vectors(file, &open.directory, Some(&open.cache));
        let mut addons = Vec::new();
        let known = self.addons.borrow().clone();
        for OpenAddon { addon, file } in known.iter().map(|addon| &**addon) {
            let Addon { id, model, pending, .. } = addon.clone();
            addons.push(AddonText { id, model, pending, vectors: file.vectors().await });
        }
        Ok(Some(SegmentText {
            id: self.entry.id,
            emails: self.entry.emails,
            text,
            ordinals,
            vectors,
            addons,
        }))
    }

    /// What counting and sorting read; `None` for a segment without emails and places. `only`: the hashes of the rows that count.
    pub async fn columns(&self, only: Option<Vec<(u64, u64)>>) -> Result<Option<SegmentColumns>, Missing> {
        let open = self.opened().await?;
        if !open.directory.has_rows(RowKind::Email) && !open.directory.has_rows(RowKind::Place) {
            return Ok(None);
        }
        let ordinals = if self.entry.emails == 0 { None } else { Some(open.ordinals(&self.entry)?) };
        let columns = shared::columns(open.shared()?, &open.directory);
        let range = (self.entry.low, self.entry.high);
        Ok(Some(SegmentColumns {
            id: self.entry.id,
            emails: self.entry.emails,
            range,
            only,
            ordinals,
            columns,
        }))
    }
}
