//! The writer of one shard: group commit.
//!
//! Everything that waits when the log is free goes into one frame and one fdatasync. What always holds: rows get
//! their sequence numbers in the order of the frame; callers hear of success only after the sync; a group that
//! fails changes nothing in memory; soon after the last acknowledgement the log itself says that it was given, so that
//! damage to the last frame is told from a frame that was never finished.

use super::seal::SealJob;
use super::{Frozen, Reply, Shard, WriteOp};
use crate::api::{LoadBatch, NewEmail, Outcome};
use crate::error::StoreError;
use crate::inbox::Inbox;
use crate::log::{LogWriter, Room};
use crate::marks::{MAX_MARK, Marked};
use crate::memtable::Memtable;
use async_channel::Sender;
use bytes::{Bytes, BytesMut};
use postlode_format::FormatError;
use postlode_format::id::Id;
use postlode_format::index;
use postlode_format::limits::{MAX_FRAME, MAX_VALUE};
use postlode_format::row::{
    ArchivedBody, ArchivedEmail, ArchivedMark, ArchivedPlace, Place, Row, RowKind, access, key_id, to_bytes,
};
use postlode_runtime::{DiskError, Runtime};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

/// Bytes after which a group takes no further requests.
const GROUP_BYTES: usize = 8 << 20;
/// Requests that one group takes.
const GROUP_OPS: usize = 1024;
/// Bytes that the rows of an email may take beside their records.
const ROW_ROOM: usize = 256;
/// The last frame is confirmed this time after its rows were acknowledged, if no frame came after it.
const CONFIRM: Duration = Duration::from_millis(500);
/// After a failed log it is tried again after this time.
const HEAL: Duration = Duration::from_secs(2);
/// How often a mark is read before it is taken to be damaged.
const READS: u32 = 3;
/// Memtables that may wait to be sealed: when another one is full, writers wait.
const MAX_FROZEN: usize = 1;

/// Owns the log of a shard.
pub struct Writer<R: Runtime> {
    shard: Rc<Shard<R>>,
    log: LogWriter<R>,
    next_seq: u64,
    seals: Sender<SealJob>,
    /// When the last frame was durable.
    acknowledged: Duration,
    /// When it was tried last to go on after the log had failed.
    healed: Option<Duration>,
    /// Why the log, which has failed, cannot go on, where that is more than that it has failed.
    unhealed: Option<StoreError>,
}

/// A group of requests on their way into one frame.
#[derive(Default)]
struct Group {
    rows: Vec<Row>,
    bytes: usize,
    /// Ids and dates of emails in it.
    emails: HashMap<Id, i64>,
    places: HashSet<Bytes>,
    /// Marks in it.
    marks: HashMap<Id, Bytes>,
    replies: Vec<Waiting>,
}

enum Waiting {
    Load(Vec<Outcome>, Reply<Result<Vec<Outcome>, StoreError>>),
    /// With its rows where they are deletions, which may use room that others may not.
    Put(Vec<Row>, Reply<Result<(), StoreError>>),
    /// Likewise.
    Mark(Vec<Row>, Vec<Marked>, Reply<Result<Vec<Marked>, StoreError>>),
}

impl WriteOp {
    /// Bytes that it may add to a frame.
    fn bytes(&self) -> usize {
        let rows = |rows: &[Row]| rows.iter().map(Row::encoded_len).fold(0, usize::saturating_add);
        match self {
            Self::Load(batch, _) => {
                let of = |new: &NewEmail| {
                    let records = new.email.len().saturating_add(new.body.len());
                    // Two rows of the id, and the place, whose record may be written anew with another date.
                    records.saturating_add(new.place.encoded_len()).saturating_add(ROW_ROOM)
                };
                let emails = batch.emails.iter().map(of).fold(0, usize::saturating_add);
                emails.saturating_add(rows(&batch.rows))
            }
            Self::Put(put, _) => rows(put),
            Self::Mark(changes, _) => changes.len().saturating_mul(MAX_MARK.saturating_add(ROW_ROOM)),
            _ => 0,
        }
    }

    fn refuse(self, error: StoreError) {
        match self {
            Self::Load(_, reply) => drop(reply.send(Err(error))),
            Self::Put(_, reply) => drop(reply.send(Err(error))),
            Self::Mark(_, reply) => drop(reply.send(Err(error))),
            _ => {}
        }
    }
}

