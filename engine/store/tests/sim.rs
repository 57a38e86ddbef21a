//! The store on a simulated machine: random work, faults, crashes, and a model that remembers what was
//! acknowledged. `SEEDS=n` runs n seeds of each campaign (default 2,000 and 400), `SEED=n` one of them again.
//!
//! What must hold after each opening: what was acknowledged is there, whole and right; what was not acknowledged is there
//! as a whole or not at all; what was deleted does not come back, and what is held does not go. Where the medium turns
//! bits and puts pages elsewhere, what is not there is named, and what is there is right.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod common;

use common::*;
use postlode_format::row::*;
use postlode_runtime::Runtime;
use postlode_runtime::sim::{Sim, SimCounts, SimOptions};
use postlode_store::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): the test's own choices, apart from the machine's.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What the test knows.
#[derive(Default)]
struct Model {
    /// Acknowledged emails.
    there: BTreeSet<u64>,
    /// Emails whose batch failed or was cut off.
    maybe: BTreeSet<u64>,
    /// Merges that the store did, by itself or because it was asked.
    merges: u64,
    /// Acknowledged revision of each mark, and the highest that was tried.
    marks: BTreeMap<u64, (u64, u64)>,
    /// Emails that somebody tried to delete: a compaction may have taken them out, even if they were restored after.
    doomed: BTreeSet<u64>,
}

/// The mark of an email by its revision. Some are deleted now and then, some deleted under a hold, most only tagged.
fn said(n: u64, revision: u64) -> Mark {
    let deleted = n % 5 < 2 && revision % 3 == 2;
    let holds = if n % 5 == 1 { vec!["case".to_owned()] } else { vec![] };
    Mark { tags: vec![format!("t{revision}")], revision, date: date(n), deleted, holds, ..Mark::default() }
}

fn doomed(n: u64, revision: u64) -> bool {
    let mark = said(n, revision);
    mark.deleted && mark.holds.is_empty()
}

fn chunk(n: u32) -> Row {
    let value = format!("chunk {n} of an attachment; ").repeat(20 + n as usize % 60).into_bytes();
    Row { kind: RowKind::BlobChunk, key: blob_key(&[n as u8; 32], n).into(), value: value.into() }
}

/// Emails from here on have an attachment, which two of them share.
const PLAIN: u64 = 400;
const EMAILS: u64 = 520;

/// The number of an email's attachment.
fn attached(n: u64) -> Option<u32> {
    (n >= PLAIN).then(|| u32::try_from(n % 60).unwrap())
}

/// An email as it is loaded, with its attachment if it has one.
fn mail(n: u64) -> LoadBatch {
    let mut new = new_email(n, "/Inbox");
    if let Some(number) = attached(n) {
        let attachment = Attachment {
            n: 0,
            name: "a.txt".into(),
            mime: "text/plain".into(),
            content_id: String::new(),
            inline: false,
            kind: AttachmentKind::Data,
            size: chunk(number).value.len() as u64,
            sha256: [number as u8; 32],
            child: None,
        };
        let email = Email { attachments: vec![attachment], ..email(n) };
        new.email = to_bytes(&email).unwrap();
    }
    LoadBatch { emails: vec![new], ..LoadBatch::default() }
}

/// Loads an email with an attachment as a loader does: what is there already is not stored again.
async fn load_attached(store: &Store, n: u64) -> Result<Vec<Outcome>, StoreError> {
    let _loading = store.loading();
    if let Some(number) = attached(n)
        && !store.has_attachment(&[number as u8; 32], number).await?
    {
        store.put(vec![chunk(number)]).await?;
    }
    store.load(mail(n)).await
}

impl Model {
    /// These were acknowledged, those that were deleted before they ever came as such.
    fn keep(&mut self, numbers: &[u64], outcomes: &[Outcome]) {
        for (n, outcome) in numbers.iter().zip(outcomes) {
            if *outcome != Outcome::Deleted && !self.doomed.contains(n) {
                self.there.insert(*n);
            }
        }
    }
}

fn small(shards: usize) -> StoreOptions {
    let mut options = options(shards, Access::Write);
    options.memtable_bytes = 24 << 10;
    options.log_file_bytes = 256 << 10;
    // Merges come by themselves, beside all the rest.
    options.fan_in = 3;
    options
}

