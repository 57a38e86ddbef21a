//! What people say about emails: how it is changed, and what all of it together is.
//!
//! What always holds: a change is applied to the mark as it is at that moment, by the one that writes it, so that of two
//! changes at the same time none is lost; an email under a hold is not deleted; a mark within its limits stays within them.

use crate::api::Missing;
use crate::error::StoreError;
use crate::shard::{ReadOp, WriteOp};
use crate::store::Store;
use postlode_format::id::{Id, hash_of};
use postlode_format::index::{Position, fold};
use postlode_format::row::{ArchivedMark, Mark, shard_of};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Most tags of one email.
pub const MAX_TAGS: usize = 256;
/// Most holds of one email.
pub const MAX_HOLDS: usize = 64;
/// Most bytes of the name of a tag or a hold.
pub const MAX_NAME: usize = 256;
/// Most bytes of a note.
pub const MAX_NOTE: usize = 64 << 10;
/// Most bytes of a mark's record: what is above, and what its layout adds.
pub(crate) const MAX_MARK: usize = MAX_NOTE + (MAX_TAGS + MAX_HOLDS) * (MAX_NAME + 16) + 1024;
/// Changes of one request to a shard.
const AT_ONCE: usize = 64;

/// A change of what is said about one email.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarkChange {
    /// The email.
    pub id: Id,
    /// Only if what is said about it was changed so often so far.
    pub revision: Option<u64>,
    /// Tags that it gets. One that it has already, whatever its case, stays as it is written.
    pub add_tags: Vec<String>,
    /// Tags that it loses, whatever their case.
    pub remove_tags: Vec<String>,
    /// Its note; empty: none.
    pub note: Option<String>,
    /// Holds that it comes under.
    pub add_holds: Vec<String>,
    /// Holds that it is released from.
    pub remove_holds: Vec<String>,
    /// Deleted, or restored.
    pub delete: Option<bool>,
}

/// What became of a [`MarkChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    /// It was made; what is said about the email now.
    Done(Mark),
    /// All was so already.
    Same(Mark),
    /// There is no such email, or it is deleted.
    Absent,
    /// It was changed since: what is said about it now.
    Stale(Mark),
    /// It is under holds, and is not deleted.
    Held(Mark),
    /// It would have more tags, or holds, than an email may have, or a longer note or name: what, and the limit.
    TooMuch(&'static str, usize),
    /// It cannot be read what is said about it so far.
    Missing(Missing),
}

/// Why a change is not made.
pub(crate) enum Refusal {
    Stale,
    Held,
    TooMuch(&'static str, usize),
}

impl MarkChange {
    /// The mark as it is to be; `None` where it is so already.
    pub(crate) fn apply(&self, mark: &Mark) -> Result<Option<Mark>, Refusal> {
        if self.revision.is_some_and(|revision| revision != mark.revision) {
            return Err(Refusal::Stale);
        }
        let mut new = mark.clone();
        let removed: HashSet<String> = self.remove_tags.iter().map(|tag| fold(tag)).collect();
        new.tags.retain(|tag| !removed.contains(&fold(tag)));
        new.holds.retain(|hold| !self.remove_holds.contains(hold));
        let mut there: HashSet<String> = new.tags.iter().map(|tag| fold(tag)).collect();
        for tag in &self.add_tags {
            if there.insert(fold(tag)) {
                new.tags.push(tag.clone());
            }
        }
        for hold in &self.add_holds {
            if !new.holds.contains(hold) {
                new.holds.push(hold.clone());
            }
        }
        new.tags.sort_unstable();
        new.holds.sort_unstable();
        if let Some(note) = &self.note {
            new.note.clone_from(note);
        }
        new.deleted = self.delete.unwrap_or(mark.deleted);
        // Whoever deletes what he puts under a hold, or releases, in one change, is judged by what was and what is to be.
        if new.deleted && !mark.deleted && !(mark.holds.is_empty() && new.holds.is_empty()) {
            return Err(Refusal::Held);
        }
        let names = self.add_tags.iter().chain(&self.add_holds);
        for (what, have, limit) in [
            ("tags", new.tags.len(), MAX_TAGS),
            ("holds", new.holds.len(), MAX_HOLDS),
            ("bytes of a note", self.note.as_ref().map_or(0, String::len), MAX_NOTE),
            ("bytes of a name", names.map(String::len).max().unwrap_or(0), MAX_NAME),
        ] {
            if have > limit {
                return Err(Refusal::TooMuch(what, limit));
            }
        }
        if new == *mark {
            return Ok(None);
        }
        new.revision = mark.revision.saturating_add(1);
        Ok(Some(new))
    }
}

/// The mark of a record.
pub(crate) fn owned(mark: &ArchivedMark) -> Mark {
    let texts = |list: &rkyv::vec::ArchivedVec<rkyv::string::ArchivedString>| {
        list.iter().map(|text| text.as_str().to_owned()).collect()
    };
    Mark {
        tags: texts(&mark.tags),
        note: mark.note.as_str().to_owned(),
        holds: texts(&mark.holds),
        deleted: mark.deleted,
        revision: mark.revision.to_native(),
        date: mark.date.to_native(),
    }
}

/// Emails that have something, in order.
#[derive(Debug, Default)]
struct Listed {
    emails: BTreeSet<Position>,
    /// The same, as it was given out last; gone once it has changed.
    list: Option<Arc<[Position]>>,
}

impl Listed {
    fn set(&mut self, at: Position, has: bool) {
        self.list = None;
        let _changed = if has { self.emails.insert(at) } else { self.emails.remove(&at) };
    }