impl Group {
    fn push(&mut self, row: Row) {
        if let Some(id) = key_id(&row.key).filter(|_| row.kind == RowKind::Mark) {
            self.marks.insert(id, row.value.clone());
        }
        self.bytes += row.encoded_len();
        self.rows.push(row);
    }

    fn answer(self, result: Result<(), StoreError>) {
        for waiting in self.replies {
            match waiting {
                Waiting::Load(outcomes, reply) => drop(reply.send(result.clone().map(|()| outcomes))),
                Waiting::Put(_, reply) => drop(reply.send(result.clone())),
                Waiting::Mark(_, outcomes, reply) => drop(reply.send(result.clone().map(|()| outcomes))),
            }
        }
    }
}

impl<R: Runtime> Writer<R> {
    /// A writer whose first row gets `next_seq`.
    pub fn new(shard: Rc<Shard<R>>, log: LogWriter<R>, next_seq: u64, seals: Sender<SealJob>) -> Self {
        Self { shard, log, next_seq, seals, acknowledged: Duration::ZERO, healed: None, unhealed: None }
    }

    /// Works until it is told to close or nobody is left to write. `recovered`: a memtable from the last
    /// writer's log waits to be sealed.
    pub async fn run(mut self, ops: Inbox<WriteOp>, recovered: bool) {
        let memtable = recovered.then(|| self.shard.frozen.borrow().first().cloned()).flatten();
        self.queue_seal(memtable, None, true).await;
        let mut held: Option<WriteOp> = None;
        loop {
            let op = match held.take() {
                Some(op) => op,
                None => match self.next(&ops).await {
                    Ok(Some(op)) => op,
                    Ok(None) => {
                        // Nobody waits for it, and one that fails stops the log for those who come.
                        if let Err(error) = self.log.confirm(self.next_seq).await {
                            tracing::error!("{error}");
                        }
                        self.note();
                        continue;
                    }
                    Err(_) => return,
                },
            };
            match op {
                WriteOp::Load(..) | WriteOp::Put(..) | WriteOp::Mark(..) => {
                    self.heal_if_due().await;
                    held = self.commit(op, &ops).await;
                }
                WriteOp::Release(first) => {
                    if let Err(error) = self.log.release(first).await {
                        tracing::warn!("{error}; it is removed at the next opening");
                    }
                    // One that has filled up meanwhile has waited for its turn.
                    self.freeze_if_full().await;
                    self.note();
                }
                WriteOp::Condemn(ids, reply) => drop(reply.send(self.condemn(ids).await)),
                WriteOp::Spare(ids) => {
                    let mut condemned = self.shard.condemned.borrow_mut();
                    condemned.retain(|id| !ids.contains(id));
                }
                WriteOp::Seal(reply) => drop(reply.send(self.seal().await)),
                WriteOp::Scrub(reply) => drop(reply.send(self.scrub().await)),
                WriteOp::Close(reply) => {
                    let result = self.close().await;
                    drop(reply.send(result));
                    return;
                }
            }
        }
    }

    /// The next request; `None` where the log's last frame has stood unconfirmed for a while.
    async fn next(&self, ops: &Inbox<WriteOp>) -> Result<Option<WriteOp>, async_channel::RecvError> {
        if self.log.is_confirmed() {
            return ops.recv().await.map(Some);
        }
        // Requests that bring no frame must not put it off.
        let past = self.shard.runtime.monotonic().saturating_sub(self.acknowledged);
        if past >= CONFIRM {
            return Ok(None);
        }
        let due = async {
            self.shard.runtime.sleep(CONFIRM.saturating_sub(past)).await;
            Ok(None)
        };
        futures_lite::future::or(async { ops.recv().await.map(Some) }, due).await
    }

    /// Are all of these deleted? Then their marks stay so until they are spared.
    async fn condemn(&self, ids: Vec<Id>) -> bool {
        for id in &ids {
            let mark = self.shard.get(RowKind::Mark, id).await.ok().flatten();
            let gone = mark.is_some_and(|mark| {
                access::<ArchivedMark>(&mark).is_ok_and(|mark| mark.deleted && mark.holds.is_empty())
            });
            if !gone {
                return false;
            }
        }
        self.shard.condemned.borrow_mut().extend(ids);
        true
    }

