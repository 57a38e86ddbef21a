//! What is said about emails: changes beside a naive model, on all three runtimes.

use crate::common::machine::Machine;
use crate::common::*;
use futures_lite::future::zip;
use postlode_format::id::Id;
use postlode_format::index::fold;
use postlode_format::row::*;
use postlode_store::*;
use std::collections::{BTreeMap, BTreeSet};

const EMAILS: u64 = 60;
const TAGS: [&str; 4] = ["hot", "HOT", "to do", "Zürich"];

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % n
    }

    fn some(&mut self, from: &[&str]) -> Vec<String> {
        from.iter().filter(|_| self.below(4) == 0).map(|text| (*text).to_owned()).collect()
    }
}

/// What a change does, said once more.
fn naive(marks: &mut BTreeMap<Id, Mark>, change: &MarkChange) -> &'static str {
    let Some(mark) = marks.get_mut(&change.id) else { return "absent" };
    if mark.deleted && change.delete != Some(false) {
        return if change.delete == Some(true) && change.revision.is_none_or(|r| r == mark.revision) {
            "same"
        } else {
            "absent"
        };
    }
    if change.revision.is_some_and(|revision| revision != mark.revision) {
        return "stale";
    }
    let mut tags: BTreeMap<String, String> = mark.tags.iter().map(|t| (fold(t), t.clone())).collect();
    change.remove_tags.iter().for_each(|tag| drop(tags.remove(&fold(tag))));
    for tag in &change.add_tags {
        tags.entry(fold(tag)).or_insert_with(|| tag.clone());
    }
    let mut holds: BTreeSet<String> = mark.holds.iter().cloned().collect();
    holds.retain(|hold| !change.remove_holds.contains(hold));
    holds.extend(change.add_holds.iter().cloned());
    let delete = change.delete.unwrap_or(mark.deleted);
    if delete && !mark.deleted && (!holds.is_empty() || !mark.holds.is_empty()) {
        return "held";
    }
    let mut tags: Vec<String> = tags.into_values().collect();
    tags.sort_unstable();
    let note = change.note.clone().unwrap_or_else(|| mark.note.clone());
    let holds: Vec<String> = holds.into_iter().collect();
    if (&tags, &note, &holds, delete) == (&mark.tags, &mark.note, &mark.holds, mark.deleted) {
        return "same";
    }
    *mark = Mark { tags, note, holds, deleted: delete, revision: mark.revision + 1, date: mark.date };
    "done"
}

fn told(marked: &Marked) -> &'static str {
    match marked {
        Marked::Done(_) => "done",
        Marked::Same(_) => "same",
        Marked::Absent => "absent",
        Marked::Stale(_) => "stale",
        Marked::Held(_) => "held",
        Marked::TooMuch(..) => "too much",
        Marked::Missing(_) => "missing",
    }
}

fn random_change(random: &mut Random, marks: &BTreeMap<Id, Mark>) -> MarkChange {
    // One in sixty is not there.
    let id = email_id(random.below(EMAILS + 1));
    let revision = marks.get(&id).map_or(0, |mark| mark.revision);
    MarkChange {
        id,
        revision: (random.below(5) == 0).then(|| revision + u64::from(random.below(2) == 0)),
        add_tags: random.some(&TAGS),
        remove_tags: random.some(&TAGS),
        note: (random.below(6) == 0).then(|| ["", "read this"][random.below(2) as usize].to_owned()),
        add_holds: if random.below(8) == 0 { vec!["case".to_owned()] } else { vec![] },
        remove_holds: if random.below(4) == 0 { vec!["case".to_owned()] } else { vec![] },
        delete: match random.below(12) {
            0 => Some(true),
            1 | 2 => Some(false),
            _ => None,
        },
    }
}