    fn list(&mut self) -> Arc<[Position]> {
        let list = self.list.get_or_insert_with(|| self.emails.iter().copied().collect::<Vec<_>>().into());
        Arc::clone(list)
    }
}

/// Names, and the emails of each.
#[derive(Debug, Default)]
struct Names {
    all: Vec<(Arc<str>, Listed)>,
    numbers: HashMap<Arc<str>, u32>,
    /// Numbers that nobody has any more.
    free: Vec<u32>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        let name: Arc<str> = name.into();
        let number = match self.free.pop() {
            Some(free) => {
                if let Some(slot) = self.all.get_mut(free as usize) {
                    *slot = (Arc::clone(&name), Listed::default());
                }
                free
            }
            None => {
                self.all.push((Arc::clone(&name), Listed::default()));
                u32::try_from(self.all.len().saturating_sub(1)).unwrap_or(u32::MAX)
            }
        };
        self.numbers.insert(name, number);
        number
    }

    fn set(&mut self, number: u32, at: Position, has: bool) {
        let Some((name, listed)) = self.all.get_mut(number as usize) else { return };
        listed.set(at, has);
        if listed.emails.is_empty() {
            self.numbers.remove(name);
            self.free.push(number);
        }
    }

    /// From `old` to `new` names of one email, which may have another date now.
    fn change(&mut self, (old, was): (&[u32], Position), (new, is): (&[u32], Position)) {
        // New ones first: a name that stays is not given up meanwhile.
        for number in new.iter().filter(|number| was != is || !old.contains(number)) {
            self.set(*number, is, true);
        }
        for number in old.iter().filter(|number| was != is || !new.contains(number)) {
            self.set(*number, was, false);
        }
    }
}

/// What the newest mark of an email says.
#[derive(Debug)]
struct Entry {
    seq: u64,
    at: Position,
    tags: Box<[u32]>,
    holds: Box<[u32]>,
}

/// What all marks of a shard say together.
///
/// Whatever order rows come in, the newest of each email counts.
#[derive(Debug, Default)]
pub(crate) struct MarkTable {
    emails: HashMap<Id, Entry>,
    deleted: Listed,
    tags: Names,
    holds: Names,
}