    /// A mark that would restore an email which is being taken out at this moment.
    fn check_condemned(&self, rows: &[Row]) -> Result<(), StoreError> {
        let condemned = self.shard.condemned.borrow();
        let hit = |row: &Row| {
            row.kind == RowKind::Mark && key_id(&row.key).is_some_and(|id| condemned.contains(&id))
        };
        if !condemned.is_empty() && rows.iter().any(hit) { Err(StoreError::Busy) } else { Ok(()) }
    }

    /// Takes what waits, commits it as one frame, and gives back the first request that is no part of it.
    async fn commit(&mut self, first: WriteOp, ops: &Inbox<WriteOp>) -> Option<WriteOp> {
        let mut group = Group::default();
        let mut next = Some(first);
        let mut held = None;
        while let Some(op) = next.take() {
            let bytes = op.bytes();
            if bytes > MAX_FRAME {
                // By itself it is too large for a frame; it must not be the end of those beside it.
                let too_large = FormatError::TooLarge { what: "request", have: bytes, limit: MAX_FRAME };
                op.refuse(StoreError::Refused(too_large));
                next = ops.try_recv().ok();
                continue;
            }
            if group.bytes.saturating_add(bytes) > MAX_FRAME {
                held = Some(op);
                break;
            }
            match op {
                // One caller's bad row is answered to that caller alone, before it is part of anything.
                WriteOp::Load(batch, reply) => match self.resolve(batch, &mut group).await {
                    Ok(outcomes) => group.replies.push(Waiting::Load(outcomes, reply)),
                    Err(error) => drop(reply.send(Err(error))),
                },
                WriteOp::Put(rows, reply) => {
                    match self.check_condemned(&rows).and_then(|()| rows.iter().try_for_each(check)) {
                        Ok(()) => {
                            let deletions = if rows.iter().all(deletes) { rows.clone() } else { Vec::new() };
                            rows.into_iter().for_each(|row| group.push(row));
                            group.replies.push(Waiting::Put(deletions, reply));
                        }
                        Err(error) => drop(reply.send(Err(error))),
                    }
                }
                WriteOp::Mark(changes, reply) => {
                    match self.shard.make_marks(&changes, &mut group.marks).await {
                        Ok(made) => {
                            let alone = !made.leans && made.rows.iter().all(deletes);
                            let deletions = if alone { made.rows.clone() } else { Vec::new() };
                            made.rows.into_iter().for_each(|row| group.push(row));
                            group.replies.push(Waiting::Mark(deletions, made.outcomes, reply));
                        }
                        Err(error) => drop(reply.send(Err(error))),
                    }
                }
                other => {
                    held = Some(other);
                    break;
                }
            }
            if group.bytes < GROUP_BYTES && group.replies.len() < GROUP_OPS {
                next = ops.try_recv().ok();
            }
        }
        match self.write(&group, Room::Ordinary).await {
            Err(StoreError::Full(error)) => self.write_deletions(group, error).await,
            result => group.answer(result),
        }
        held
    }

    /// The disk is full. What is no deletion is refused; deletions may use the room that is kept for them.
    async fn write_deletions(&mut self, group: Group, error: DiskError) {
        let mut deletions = Group::default();
        let mut others = Group::default();
        for waiting in group.replies {
            match waiting {
                Waiting::Put(rows, reply) if !rows.is_empty() => {
                    rows.into_iter().for_each(|row| deletions.push(row));
                    deletions.replies.push(Waiting::Put(Vec::new(), reply));
                }
                Waiting::Mark(rows, outcomes, reply) if !rows.is_empty() => {
                    rows.into_iter().for_each(|row| deletions.push(row));
                    deletions.replies.push(Waiting::Mark(Vec::new(), outcomes, reply));
                }
                other => others.replies.push(other),
            }
        }
        others.answer(Err(StoreError::Full(error)));
        if !deletions.rows.is_empty() {
            let result = self.write(&deletions, Room::Reserve).await;
            deletions.answer(result);
        }
    }