/// The rows say what the model says, and so does what is kept of all of them.
async fn check_marks(store: &Store, marks: &BTreeMap<Id, Mark>, all_there: bool) {
    for (id, mark) in marks {
        let row = store.get(RowKind::Mark, id).await.unwrap();
        let Some(row) = row else {
            assert_eq!(mark.revision, 0);
            continue;
        };
        let row = access::<ArchivedMark>(&row).unwrap();
        let texts = |list: &[rkyv::string::ArchivedString]| -> Vec<String> {
            list.iter().map(|text| text.as_str().to_owned()).collect()
        };
        if all_there || !mark.deleted {
            assert_eq!(texts(&row.tags), mark.tags);
            assert_eq!((row.note.as_str(), texts(&row.holds)), (mark.note.as_str(), mark.holds.clone()));
        }
        assert_eq!((row.deleted, row.date.to_native()), (mark.deleted, mark.date));
    }
    let (mut deleted, mut tags) = (BTreeSet::new(), BTreeMap::new());
    for list in store.deleted().await.unwrap() {
        assert!(list.is_sorted());
        deleted.extend(list.iter().map(|at| (at.date, at.id)));
    }
    for (name, list) in store.tags().await.unwrap() {
        assert!(list.is_sorted() && !list.is_empty());
        for at in list.iter() {
            tags.entry((at.date, at.id)).or_insert_with(BTreeSet::new).insert(name.to_string());
        }
    }
    let mut holds: BTreeMap<String, u64> = BTreeMap::new();
    for hold in marks.values().filter(|mark| !mark.deleted).flat_map(|mark| &mark.holds) {
        *holds.entry(hold.clone()).or_default() += 1;
    }
    assert_eq!(store.holds().await.unwrap(), holds);
    let under: BTreeSet<Id> = store.under("case", usize::MAX).await.unwrap().into_iter().collect();
    assert_eq!(under.len() as u64, holds.get("case").copied().unwrap_or(0));
    let has =
        |tag: &str| marks.values().filter(|m| !m.deleted && m.tags.iter().any(|t| fold(t) == tag)).count();
    let hot = store.tagged("HOT").await.unwrap();
    assert_eq!(hot.iter().map(|list| list.len()).sum::<usize>(), has("hot"));
    let wanted = marks.iter().filter(|(_, mark)| mark.deleted).map(|(id, mark)| (mark.date, *id));
    assert_eq!(deleted, wanted.collect());
    let wanted = marks.iter().filter(|(_, mark)| !mark.deleted && !mark.tags.is_empty());
    let wanted = wanted.map(|(id, mark)| ((mark.date, *id), mark.tags.iter().cloned().collect()));
    assert_eq!(tags, wanted.collect::<BTreeMap<_, BTreeSet<String>>>());
}

#[test]
fn changes_come_to_what_a_naive_model_says() {
    Machine::each(|machine| {
        let mut random = Random(7);
        let mut marks: BTreeMap<Id, Mark> =
            (0..EMAILS).map(|n| (email_id(n), Mark { date: date(n), ..Mark::default() })).collect();
        let mut store = machine.open(options(3, Access::Write)).unwrap();
        machine.wait(store.load(batch(0..EMAILS))).unwrap();
        for round in 0..40 {
            let changes: Vec<MarkChange> =
                (0..1 + random.below(90)).map(|_| random_change(&mut random, &marks)).collect();
            let wanted: Vec<&str> = changes.iter().map(|change| naive(&mut marks, change)).collect();
            // Nothing else writes, so a call's changes are made in their order, one email's at least.
            let answers = machine.wait(store.mark(changes)).unwrap();
            assert_eq!(answers.iter().map(told).collect::<Vec<_>>(), wanted);
            if round % 3 == 0 {
                machine.wait(check_marks(&store, &marks, true));
            }
            match round % 8 {
                3 => machine.wait(store.seal()).unwrap(),
                7 => {
                    machine.wait(store.close()).unwrap();
                    store = machine.open(options(1 + round % 4, Access::Write)).unwrap();
                }
                _ => {}
            }
        }
        machine.wait(check_marks(&store, &marks, true));
        let follower = machine.open(options(2, Access::Follow)).unwrap();
        machine.wait(check_marks(&follower, &marks, true));
        assert!(matches!(machine.wait(follower.mark(vec![])), Err(StoreError::ReadOnly)));
        // What is deleted is taken out; that it was, and is not to be stored again, stays.
        machine.wait(store.compact()).unwrap();
        for mark in marks.values_mut().filter(|mark| mark.deleted) {
            *mark = Mark { deleted: true, date: mark.date, ..Mark::default() };
        }
        machine.wait(check_marks(&store, &marks, false));
        let gone: Vec<Id> = marks.iter().filter(|(_, mark)| mark.deleted).map(|(id, _)| *id).collect();
        assert!(gone.len() > 3);
        let restore = |id: &Id| MarkChange { id: *id, delete: Some(false), ..MarkChange::default() };
        let answers = machine.wait(store.mark(gone.iter().map(restore).collect())).unwrap();
        assert!(answers.iter().all(|marked| *marked == Marked::Absent), "{answers:?}");
        machine.wait(store.close()).unwrap();
        machine.wait(follower.close()).unwrap();
    });
}

/// Whoever reads a mark, changes it and puts it back loses what another one changed meanwhile.
#[test]
fn of_changes_at_the_same_time_none_is_lost() {
    Machine::each(|machine| {
        let store = machine.open(options(1, Access::Write)).unwrap();
        machine.wait(store.load(batch(0..2))).unwrap();
        let tag = |n: usize| MarkChange {
            id: email_id(0),
            add_tags: vec![format!("t{n:03}")],
            ..MarkChange::default()
        };
        let hold = MarkChange { id: email_id(1), add_holds: vec!["case".into()], ..MarkChange::default() };
        let delete = MarkChange { id: email_id(1), delete: Some(true), ..MarkChange::default() };
        machine.wait(async {
            for n in (0..100).step_by(2) {
                let both = zip(store.mark(vec![tag(n)]), store.mark(vec![tag(n + 1)])).await;
                assert!(both.0.is_ok() && both.1.is_ok());
            }
            // In one group, or in two: one of the two is refused.
            let (hold, delete) = zip(store.mark(vec![hold]), store.mark(vec![delete])).await;
            let (hold, delete) = (told(&hold.unwrap()[0]), told(&delete.unwrap()[0]));
            assert!(matches!((hold, delete), ("done", "held") | ("absent", "done")), "{hold} {delete}");
            let row = store.get(RowKind::Mark, &email_id(0)).await.unwrap().unwrap();
            let row = access::<ArchivedMark>(&row).unwrap();
            assert_eq!((row.tags.len(), row.revision.to_native()), (100, 100));
        });
        machine.wait(store.close()).unwrap();
    });
}