impl MarkTable {
    /// A mark with its sequence number.
    pub fn set(&mut self, seq: u64, id: Id, mark: &ArchivedMark) {
        if self.emails.get(&id).is_some_and(|known| known.seq >= seq) {
            return;
        }
        let at = Position { date: mark.date.to_native(), id };
        // Of what is deleted nothing else is told.
        let texts = |list: &'_ rkyv::vec::ArchivedVec<rkyv::string::ArchivedString>| -> Vec<String> {
            if mark.deleted { Vec::new() } else { list.iter().map(|text| text.as_str().to_owned()).collect() }
        };
        let numbers = |texts: Vec<String>, names: &mut Names| -> Box<[u32]> {
            let mut numbers: Vec<u32> = texts.iter().map(|text| names.number(text)).collect();
            // A record may have been written by anybody.
            numbers.sort_unstable();
            numbers.dedup();
            numbers.into()
        };
        let tags = numbers(texts(&mark.tags), &mut self.tags);
        let holds = numbers(texts(&mark.holds), &mut self.holds);
        let new = Entry { seq, at, tags, holds };
        let old = self.emails.remove(&id).unwrap_or(Entry { seq: 0, at, tags: [].into(), holds: [].into() });
        if old.at != at && self.deleted.emails.contains(&old.at) {
            self.deleted.set(old.at, false);
        }
        if mark.deleted != self.deleted.emails.contains(&at) {
            self.deleted.set(at, mark.deleted);
        }
        self.tags.change((&old.tags, old.at), (&new.tags, at));
        self.holds.change((&old.holds, old.at), (&new.holds, at));
        self.emails.insert(id, new);
    }

    /// Answers a question.
    pub fn answer(&mut self, asked: &MarksAsked) -> MarksTold {
        match asked {
            MarksAsked::Deleted => MarksTold::Emails(vec![self.deleted.list()]),
            MarksAsked::Tagged(tag) => {
                let has = self
                    .tags
                    .all
                    .iter_mut()
                    .filter(|(name, listed)| !listed.emails.is_empty() && fold(name) == *tag);
                MarksTold::Emails(has.map(|(_, listed)| listed.list()).collect())
            }
            MarksAsked::Tags => {
                let used = self.tags.all.iter_mut().filter(|(_, listed)| !listed.emails.is_empty());
                MarksTold::Named(used.map(|(name, listed)| (Arc::clone(name), listed.list())).collect())
            }
            MarksAsked::Holds => {
                let used = self.holds.all.iter().filter(|(_, listed)| !listed.emails.is_empty());
                let count =
                    |(name, listed): &(Arc<str>, Listed)| (Arc::clone(name), listed.emails.len() as u64);
                MarksTold::Counts(used.map(count).collect())
            }
            MarksAsked::Under(hold, most) => {
                let number = self.holds.numbers.get(hold.as_str());
                let under = number.and_then(|number| self.holds.all.get(*number as usize));
                let ids = under.into_iter().flat_map(|(_, listed)| &listed.emails).map(|at| at.id);
                MarksTold::Ids(ids.take(*most).collect())
            }
        }
    }
}

/// What is asked of all marks of a shard.
#[derive(Debug, Clone)]
pub(crate) enum MarksAsked {
    /// Deleted emails.
    Deleted,
    /// Emails with a tag, folded.
    Tagged(String),
    /// Emails of each tag.
    Tags,
    /// How many are under each hold.
    Holds,
    /// Some of those under a hold.
    Under(String, usize),
}

/// The answer.
#[derive(Debug)]
pub(crate) enum MarksTold {
    /// Ascending lists.
    Emails(Vec<Arc<[Position]>>),
    /// By names.
    Named(Vec<(Arc<str>, Arc<[Position]>)>),
    /// How many by names.
    Counts(Vec<(Arc<str>, u64)>),
    /// Ids.
    Ids(Vec<Id>),
}

impl Store {
    /// Changes what is said about emails; durable when it returns. Answers are in the order of `changes`.
    ///
    /// # Errors
    /// As [`Store::load`]; some changes may have been made then.
    pub async fn mark(&self, changes: Vec<MarkChange>) -> Result<Vec<Marked>, StoreError> {
        self.writable()?;
        let count = self.inner.shards.len();
        let mut parts: Vec<(Vec<MarkChange>, Vec<usize>)> = (0..count).map(|_| Default::default()).collect();
        let mut out = vec![Marked::Absent; changes.len()];
        for (n, change) in changes.into_iter().enumerate() {
            if let Some((part, at)) = parts.get_mut(shard_of(hash_of(&change.id), count)) {
                part.push(change);
                at.push(n);
            }
        }
        let mut waiting = Vec::new();
        for (shard, (part, at)) in self.inner.shards.iter().zip(parts) {
            for (part, at) in part.chunks(AT_ONCE).zip(at.chunks(AT_ONCE)) {
                let part = part.to_vec();
                waiting.push((at.to_vec(), shard.write(|reply| WriteOp::Mark(part, reply)).await?));
            }
        }
        for (at, answer) in waiting {
            let part = answer.await.unwrap_or(Err(StoreError::Closed))?;
            for (n, marked) in at.into_iter().zip(part) {
                if let Some(slot) = out.get_mut(n) {
                    *slot = marked;
                }
            }
        }
        Ok(out)
    }

    async fn marks(&self, asked: MarksAsked) -> Result<Vec<MarksTold>, StoreError> {
        let parts = self.all(|reply| ReadOp::Marks(asked.clone(), reply)).await?;
        parts.into_iter().collect::<Result<_, _>>().map_err(StoreError::Missing)
    }

    async fn lists(&self, asked: MarksAsked) -> Result<Vec<Arc<[Position]>>, StoreError> {
        let mut out = Vec::new();
        for told in self.marks(asked).await? {
            if let MarksTold::Emails(lists) = told {
                out.extend(lists);
            }
        }
        Ok(out)
    }

