//! Which emails a segment has, and in which order: read once, and shared by all who search or count in it.
//!
//! What always holds: positions are those of the ordinals section, one an email; there are never more than the segment
//! has emails.

use crate::api::{Missing, SectionRead};
use postlode_format::index::Position;
use postlode_format::segment::{ORDINAL, Ordinal};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::{Arc, OnceLock};

/// Ordinals read at once.
const AT_ONCE: usize = 4096;

/// The ordinals of one segment. Clones share what one of them has read.
#[derive(Clone)]
pub struct Ordinals {
    section: Arc<dyn SectionRead>,
    emails: u64,
    positions: Arc<OnceLock<Arc<[Position]>>>,
}

impl Ordinals {
    /// Those of a segment of so many emails: [`Ordinal`] × emails, ascending by (date, id).
    #[must_use]
    pub fn new(section: Arc<dyn SectionRead>, emails: u64) -> Self {
        Self::sharing(section, emails, Arc::default())
    }

    /// As [`Ordinals::new`], with what others have read, or will have.
    pub(crate) fn sharing(
        section: Arc<dyn SectionRead>,
        emails: u64,
        positions: Arc<OnceLock<Arc<[Position]>>>,
    ) -> Self {
        Self { section, emails, positions }
    }

    /// The section itself.
    #[must_use]
    pub fn section(&self) -> &Arc<dyn SectionRead> {
        &self.section
    }

    /// The positions of the emails, by their ordinals.
    ///
    /// # Errors
    /// Damage in the ordinals.
    pub fn positions(&self) -> Result<Arc<[Position]>, Missing> {
        if let Some(known) = self.positions.get() {
            return Ok(Arc::clone(known));
        }
        // Two may read at once: they read the same.
        let read: Arc<[Position]> = self.read()?.into();
        Ok(Arc::clone(self.positions.get_or_init(|| read)))
    }

    fn read(&self) -> Result<Vec<Position>, Missing> {
        let count = usize::try_from(self.section.len() / ORDINAL as u64).unwrap_or(usize::MAX);
        let count = count.min(usize::try_from(self.emails).unwrap_or(usize::MAX));
        let mut out = Vec::with_capacity(count);
        while out.len() < count {
            let take = AT_ONCE.min(count.saturating_sub(out.len()));
            let at = (out.len() as u64).saturating_mul(ORDINAL as u64);
            let bytes = self.section.read(at, take.saturating_mul(ORDINAL))?;
            let decoded = bytes.chunks_exact(ORDINAL).map(Ordinal::decode);
            let before = out.len();
            out.extend(decoded.filter_map(Result::ok).map(|o| Position { date: o.date, id: o.id }));
            if out.len() == before {
                break;
            }
        }
        Ok(out)
    }
}

/// Emails that are in several of some ascending lists, ascending.
#[must_use]
pub fn doubles(lists: &[Arc<[Position]>]) -> Vec<Position> {
    // All in one ascending row, without all of it in memory: equal neighbours are of several lists.
    let mut lists: Vec<_> = lists.iter().map(|list| list.iter()).collect();
    let mut heads: BinaryHeap<Reverse<(Position, usize)>> = BinaryHeap::with_capacity(lists.len());
    for (number, list) in lists.iter_mut().enumerate() {
        heads.extend(list.next().map(|first| Reverse((*first, number))));
    }
    let (mut doubles, mut last) = (Vec::new(), None);
    while let Some(mut head) = heads.peek_mut() {
        let Reverse((position, number)) = *head;
        if last == Some(position) && doubles.last() != Some(&position) {
            doubles.push(position);
        }
        last = Some(position);
        match lists.get_mut(number).and_then(Iterator::next) {
            Some(next) => *head = Reverse((*next, number)),
            None => drop(PeekMut::pop(head)),
        }
    }
    doubles
}
