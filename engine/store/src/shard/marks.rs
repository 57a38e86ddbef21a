//! What all marks of a shard say together: read once, when somebody asks, and kept up with whatever comes from then on.

use super::Shard;
use crate::api::{KeyRange, Missing};
use crate::marks::{MarkTable, MarksAsked, MarksTold};
use crate::memtable::{Memtable, full_key};
use crate::segment::reader::Segment;
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::row::{ArchivedMark, Row, RowKind, access, key_id, shard_hash};
use postlode_runtime::Runtime;
use std::rc::Rc;
use std::time::Duration;

/// Marks of one segment that are read at a time.
const PAGE: usize = 4096;
/// Who comes while they are read looks again after this time.
const LOOK: Duration = Duration::from_millis(1);

/// A mark with its sequence number.
type Sequenced = (u64, Id, Bytes);

/// How much of it is known.
#[derive(Default)]
pub(super) enum Known {
    /// Nobody has asked yet.
    #[default]
    Nothing,
    /// It is being read.
    Reading(Meanwhile),
    All(MarkTable),
}

/// What came while marks were read.
#[derive(Default)]
pub(super) struct Meanwhile {
    marks: Vec<Sequenced>,
    /// Segments whose marks nobody has looked at: all are to be read again.
    again: bool,
    failed: Option<Missing>,
}

impl<R: Runtime> Shard<R> {
    /// A row has become visible.
    pub(super) fn note_mark(&self, seq: u64, row: &Row) {
        if let Some(id) = key_id(&row.key).filter(|_| row.kind == RowKind::Mark) {
            self.take_marks(Some(Ok(vec![(seq, id, row.value.clone())])));
        }
    }

    /// Marks have become visible: these, or (`None`) some that were not looked at.
    pub(super) fn take_marks(&self, marks: Option<Result<Vec<Sequenced>, Missing>>) {
        let mut known = self.marks.borrow_mut();
        match (&mut *known, marks) {
            (Known::Nothing, _) => {}
            (Known::Reading(meanwhile), None) => meanwhile.again = true,
            (Known::Reading(meanwhile), Some(Err(missing))) => meanwhile.failed = Some(missing),
            (Known::Reading(meanwhile), Some(Ok(marks))) => meanwhile.marks.extend(marks),
            // They are read again when somebody asks.
            (known, None | Some(Err(_))) => *known = Known::Nothing,
            (Known::All(table), Some(Ok(marks))) => {
                marks.iter().for_each(|(seq, id, mark)| set(table, *seq, *id, mark));
            }
        }
    }

    /// Answers from all marks.
    ///
    /// # Errors
    /// What could not be read.
    pub(super) async fn marks(&self, asked: &MarksAsked) -> Result<MarksTold, Missing> {
        loop {
            match &mut *self.marks.borrow_mut() {
                Known::All(table) => return Ok(table.answer(asked)),
                Known::Reading(_) => {}
                Known::Nothing => break,
            }
            self.runtime.sleep(LOOK).await;
        }
        loop {
            *self.marks.borrow_mut() = Known::Reading(Meanwhile::default());
            let read = self.read_marks().await;
            let mut known = self.marks.borrow_mut();
            let meanwhile = match std::mem::take(&mut *known) {
                Known::Reading(meanwhile) => meanwhile,
                // Nobody else ends what this one began.
                Known::Nothing | Known::All(_) => Meanwhile { again: true, ..Meanwhile::default() },
            };
            let mut table = read?;
            if let Some(missing) = meanwhile.failed {
                return Err(missing);
            }
            // Whoever brings segments while marks are read looks at them: this comes once at most.
            if meanwhile.again {
                continue;
            }
            meanwhile.marks.iter().for_each(|(seq, id, mark)| set(&mut table, *seq, *id, mark));
            let told = table.answer(asked);
            *known = Known::All(table);
            return Ok(told);
        }
    }

    async fn read_marks(&self) -> Result<MarkTable, Missing> {
        let mut table = MarkTable::default();
        // Memtables and the list of segments in one go, as in `rows`.
        let segments = self.mail_segments();
        self.in_memory(|memtable: &Memtable| {
            for (key, row) in memtable.prefix(RowKind::Mark, &[]) {
                if let Some(id) = key_id(key) {
                    set(&mut table, row.seq, id, &row.value);
                }
            }
            None::<()>
        });
        self.marks_of(&segments, &mut |seq, id, mark| set(&mut table, seq, id, &mark)).await?;
        Ok(table)
    }

    /// The marks of segments that come; `None` where nobody has asked for marks yet.
    pub(super) async fn marks_to_come(
        &self,
        segments: &[Rc<Segment<R>>],
    ) -> Option<Result<Vec<Sequenced>, Missing>> {
        if matches!(&*self.marks.borrow(), Known::Nothing) {
            return None;
        }
        let mut out = Vec::new();
        let read = self.marks_of(segments, &mut |seq, id, mark| out.push((seq, id, mark))).await;
        Some(read.map(|()| out))
    }

    async fn marks_of(
        &self,
        segments: &[Rc<Segment<R>>],
        each: &mut dyn FnMut(u64, Id, Bytes),
    ) -> Result<(), Missing> {
        let mut missing = Vec::new();
        for segment in segments {
            let mut range = KeyRange::prefix(&[RowKind::Mark as u8]);
            // It may span shards.
            range.low = full_key(RowKind::Mark, &self.range.0.to_be_bytes());
            loop {
                let found = segment.locations(&range, PAGE, &mut missing).await?;
                if let Some(missing) = missing.pop() {
                    return Err(missing);
                }
                let Some((last, _)) = found.last() else { break };
                range.low = [full_key(RowKind::Mark, last), vec![0]].concat();
                let ended = found.len() < PAGE || !self.owns(shard_hash(RowKind::Mark, last));
                for (key, at) in found {
                    if let Some(id) = key_id(&key).filter(|id| self.owns(shard_hash(RowKind::Mark, id))) {
                        each(at.seq, id, segment.value(at).await?);
                    }
                }
                if ended {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn set(table: &mut MarkTable, seq: u64, id: Id, mark: &[u8]) {
    match access::<ArchivedMark>(mark) {
        Ok(mark) => table.set(seq, id, mark),
        // It passed its checksum, and was one when it was taken in.
        Err(error) => tracing::error!("a mark cannot be used: {error}"),
    }
}