    /// Deleted emails: a list of each shard, ascending, the same one until it changes.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where some mark cannot be read.
    pub async fn deleted(&self) -> Result<Vec<Arc<[Position]>>, StoreError> {
        self.lists(MarksAsked::Deleted).await
    }

    /// Emails that have a tag, whatever its case: lists, each ascending, without an email twice.
    ///
    /// # Errors
    /// As [`Store::deleted`].
    pub async fn tagged(&self, tag: &str) -> Result<Vec<Arc<[Position]>>, StoreError> {
        self.lists(MarksAsked::Tagged(fold(tag))).await
    }

    /// All tags as they are written, with emails that have them; one tag may come several times.
    ///
    /// # Errors
    /// As [`Store::deleted`].
    pub async fn tags(&self) -> Result<Vec<(Arc<str>, Arc<[Position]>)>, StoreError> {
        let mut out = Vec::new();
        for told in self.marks(MarksAsked::Tags).await? {
            if let MarksTold::Named(named) = told {
                out.extend(named);
            }
        }
        Ok(out)
    }

    /// How many emails are under each hold.
    ///
    /// # Errors
    /// As [`Store::deleted`].
    pub async fn holds(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut out: BTreeMap<String, u64> = BTreeMap::new();
        for told in self.marks(MarksAsked::Holds).await? {
            if let MarksTold::Counts(counts) = told {
                for (name, count) in counts {
                    let sum = out.entry(name.as_ref().to_owned()).or_default();
                    *sum = sum.saturating_add(count);
                }
            }
        }
        Ok(out)
    }