/// Embeds some mails of some segment with one of two models.
async fn embed_some(store: &Store, random: &mut Random) -> Result<(), StoreError> {
    let model = ["m", "mm"][random.below(2) as usize];
    let segments = store.coverage(model).await?.segments;
    if segments.is_empty() {
        return Ok(());
    }
    let one = segments[random.below(segments.len() as u64) as usize];
    let every = 1 + random.below(3);
    match embed(store, one.segment, model, |n| u64::from(n) % every == 0).await {
        // A read that fails is no reason to stop; it tells what could not be read.
        Ok(_) | Err(StoreError::Missing(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Does random work until something fails or the round is over.
async fn work(store: &Store, random: &mut Random, model: &mut Model, lawful: bool) -> Result<(), StoreError> {
    for _ in 0..12 + random.below(20) {
        match random.below(14) {
            0 => store.seal().await?,
            12 => embed_some(store, random).await?,
            13 if random.below(4) == 0 => store.activate(["", "m", "mm"][random.below(3) as usize]).await?,
            1 => {
                // Merging beside loading: a segment that is sealed meanwhile must not be taken for a merged one.
                let from = random.below(PLAIN);
                let some: Vec<u64> = (0..60).map(|i| (from + i) % PLAIN).collect();
                let with = PLAIN + random.below(EMAILS - PLAIN);
                model.maybe.extend(some.iter().chain([&with]));
                let load = async {
                    let mut outcomes = Vec::new();
                    for part in some.chunks(6) {
                        outcomes.extend(store.load(batch(part.iter().copied())).await?);
                    }
                    outcomes.extend(load_attached(store, with).await?);
                    Ok(outcomes)
                };
                let (merged, loaded): (_, Result<Vec<Outcome>, StoreError>) =
                    futures_lite::future::zip(store.compact(), load).await;
                if let Ok(outcomes) = &loaded {
                    model.keep(&[some, vec![with]].concat(), outcomes);
                }
                merged?;
                loaded?;
            }
            2 | 3 => {
                let n = random.below(EMAILS);
                let entry = model.marks.entry(n).or_default();
                let revision = entry.1 + 1;
                entry.1 = revision;
                if doomed(n, revision) {
                    model.doomed.insert(n);
                    model.there.remove(&n);
                }
                let new = said(n, revision);
                store.put(vec![mark(n, &new)]).await?;
                entry.0 = revision;
                if new.deleted {
                    // What was deleted does not come back with its archive, unless damage hides that it was.
                    let again = load_attached(store, n).await?;
                    assert!(again == [Outcome::Deleted] || !lawful, "{n}: {again:?}");
                }
            }
            5 => {
                let n = PLAIN + random.below(EMAILS - PLAIN);
                model.maybe.insert(n);
                let outcomes = load_attached(store, n).await?;
                model.keep(&[n], &outcomes);
            }
            4 => {
                let some: Vec<u64> = model.there.iter().copied().filter(|_| random.below(4) == 0).collect();
                // A read may fail just now; what it may not do is to find nothing.
                check_some(store, &some, true).await;
            }
            _ => {
                // Two callers at once, with emails in common.
                let mut draw = || -> Vec<u64> {
                    let from = random.below(PLAIN);
                    (0..1 + random.below(12)).map(|i| (from + i * 3) % PLAIN).collect()
                };
                let (a, b) = (draw(), draw());
                model.maybe.extend(a.iter().chain(&b));
                let both = futures_lite::future::zip(
                    store.load(batch(a.iter().copied())),
                    store.load(batch(b.iter().copied())),
                );
                let (one, two) = both.await;
                for (numbers, outcomes) in [(&a, &one), (&b, &two)] {
                    if let Ok(outcomes) = outcomes {
                        model.keep(numbers, outcomes);
                    }
                }
                one.and(two)?;
            }
        }
    }
    Ok(())
}

/// These emails are there and right. Where `faulty`, they may be named as missing instead, never just not be there.
async fn check_some(store: &Store, numbers: &[u64], faulty: bool) {
    let ids: Vec<_> = numbers.iter().map(|n| email_id(*n)).collect();
    let (emails, bodies) = (store.emails(&ids).await, store.bodies(&ids).await);
    for ((n, email), body) in numbers.iter().zip(emails.unwrap()).zip(bodies.unwrap()) {
        match email {
            Ok(Some(found)) => {
                assert_eq!(access::<ArchivedEmail>(&found.email).unwrap().subject.as_str(), subject(*n));
                assert!(!found.places.is_empty());
            }
            Ok(None) => panic!("email {n} was acknowledged and is not there"),
            Err(missing) => assert!(faulty, "email {n}: {missing}"),
        }
        match body {
            Ok(Some(body)) => assert_eq!(access::<ArchivedBody>(&body).unwrap().text(), text(*n)),
            Ok(None) => panic!("body {n} was acknowledged and is not there"),
            Err(missing) => assert!(faulty, "body {n}: {missing}"),
        }
    }
}

/// All that was acknowledged is there; what is there beyond that was at least tried, and is whole.
async fn check_all(store: &Store, model: &mut Model) {
    let there: Vec<u64> = model.there.iter().copied().collect();
    check_some(store, &there, false).await;
    let all: Vec<_> = (0..EMAILS).map(email_id).collect();
    let found = store.emails(&all).await.unwrap();
    let mut now = Vec::new();
    for (n, email) in (0..EMAILS).zip(found) {
        if email.unwrap().is_some() {
            assert!(model.maybe.contains(&n), "email {n} was never stored");
            now.push(n);
        }
    }
    // Bodies, places, indexes: all agree on which emails there are.
    check(store, &now).await;
    model.there = now.into_iter().filter(|n| !model.doomed.contains(n)).collect();
    // Whatever was taken out: what a mail has is there.
    for (n, number) in model.there.iter().filter_map(|n| Some((n, attached(*n)?))) {
        let row = chunk(number);
        assert_eq!(store.get(row.kind, &row.key).await.unwrap(), Some(row.value), "attachment of {n}");
    }
    for (n, (acknowledged, tried)) in &mut model.marks {
        let value = store.get(RowKind::Mark, &email_id(*n)).await.unwrap();
        let revision = value.as_ref().map_or(0, |v| access::<ArchivedMark>(v).unwrap().revision.to_native());
        assert!(
            (*acknowledged..=*tried).contains(&revision),
            "mark {n}: {revision} not in {acknowledged}..={tried}"
        );
        if let Some(value) = value {
            let now = access::<ArchivedMark>(&value).unwrap();
            assert_eq!(now.deleted, said(*n, revision).deleted, "mark {n}");
        }
        *acknowledged = revision;
    }
    assert_eq!(store.verify().await.unwrap().damage, []);
    // However often sealing failed, it was not for the text: no segment may be without.
    assert_eq!(store.text_sources(HashMap::new()).await.unwrap().missing, []);
}

fn faults(random: &mut Random) -> SimOptions {
    let mut options = SimOptions::default();
    match random.below(5) {
        0 => options.write_error = 0.01,
        1 => options.sync_error = 0.02,
        2 => options.full = 0.02,
        3 => options.read_error = 0.002,
        _ => {}
    }
    options
}

fn add(sum: &mut SimCounts, one: SimCounts) {
    sum.operations += one.operations;
    sum.read_errors += one.read_errors;
    sum.write_errors += one.write_errors;
    sum.sync_errors += one.sync_errors;
    sum.full += one.full;
    sum.crashes += one.crashes;
    sum.lost_pages += one.lost_pages;
    sum.torn_pages += one.torn_pages;
    sum.lost_names += one.lost_names;
    sum.bit_rot += one.bit_rot;
    sum.misdirected_writes += one.misdirected_writes;
    sum.stale_writes += one.stale_writes;
}

fn run(seed: u64) -> (SimCounts, u64) {
    let mut random = Random(seed);
    let sim = Sim::new(seed, SimOptions::default());
    let mut model = Model::default();
    for _ in 0..2 + random.below(4) {
        sim.set_options(SimOptions::default());
        let shards = 1 + random.below(4) as usize;
        let store = sim.run(Store::open(sim.spawner(), small(shards))).unwrap();
        sim.run(check_all(&store, &mut model));
        sim.set_options(faults(&mut random));
        // Half of the rounds end in the middle of something.
        let runtime = sim.runtime();
        let time = if random.below(2) == 0 { 500 + random.below(40_000) } else { 3_600_000_000 };
        let cut = async move {
            runtime.sleep(Duration::from_micros(time)).await;
            Err(StoreError::Closed)
        };
        let faulty =
            sim.run(futures_lite::future::or(work(&store, &mut random, &mut model, true), cut)).is_err();
        sim.set_options(SimOptions::default());
        if random.below(4) == 0 {
            model.merges += sim.run(store.stats()).map_or(0, |stats| stats.compaction.merges);
        }
        match random.below(4) {
            0 => sim.crash(),
            1 => sim.kill(),
            2 => drop(store),
            _ => {
                let closed = sim.run(store.close());
                assert!(closed.is_ok() || faulty, "{closed:?}");
            }
        }
        // Whoever is left over from a dropped handle must not be there when the next writer comes.
        sim.kill();
    }
    sim.set_options(SimOptions::default());
    let store = sim.run(Store::open(sim.spawner(), small(2))).unwrap();
    sim.run(check_all(&store, &mut model));
    sim.run(store.close()).unwrap();
    (sim.counts(), model.merges)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Campaigns are cut into parts, so that they run beside each other.
const PARTS: u64 = 8;

/// Runs every [`PARTS`]th seed from `part` on.
fn campaign(name: &str, part: u64, seeds: u64, run: fn(u64) -> (SimCounts, u64)) -> (SimCounts, u64) {
    if let Some(seed) = number("SEED") {
        return if part == 0 { run(seed) } else { Default::default() };
    }
    let seeds = number("SEEDS").unwrap_or(seeds);
    let (mut sum, mut merges) = (SimCounts::default(), 0);
    for seed in (part..seeds).step_by(PARTS as usize) {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok((counts, merged)) => {
                add(&mut sum, counts);
                merges += merged;
            }
            Err(_) => panic!(
                "seed {seed} failed: SEED={seed} cargo test -p postlode-store --test sim {name}_0 replays it"
            ),
        }
    }
    println!("{name}, part {part} of {seeds} seeds: {merges} merges, {sum:?}");
    (sum, merges)
}

fn lawful(part: u64) {
    let (sum, merges) = campaign("lawful", part, 2_000, run);
    if number("SEED").is_some() || number("SEEDS").is_some_and(|seeds| seeds < 400) {
        return;
    }
    let fired = [sum.read_errors, sum.write_errors, sum.sync_errors, sum.full, sum.crashes];
    assert!(fired.iter().all(|n| *n > 0), "every kind of fault must have fired: {sum:?}");
    assert!(sum.lost_pages > 0 && sum.lost_names > 0, "crashes must have taken something: {sum:?}");
    assert!(sum.torn_pages > 0 && merges > 100, "{merges} merges, {sum:?}");
}

/// Random work with faults and crashes on a disk that keeps the law: nothing acknowledged is lost.
#[test]
fn lawful_0() {
    lawful(0);
}

#[test]
fn lawful_1() {
    lawful(1);
}

#[test]
fn lawful_2() {
    lawful(2);
}

#[test]
fn lawful_3() {
    lawful(3);
}

#[test]
fn lawful_4() {
    lawful(4);
}

#[test]
fn lawful_5() {
    lawful(5);
}

#[test]
fn lawful_6() {
    lawful(6);
}

#[test]
fn lawful_7() {
    lawful(7);
}

fn lying(part: u64) {
    let (sum, _) = campaign("lying", part, 400, run_lying);
    if number("SEED").is_some() || number("SEEDS").is_some_and(|seeds| seeds < 400) {
        return;
    }
    let fired = [sum.bit_rot, sum.misdirected_writes, sum.stale_writes];
    assert!(fired.iter().all(|n| *n > 0), "every kind of fault must have fired: {sum:?}");
}

/// Random work on a disk that turns bits, puts pages elsewhere, and does not keep what it took: whatever is given is
/// right, and what is not given is named.
#[test]
fn lying_0() {
    lying(0);
}

#[test]
fn lying_1() {
    lying(1);
}

#[test]
fn lying_2() {
    lying(2);
}

#[test]
fn lying_3() {
    lying(3);
}

#[test]
fn lying_4() {
    lying(4);
}

#[test]
fn lying_5() {
    lying(5);
}

#[test]
fn lying_6() {
    lying(6);
}

#[test]
fn lying_7() {
    lying(7);
}

/// What is there of these is right; how many are neither there nor named in their place.
async fn look(store: &Store, numbers: &BTreeSet<u64>) -> usize {
    let numbers: Vec<u64> = numbers.iter().copied().collect();
    let ids: Vec<_> = numbers.iter().map(|n| email_id(*n)).collect();
    let (emails, bodies) = (store.emails(&ids).await, store.bodies(&ids).await);
    let (Ok(emails), Ok(bodies)) = (emails, bodies) else { return 0 };
    let mut silent = 0;
    for ((n, email), body) in numbers.iter().zip(emails).zip(bodies) {
        match email {
            Ok(Some(found)) => {
                assert_eq!(access::<ArchivedEmail>(&found.email).unwrap().subject.as_str(), subject(*n));
            }
            Ok(None) => silent += 1,
            Err(_) => {}
        }
        if let Ok(Some(body)) = body {
            assert_eq!(access::<ArchivedBody>(&body).unwrap().text(), text(*n));
        }
    }
    silent
}

fn run_lying(seed: u64) -> (SimCounts, u64) {
    let mut random = Random(seed);
    let sim = Sim::new(seed, SimOptions::default());
    let mut model = Model::default();
    for _ in 0..2 + random.below(3) {
        let options = match random.below(3) {
            0 => SimOptions { bit_rot: 0.000_5, ..SimOptions::default() },
            1 => SimOptions { misdirected_write: 0.004, ..SimOptions::default() },
            _ => SimOptions { stale_write: 0.004, ..SimOptions::default() },
        };
        sim.set_options(options);
        // A store whose manifest is damaged does not open, and says so: there is nothing more to be seen then.
        let Ok(store) = sim.run(Store::open(sim.spawner(), small(1 + random.below(3) as usize))) else {
            break;
        };
        // Errors are what a lying disk leads to; a panic or a wrong answer is not.
        let _worked = sim.run(work(&store, &mut random, &mut model, false));
        // Of the last frame only a later one can tell that it was acknowledged; that one comes after a moment.
        let runtime = sim.runtime();
        sim.run(async move { runtime.sleep(Duration::from_secs(1)).await });
        sim.set_options(SimOptions::default());
        match random.below(3) {
            0 => sim.crash(),
            1 => drop(store),
            _ => drop(sim.run(store.close())),
        }
        sim.kill();
        let Ok(store) = sim.run(Store::open(sim.spawner(), small(2))) else { break };
        let silent = sim.run(look(&store, &model.there));
        if silent > 0 {
            let stats = sim.run(store.stats()).unwrap();
            let damage = sim.run(store.verify()).unwrap().damage;
            let named = stats.lost.len() + stats.missing.len() + damage.len();
            assert!(named > 0, "{silent} emails are gone without a word");
            // What is gone is not looked for again: what named it may be merged and forgotten by then.
            let now = sim.run(async {
                let all: Vec<u64> = model.there.iter().copied().collect();
                let ids: Vec<_> = all.iter().map(|n| email_id(*n)).collect();
                let found = store.emails(&ids).await.unwrap();
                all.into_iter()
                    .zip(found)
                    .filter(|(_, one)| matches!(one, Ok(Some(_))))
                    .map(|(n, _)| n)
                    .collect()
            });
            model.there = now;
        }
        drop(sim.run(store.close()));
        sim.kill();
    }
    (sim.counts(), 0)
}

/// What a segment was made from is given up on the word of its file. A disk that reports a write as done and does not
/// keep it would have taken a memtable's log, or the sources of a merge, with it.
#[test]
fn a_segment_that_the_disk_did_not_keep_is_never_relied_on() {
    let mut stale = 0;
    let mut rewritten = 0;
    for seed in 0..40 {
        let sim = Sim::new(seed, SimOptions::default());
        let lying = SimOptions { stale_write: 0.06, ..SimOptions::default() };
        let all: Vec<u64> = (0..60).collect();
        let store = sim.run(Store::open(sim.spawner(), small(1))).unwrap();
        for part in all.chunks(20) {
            sim.run(store.load(batch(part.iter().copied()))).unwrap();
            sim.set_options(lying.clone());
            // It may give up for the moment, and say so.
            rewritten += u64::from(sim.run(store.seal()).is_err());
            sim.set_options(SimOptions::default());
            sim.run(store.seal()).unwrap();
        }
        sim.set_options(lying);
        rewritten += u64::from(sim.run(store.compact()).is_err());
        sim.set_options(SimOptions::default());
        sim.run(store.compact()).unwrap();
        sim.run(check(&store, &all));
        assert_eq!(sim.run(store.verify()).unwrap().damage, [], "seed {seed}");
        stale += sim.counts().stale_writes;
        drop(store);
        sim.crash();
        let store = sim.run(Store::open(sim.spawner(), small(1))).unwrap();
        sim.run(check(&store, &all));
        sim.run(store.close()).unwrap();
    }
    assert!(stale > 100 && rewritten > 5, "{stale} stale writes, {rewritten} failed steps");
}

/// A load found an attachment, and a compaction took it out before the mail that has it was there.
#[test]
fn a_load_beside_a_sweep_keeps_its_attachment() {
    let (mut swept, mut spared) = (0u64, 0u64);
    for seed in 0..1500 {
        let sim = Sim::new(seed, SimOptions::default());
        let store = sim.run(Store::open(sim.spawner(), small(1 + seed as usize % 2))).unwrap();
        let mut random = Random(seed);
        // They share an attachment.
        let (first, second) = (PLAIN, PLAIN + 60);
        sim.run(async {
            load_attached(&store, first).await.unwrap();
            let gone = Mark { deleted: true, revision: 1, ..Mark::default() };
            store.put(vec![mark(first, &gone)]).await.unwrap();
            let wait = 1 << random.below(14);
            let wait = random.below(wait);
            let load = async {
                for _ in 0..wait {
                    store.get(RowKind::Mark, &email_id(first)).await.unwrap();
                }
                load_attached(&store, second).await.unwrap();
            };
            let (compacted, ()) = futures_lite::future::zip(store.compact(), load).await;
            match compacted.unwrap() {
                Swept::Done(1) => swept += 1,
                _ => spared += 1,
            }
            let row = chunk(attached(second).unwrap());
            let found = store.get(row.kind, &row.key).await.unwrap();
            assert_eq!(found, Some(row.value), "seed {seed}, after {wait} reads");
            store.close().await.unwrap();
        });
    }
    assert!(swept > 20 && spared > 20, "{swept} were taken out, {spared} not");
}

/// A failed sync stopped a shard until the store was opened again. It goes on by itself, and what it acknowledged before
/// and after is there, whatever became of the frame that failed.
#[test]
fn after_a_failed_sync_the_log_goes_on_by_itself() {
    let (mut failed, mut healed) = (0u64, 0u64);
    for seed in 0..25 {
        let sim = Sim::new(seed, SimOptions::default());
        let mut random = Random(seed);
        let mut model = Model::default();
        for _ in 0..3 {
            sim.set_options(SimOptions::default());
            let store = sim.run(Store::open(sim.spawner(), small(1 + seed as usize % 3))).unwrap();
            sim.run(check_all(&store, &mut model));
            for _ in 0..4 {
                let write_error = if random.below(2) == 0 { 0.03 } else { 0.0 };
                sim.set_options(SimOptions { sync_error: 0.05, write_error, ..SimOptions::default() });
                let mut broken = false;
                for _ in 0..40 {
                    let from = random.below(PLAIN);
                    let some: Vec<u64> = (0..1 + random.below(6)).map(|i| (from + i) % PLAIN).collect();
                    model.maybe.extend(&some);
                    match sim.run(store.load(batch(some.iter().copied()))) {
                        Ok(outcomes) => model.keep(&some, &outcomes),
                        Err(_) => broken = true,
                    }
                }
                failed += u64::from(broken);
                sim.set_options(SimOptions::default());
                let runtime = sim.runtime();
                sim.run(async move { runtime.sleep(Duration::from_secs(3)).await });
                let some: Vec<u64> = (0..20).collect();
                model.maybe.extend(&some);
                match sim.run(store.load(batch(some.iter().copied()))) {
                    Ok(outcomes) => {
                        healed += u64::from(broken);
                        model.keep(&some, &outcomes);
                    }
                    // Whether a manifest is durable is not known then: only opening tells.
                    Err(error) => assert!(error.to_string().contains("manifest"), "seed {seed}: {error}"),
                }
                sim.run(check_some(&store, &model.there.iter().copied().collect::<Vec<_>>(), false));
            }
            match random.below(3) {
                0 => sim.crash(),
                1 => sim.kill(),
                _ => drop(sim.run(store.close())),
            }
            sim.kill();
        }
        sim.set_options(SimOptions::default());
        let store = sim.run(Store::open(sim.spawner(), small(2))).unwrap();
        sim.run(check_all(&store, &mut model));
        sim.run(store.close()).unwrap();
    }
    assert!(failed > 40 && healed > failed / 2, "{healed} of {failed} healed");
}