    /// Decides what becomes of each email and adds what has to be written.
    async fn resolve(&self, batch: LoadBatch, group: &mut Group) -> Result<Vec<Outcome>, StoreError> {
        for new in &batch.emails {
            check_email(new)?;
        }
        batch.rows.iter().try_for_each(check)?;
        let mut outcomes = Vec::with_capacity(batch.emails.len());
        for new in batch.emails {
            outcomes.push(self.resolve_one(new, group).await?);
        }
        batch.rows.into_iter().for_each(|row| group.push(row));
        Ok(outcomes)
    }

    async fn resolve_one(&self, new: NewEmail, group: &mut Group) -> Result<Outcome, StoreError> {
        let NewEmail { id, email, body, mut place } = new;
        let heard_of = self.shard.may_know(&id);
        // Compaction may have removed a deleted email; its mark remembers.
        if heard_of && self.is_deleted(&id).await {
            return Ok(Outcome::Deleted);
        }
        let key = Bytes::copy_from_slice(&id);
        let known = match group.emails.get(&id) {
            Some(date) => Some(*date),
            None if heard_of => self.known_date(&id).await,
            None => None,
        };
        let own = date_of(&email)?;
        if known.is_none() {
            group.emails.insert(id, own);
            group.push(Row { kind: RowKind::Email, key: key.clone(), value: email });
            group.push(Row { kind: RowKind::Body, key, value: body });
        }
        let there = group.places.contains(&place.key)
            || (known.is_some() && self.exists(RowKind::Place, &place.key).await);
        if !there {
            group.places.insert(place.key.clone());
            // The copy may have been delivered at another time: every position of an email is its first one's.
            place.value = dated(&place.value, known.unwrap_or(own))?;
            group.push(place);
        }
        Ok(match (known.is_some(), there) {
            (false, _) => Outcome::Stored,
            (true, false) => Outcome::NewPlace,
            (true, true) => Outcome::Duplicate,
        })
    }

    /// The date of an email that is here already.
    async fn known_date(&self, id: &Id) -> Option<i64> {
        if !self.exists(RowKind::Email, id).await {
            return None;
        }
        let row = self.shard.get(RowKind::Email, id).await.ok().flatten()?;
        date_of(&row).ok()
    }

    /// A segment that cannot be read is taken not to hold the row: storing twice is harmless, losing is not.
    async fn exists(&self, kind: RowKind, key: &[u8]) -> bool {
        if self.shard.in_memory(|m| m.get(kind, key).map(|_| ())).is_some() {
            return true;
        }
        self.shard.sealed_seq(kind, key).await.is_some()
    }