/// Marks were read page by page, and of a page those of other shards were left out: where a segment spans shards, and the
/// first page was full of theirs, all that came behind was taken not to be there, and deleted mail was shown again.
#[test]
fn marks_of_segments_that_span_shards_are_all_read() {
    Machine::each(|machine| {
        let all: Vec<u64> = (0..9_500).collect();
        let store = machine.open(options(1, Access::Write)).unwrap();
        for chunk in all.chunks(500) {
            machine.wait(store.load(batch(chunk.iter().copied()))).unwrap();
            let delete =
                |n: &u64| MarkChange { id: email_id(*n), delete: Some(true), ..MarkChange::default() };
            machine.wait(store.mark(chunk.iter().map(delete).collect())).unwrap();
        }
        machine.wait(store.seal()).unwrap();
        drop(store);
        for (shards, access) in [(2, Access::Snapshot), (3, Access::Snapshot), (5, Access::Write)] {
            let store = machine.open(options(shards, access)).unwrap();
            let deleted = machine.wait(store.deleted()).unwrap();
            assert_eq!(deleted.iter().map(|list| list.len()).sum::<usize>(), all.len(), "{shards} shards");
            let (rows, _) = machine.wait(store.rows(RowKind::Mark, &[], None, 10_000)).unwrap();
            assert_eq!(rows.len(), all.len());
            machine.wait(store.close()).unwrap();
        }
    });
}

/// What is asked while marks are read, and while some come, is answered with all that was acknowledged before.
#[test]
fn marks_that_come_while_they_are_read_are_among_them() {
    Machine::each(|machine| {
        let store = machine.open(options(2, Access::Write)).unwrap();
        for from in (0..2_000).step_by(500) {
            machine.wait(store.load(batch(from..from + 500))).unwrap();
        }
        let tag = |n: u64, tag: &str| MarkChange {
            id: email_id(n),
            add_tags: vec![tag.to_owned()],
            ..MarkChange::default()
        };
        machine.wait(store.mark((0..1_000).map(|n| tag(n, "a")).collect())).unwrap();
        machine.wait(store.seal()).unwrap();
        let count = |lists: Vec<std::sync::Arc<[postlode_format::index::Position]>>| -> usize {
            lists.iter().map(|list| list.len()).sum()
        };
        let (mut store, mut next) = (store, 1_000u64);
        for round in 0..6u64 {
            // Nobody has asked this store yet.
            machine.wait(store.close()).unwrap();
            store = machine.open(options(1 + round as usize % 3, Access::Write)).unwrap();
            machine.wait(async {
                let marking = async {
                    for n in next..next + 50 {
                        assert_eq!(told(&store.mark(vec![tag(n, "a")]).await.unwrap()[0]), "done");
                    }
                };
                // Some are acknowledged before it is asked, some while marks are read, some after.
                let asking = async {
                    store.mark(vec![tag(next + 50, "a")]).await.unwrap();
                    let asked = count(store.tagged("a").await.unwrap()) as u64;
                    assert!((next + 1..=next + 51).contains(&asked), "{asked} of {next}");
                };
                zip(marking, asking).await;
                next += 51;
                assert_eq!(count(store.tagged("A").await.unwrap()) as u64, next, "round {round}");
            });
        }
        let next = next;
        let follower = machine.open(options(3, Access::Follow)).unwrap();
        for round in 0..6u64 {
            let from = next + round * 100;
            machine.wait(async {
                let changes = (from..from + 100).map(|n| tag(n, "a")).collect();
                let (marked, asked) = zip(store.mark(changes), follower.tagged("a")).await;
                assert!(marked.is_ok() && count(asked.unwrap()) as u64 <= from + 100);
            });
            if round % 2 == 0 {
                machine.wait(store.seal()).unwrap();
            }
        }
        for _ in 0..100 {
            machine.pause(std::time::Duration::from_millis(500));
            if count(machine.wait(follower.tagged("a")).unwrap()) as u64 == next + 600 {
                machine.wait(store.close()).unwrap();
                machine.wait(follower.close()).unwrap();
                return;
            }
        }
        panic!("the follower has {}", count(machine.wait(follower.tagged("a")).unwrap()));
    });
}