    /// Some of the emails that are under a hold: at most `most` of each shard.
    ///
    /// # Errors
    /// As [`Store::deleted`].
    pub async fn under(&self, hold: &str, most: usize) -> Result<Vec<Id>, StoreError> {
        let mut out = Vec::new();
        for told in self.marks(MarksAsked::Under(hold.to_owned(), most)).await? {
            if let MarksTold::Ids(ids) = told {
                out.extend(ids);
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postlode_format::row::{access, to_bytes};

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_change_is_of_what_is_there() {
        let mark = Mark { tags: texts(&["Hot", "cold"]), revision: 3, ..Mark::default() };
        let change = |change: MarkChange| change.apply(&mark).ok().flatten();
        let add = MarkChange { add_tags: texts(&["hot", "new", "NEW"]), ..MarkChange::default() };
        let new = change(add.clone()).unwrap();
        assert_eq!((new.tags, new.revision), (texts(&["Hot", "cold", "new"]), 4));
        let remove = MarkChange { remove_tags: texts(&["HOT"]), revision: Some(3), ..MarkChange::default() };
        assert_eq!(change(remove).unwrap().tags, texts(&["cold"]));
        // What is so already is no change.
        assert!(change(MarkChange { add_tags: texts(&["HOT"]), ..MarkChange::default() }).is_none());
        assert!(matches!(MarkChange { revision: Some(2), ..add }.apply(&mark), Err(Refusal::Stale)));
        let note = MarkChange { note: Some("x".repeat(MAX_NOTE + 1)), ..MarkChange::default() };
        assert!(matches!(note.apply(&mark), Err(Refusal::TooMuch("bytes of a note", _))));
        let many = (0..MAX_TAGS).map(|n| n.to_string()).collect();
        let many = MarkChange { add_tags: many, ..MarkChange::default() };
        assert!(matches!(many.apply(&mark), Err(Refusal::TooMuch("tags", _))));
    }

    #[test]
    fn what_is_under_a_hold_is_not_deleted() {
        let mark = Mark { holds: texts(&["case 1"]), ..Mark::default() };
        let delete = MarkChange { delete: Some(true), ..MarkChange::default() };
        assert!(matches!(delete.apply(&mark), Err(Refusal::Held)));
        // Nor together with its release, or with a hold of its own.
        let both = MarkChange { remove_holds: texts(&["case 1"]), ..delete.clone() };
        assert!(matches!(both.apply(&mark), Err(Refusal::Held)));
        let both = MarkChange { add_holds: texts(&["case 2"]), ..delete.clone() };
        assert!(matches!(both.apply(&Mark::default()), Err(Refusal::Held)));
        assert!(delete.apply(&Mark::default()).is_ok_and(|new| new.unwrap().deleted));
    }

    #[test]
    fn the_largest_mark_is_within_its_bound() {
        let names = |n: usize| (0..n).map(|n| format!("{n:0>MAX_NAME$}")).collect();
        let mark = Mark {
            tags: names(MAX_TAGS),
            holds: names(MAX_HOLDS),
            note: "n".repeat(MAX_NOTE),
            ..Mark::default()
        };
        assert!(to_bytes(&mark).unwrap().len() < MAX_MARK);
    }

    #[test]
    fn marks_together_are_those_that_are_newest() {
        let mut table = MarkTable::default();
        let mut set = |seq: u64, id: u8, date: i64, tags: &[&str], deleted: bool| {
            let mark = Mark { tags: texts(tags), holds: texts(tags), deleted, date, ..Mark::default() };
            let bytes = to_bytes(&mark).unwrap();
            table.set(seq, [id; 16], access::<ArchivedMark>(&bytes).unwrap());
            let ids = |list: &[Position]| list.iter().map(|at| at.id[0]).collect::<Vec<_>>();
            let MarksTold::Named(named) = table.answer(&MarksAsked::Tags) else { panic!() };
            let MarksTold::Emails(deleted) = table.answer(&MarksAsked::Deleted) else { panic!() };
            let MarksTold::Counts(holds) = table.answer(&MarksAsked::Holds) else { panic!() };
            let mut tags: Vec<_> = named.iter().map(|(n, list)| (n.to_string(), ids(list))).collect();
            let mut counts: Vec<_> =
                holds.iter().map(|(n, count)| (n.to_string(), *count as usize)).collect();
            tags.sort_unstable();
            counts.sort_unstable();
            assert_eq!(tags.iter().map(|(n, list)| (n.clone(), list.len())).collect::<Vec<_>>(), counts);
            (tags, ids(&deleted[0]))
        };
        let tag = |name: &str, ids: &[u8]| (name.to_owned(), ids.to_vec());
        set(1, 1, 5, &["a", "b"], false);
        set(2, 2, 4, &["b"], false);
        assert_eq!(set(3, 3, 5, &["c"], true), (vec![tag("a", &[1]), tag("b", &[2, 1])], vec![3]));
        // What is older comes too late, whatever it says.
        assert_eq!(set(2, 3, 5, &["c"], false), (vec![tag("a", &[1]), tag("b", &[2, 1])], vec![3]));
        assert_eq!(set(4, 1, 5, &["b"], false).0, [tag("b", &[2, 1])]);
        // A number that is free is given to another name.
        assert_eq!(set(5, 2, 4, &["d"], false).0, [tag("b", &[1]), tag("d", &[2])]);
        // Another date, by which it comes elsewhere.
        assert_eq!(set(6, 2, 9, &["b", "d"], false).0, [tag("b", &[1, 2]), tag("d", &[2])]);
        assert_eq!(set(7, 3, 8, &["c"], true).1, [3]);
        assert_eq!(
            set(8, 3, 8, &["c"], false),
            (vec![tag("b", &[1, 2]), tag("c", &[3]), tag("d", &[2])], vec![])
        );
        assert_eq!(set(9, 1, 5, &[], false).0, [tag("b", &[2]), tag("c", &[3]), tag("d", &[2])]);
        // One that has a name twice gives it up once.
        set(10, 3, 8, &["e", "e"], false);
        set(11, 3, 8, &[], false);
        let after = set(12, 1, 5, &["x", "y"], false).0;
        assert_eq!(after, [tag("b", &[2]), tag("d", &[2]), tag("x", &[1]), tag("y", &[1])]);
    }

    #[test]
    fn a_list_is_made_anew_only_where_it_changed() {
        let mut table = MarkTable::default();
        let mut tag = |seq: u64, id: u8, tag: &str| {
            let bytes = to_bytes(&Mark { tags: texts(&[tag]), ..Mark::default() }).unwrap();
            table.set(seq, [id; 16], access::<ArchivedMark>(&bytes).unwrap());
            let tagged =
                |table: &mut MarkTable, tag: &str| match table.answer(&MarksAsked::Tagged(tag.into())) {
                    MarksTold::Emails(mut lists) => lists.remove(0),
                    _ => panic!(),
                };
            let MarksTold::Emails(deleted) = table.answer(&MarksAsked::Deleted) else { panic!() };
            (tagged(&mut table, "a"), deleted)
        };
        let (before, none) = tag(1, 1, "A");
        let (same, still) = tag(2, 2, "b");
        assert!(Arc::ptr_eq(&before, &same) && Arc::ptr_eq(&none[0], &still[0]));
        let (other, still) = tag(3, 3, "A");
        assert!(!Arc::ptr_eq(&before, &other) && Arc::ptr_eq(&none[0], &still[0]));
    }
}