    /// Where a damaged segment hides the mark, the email is stored: loading the archives again is how a lost segment
    /// is mended, and mail that is shown again can be deleted again.
    async fn is_deleted(&self, id: &Id) -> bool {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.shard.get(RowKind::Mark, id).await {
                Ok(mark) => {
                    return mark.is_some_and(|mark| access::<ArchivedMark>(&mark).is_ok_and(|m| m.deleted));
                }
                // A fault that passes is no damage.
                Err(_) if tries < READS => {}
                Err(missing) => {
                    tracing::warn!("whether an email was deleted cannot be read: {missing}");
                    return false;
                }
            }
        }
    }

    async fn write(&mut self, group: &Group, room: Room) -> Result<(), StoreError> {
        if group.rows.is_empty() {
            return Ok(());
        }
        self.shard.shared.fence.check()?;
        // Deletions are few and small: they do not wait for a memtable that cannot be sealed.
        if room == Room::Ordinary {
            self.make_room().await?;
        }
        let mut payload = BytesMut::with_capacity(group.bytes);
        for row in &group.rows {
            row.encode(&mut payload).map_err(StoreError::Refused)?;
        }
        let first = self.next_seq;
        let count = group.rows.len() as u64;
        let appended = self.log.append(first, count, &payload, room).await.map_err(|error| {
            // The log would go on by itself; what keeps it from that is what there is to be done about.
            match (error, &self.unhealed) {
                (StoreError::Poisoned(_), Some(why @ StoreError::Poisoned(_))) => why.clone(),
                (error, _) => error,
            }
        });
        if appended.is_ok() || self.log.is_poisoned() {
            // What failed may be on the medium all the same: its numbers are not used again.
            self.next_seq = first.saturating_add(count);
        }
        appended?;
        self.acknowledged = self.shard.runtime.monotonic();
        {
            let mut active = self.shard.active.borrow_mut();
            for (seq, row) in (first..).zip(&group.rows) {
                active.insert(seq, row).map_err(StoreError::Refused)?;
                if let Some(id) = row.key.first_chunk::<16>().filter(|_| row.kind.is_about_email()) {
                    self.shard.lately.changed(id);
                }
                self.shard.note_mark(seq, row);
            }
        }
        self.shard.bump();
        self.note();
        {
            let mut stats = self.shard.stats.borrow_mut();
            stats.commits += 1;
            stats.committed_rows += count;
        }
        self.freeze_if_full().await;
        Ok(())
    }

    /// A log that has failed is not written again, and whether its last frame is on the medium is not known. All that was
    /// acknowledged is in memory, though: once that is sealed and no file of the log is needed, a new file may be begun.
    async fn heal_if_due(&mut self) {
        let now = self.shard.runtime.monotonic();
        let lately = self.healed.is_some_and(|last| now.saturating_sub(last) < HEAL);
        if !self.log.is_poisoned() || lately {
            return;
        }
        self.healed = Some(now);
        match self.heal().await {
            Ok(()) => {
                tracing::warn!(shard = self.shard.index, "the log had failed; it goes on in a new file");
                (self.healed, self.unhealed) = (None, None);
            }
            Err(error) => {
                tracing::error!("the log cannot go on yet: {error}");
                self.unhealed = Some(error);
            }
        }
    }

    async fn heal(&mut self) -> Result<(), StoreError> {
        self.freeze().await?;
        self.log.roll().await?;
        let next = self.log.next_file();
        self.queue_seal(None, Some((self.next_seq, next)), false).await;
        self.barrier(false).await?;
        self.log.scrub(next).await?;
        self.log.go_on();
        self.note();
        Ok(())
    }

    /// What fails here is told to those who come next: all that was acknowledged stays in memory and in the log.
    async fn freeze_if_full(&mut self) {
        if self.is_full()
            && self.may_freeze()
            && let Err(error) = self.freeze().await
        {
            tracing::error!("a full memtable is not sealed yet: {error}");
        }
    }

    fn is_full(&self) -> bool {
        self.shard.active.borrow().bytes() >= self.shard.shared.options.memtable_bytes
    }

    fn may_freeze(&self) -> bool {
        self.shard.frozen.borrow().len() < MAX_FROZEN
    }

    /// Where the memtable is full, waits until it may be sealed; gives up where sealing cannot get on.
    async fn make_room(&mut self) -> Result<(), StoreError> {
        if !self.is_full() {
            return Ok(());
        }
        let since = self.shard.runtime.monotonic();
        let mut waited = false;
        if !self.may_freeze() {
            // Nothing comes into the log while this waits.
            self.log.confirm_here(self.next_seq).await?;
        }
        while !self.may_freeze() {
            if let Some(error) = self.shard.stuck.borrow().clone() {
                return Err(error);
            }
            waited = true;
            self.shard.runtime.sleep(Duration::from_millis(2)).await;
        }
        if waited {
            let micros = self.shard.runtime.monotonic().saturating_sub(since).as_micros();
            let (stalls, all) = &mut self.shard.stats.borrow_mut().stalls;
            *stalls = stalls.saturating_add(1);
            *all = all.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX));
        }
        self.freeze().await
    }

    fn note(&self) {
        let mut stats = self.shard.stats.borrow_mut();
        stats.log_bytes = self.log.bytes();
        stats.log_bytes_on_disk = self.log.bytes_on_disk();
        stats.syncs = self.log.syncs;
    }

    /// The active memtable takes no more rows and waits to be sealed.
    async fn freeze(&mut self) -> Result<(), StoreError> {
        if self.shard.active.borrow().is_empty() {
            return Ok(());
        }
        self.log.end_file(self.next_seq).await?;
        let fresh = Memtable::new(self.shard.shared.next_memtable());
        let full = self.shard.active.replace(fresh);
        let frozen = Frozen::new(full);
        self.shard.frozen.borrow_mut().push(frozen.clone());
        self.queue_seal(Some(frozen), Some((self.next_seq, self.log.next_file())), false).await;
        Ok(())
    }

    async fn queue_seal(&self, memtable: Option<Rc<Frozen>>, floor: Option<(u64, u32)>, recovered: bool) {
        let job = SealJob {
            memtable,
            stream: self.log.stream(),
            floor,
            recovered,
            drop_stream: false,
            written: Vec::new(),
            done: None,
        };
        // The sealer lives as long as the writer; if its queue is closed, the shard is ending.
        drop(self.seals.send(job).await);
    }

    async fn seal(&mut self) -> Result<(), StoreError> {
        self.freeze().await?;
        self.barrier(false).await
    }

    async fn scrub(&mut self) -> Result<(), StoreError> {
        // A frame that failed may be found at the next opening: a mail whose attachments were taken out meanwhile, as no
        // segment named them. Going on in a new file leaves nothing of it.
        if self.log.is_poisoned() {
            self.heal().await?;
        }
        self.seal().await?;
        // The file that was written to last is needed no more either.
        self.log.roll().await?;
        self.log.scrub(self.log.next_file()).await?;
        self.note();
        Ok(())
    }

    /// Waits until all memtables frozen before are sealed.
    async fn barrier(&self, drop_stream: bool) -> Result<(), StoreError> {
        let (done, sealed) = oneshot::channel();
        let job = SealJob {
            memtable: None,
            stream: self.log.stream(),
            floor: None,
            recovered: false,
            drop_stream,
            written: Vec::new(),
            done: Some(done),
        };
        self.seals.send(job).await.map_err(|_| StoreError::Closed)?;
        sealed.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        match self.seal().await {
            Ok(()) => {
                self.log.roll().await?;
                self.barrier(true).await?;
                self.log.scrub(u32::MAX).await?;
                Ok(())
            }
            Err(error) => {
                // What is acknowledged is in the log; the next writer seals it. The lock is freed after this, so the
                // sealer must have ended by then.
                self.seals.close();
                while self.shard.sealing.get() {
                    self.shard.runtime.sleep(Duration::from_millis(5)).await;
                }
                self.log.close_cleanly(self.next_seq).await?;
                self.log.roll().await?;
                Err(error)
            }
        }
    }
}

/// Does a row delete an email?
fn deletes(row: &Row) -> bool {
    row.kind == RowKind::Mark && access::<ArchivedMark>(&row.value).is_ok_and(|mark| mark.deleted)
}

/// A row that cannot be indexed or encoded must not reach the log: it could never be shown again.
fn check(row: &Row) -> Result<(), StoreError> {
    index::entries(row.kind, &row.key, &row.value).map_err(StoreError::Refused)?;
    row.encode(&mut BytesMut::new()).map_err(StoreError::Refused)
}

fn check_email(new: &NewEmail) -> Result<(), StoreError> {
    let refused = |why| StoreError::Refused(FormatError::Malformed { what: "email", why });
    let email = access::<ArchivedEmail>(&new.email).map_err(StoreError::Refused)?;
    access::<ArchivedBody>(&new.body).map_err(StoreError::Refused)?;
    if email.id != new.id {
        return Err(refused("its id is not that of its record"));
    }
    if new.place.kind != RowKind::Place || key_id(&new.place.key) != Some(new.id) {
        return Err(refused("its place belongs to another email"));
    }
    for value in [&new.email, &new.body] {
        if value.len() > MAX_VALUE {
            let (have, limit) = (value.len(), MAX_VALUE);
            return Err(StoreError::Refused(FormatError::TooLarge { what: "email", have, limit }));
        }
    }
    check(&new.place)
}

fn date_of(email: &[u8]) -> Result<i64, StoreError> {
    Ok(access::<ArchivedEmail>(email).map_err(StoreError::Refused)?.date.to_native())
}

/// The place with this date.
fn dated(place: &Bytes, date: i64) -> Result<Bytes, StoreError> {
    let archived = access::<ArchivedPlace>(place).map_err(StoreError::Refused)?;
    if archived.date.to_native() == date {
        return Ok(place.clone());
    }
    let mut own = rkyv::deserialize::<Place, rkyv::rancor::Error>(archived).map_err(|_| {
        StoreError::Refused(FormatError::Malformed { what: "place", why: "its record cannot be read" })
    })?;
    own.date = date;
    to_bytes(&own).map_err(StoreError::Refused)
}
