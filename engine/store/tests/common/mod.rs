//! Emails to store, and a text builder that the store's tests can look into.
#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod machine;

use bytes::Bytes;
use postlode_format::column::*;
use postlode_format::id::{Field, Id, IdBuilder};
use postlode_format::index::{POSITION, Position};
use postlode_format::near::Signature;
use postlode_format::row::*;
use postlode_format::segment::VectorPart;
use postlode_store::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

/// Builds a text section that is the subjects, one a line.
pub struct Subjects;

impl TextBuilder for Subjects {
    fn build(&self, next: &mut dyn FnMut() -> Option<TextDoc>, out: &mut dyn Write) -> Result<(), String> {
        while let Some(doc) = next() {
            let email = access::<ArchivedEmail>(&doc.email).map_err(|e| e.to_string())?;
            access::<ArchivedBody>(&doc.body).map_err(|e| e.to_string())?;
            writeln!(out, "{}", email.subject).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn merge(&self, sources: &[MergedText], docs: u32, out: &mut dyn Write) -> Result<(), String> {
        let mut all = vec![String::new(); docs as usize];
        for source in sources {
            let len = usize::try_from(source.text.len()).map_err(|e| e.to_string())?;
            let lines = source.text.read(0, len).map_err(|e| e.to_string())?;
            let lines = String::from_utf8(lines.to_vec()).map_err(|e| e.to_string())?;
            for (line, to) in lines.lines().zip(&source.to).filter(|(_, to)| **to != NOWHERE) {
                line.clone_into(&mut all[*to as usize]);
            }
        }
        all.iter().try_for_each(|line| writeln!(out, "{line}").map_err(|e| e.to_string()))
    }
}

/// Makes vectors that are the lengths of the subjects, in four bytes each.
pub struct Lengths;

fn lengths(all: &[u32]) -> NewVectors {
    let bytes = all.iter().flat_map(|length| length.to_le_bytes()).collect();
    let parts =
        [(VectorPart::Head, (b"lengths".to_vec(), 1)), (VectorPart::Values, (bytes, all.len() as u64))];
    NewVectors { parts: parts.into() }
}

/// What [`lengths`] wrote.
fn lengths_of(parts: &VectorParts) -> Result<Vec<u32>, Missing> {
    let section = &parts[&VectorPart::Values];
    let bytes = section.read(0, section.len() as usize)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|length| u32::from_le_bytes(*length)).collect())
}

impl VectorBuilder for Lengths {
    fn build(&self, next: &mut dyn FnMut() -> Option<TextDoc>) -> Result<NewVectors, String> {
        let mut all = Vec::new();
        while let Some(doc) = next() {
            let email = access::<ArchivedEmail>(&doc.email).map_err(|e| e.to_string())?;
            all.push(email.subject.len() as u32);
        }
        Ok(lengths(&all))
    }

    fn merge(&self, sources: &[MergedVectors]) -> Result<NewVectors, String> {
        let mut all = BTreeMap::new();
        for source in sources {
            let old = lengths_of(&source.parts).map_err(|missing| missing.to_string())?;
            let moved = (0u32..).zip(old);
            all.extend(moved.filter_map(|(old, length)| Some((source.new_number(old)?, length))));
        }
        Ok(lengths(&all.into_values().collect::<Vec<_>>()))
    }

    fn merge_addons(&self, sources: &[MergedVectors]) -> Result<(NewVectors, u64), String> {
        let mut all = BTreeMap::new();
        for source in sources {
            let old = match source.parts.is_empty() {
                true => vec![PENDING; source.to.len()],
                // One that is damaged is as one that is not there.
                false => lengths_of(&source.parts).unwrap_or_else(|_| vec![PENDING; source.to.len()]),
            };
            let moved = (0u32..).zip(old);
            all.extend(moved.filter_map(|(old, length)| Some((source.new_number(old)?, length))));
        }
        let all: Vec<u32> = all.into_values().collect();
        Ok((lengths(&all), pending_in(&all)))
    }
}

/// In an add-on: nothing yet.
const PENDING: u32 = u32::MAX;

fn pending_in(all: &[u32]) -> u64 {
    all.iter().filter(|length| **length == PENDING).count() as u64
}

/// What the model `of` gives for an email with such a subject. The models of these tests have names of several lengths.
fn vector_of(model: &str, subject_len: usize) -> u32 {
    (subject_len * model.len()) as u32
}

/// Adds vectors of a model to a segment: those of the emails that `wanted` picks among the pending ones. `None` where there
/// is no such segment any more.
pub async fn embed(
    store: &Store,
    segment: u64,
    model: &'static str,
    mut wanted: impl FnMut(u32) -> bool,
) -> Result<Option<bool>, StoreError> {
    let sources = store.text_sources(Default::default()).await?;
    let Some(own) = sources.segments.iter().find(|own| own.id == segment) else { return Ok(None) };
    let known = own.addons.iter().find(|addon| addon.model == model);
    let known = known.and_then(|addon| lengths_of(addon.vectors.as_ref().ok()?).ok());
    let known = known.unwrap_or_else(|| vec![PENDING; own.emails as usize]);
    let these: Vec<u32> = (0u32..)
        .zip(&known)
        .filter(|(n, length)| **length == PENDING && wanted(*n))
        .map(|(n, _)| n)
        .collect();
    let Some(docs) = store.documents(segment, these.clone(), usize::MAX).await? else { return Ok(None) };
    assert_eq!(docs.len(), these.len());
    let new: BTreeMap<u32, u32> = these
        .into_iter()
        .zip(docs)
        .filter_map(|(n, doc)| Some((n, doc.ok()?)))
        .map(|(n, doc)| (n, vector_of(model, access::<ArchivedEmail>(&doc.email).unwrap().subject.len())))
        .collect();
    let emails = own.emails as usize;
    let make = move |before: &VectorParts| {
        let mut all = if before.is_empty() { None } else { lengths_of(before).ok() }
            .unwrap_or_else(|| vec![PENDING; emails]);
        new.iter().for_each(|(n, length)| all[*n as usize] = *length);
        Ok((lengths(&all), pending_in(&all)))
    };
    let add = AddVectors { segment, model: model.to_owned(), make: Box::new(make) };
    store.add_vectors(add).await.map(Some)
}

/// The add-ons of each segment are those of its emails, as far as they are not pending; gives how many there are, and how many
/// emails are pending in them.
pub async fn check_addons(store: &Store) -> (usize, u64) {
    let sources = store.text_sources(Default::default()).await.unwrap();
    let (mut addons, mut pending) = (0, 0);
    for segment in &sources.segments {
        let text = segment.text.read(0, segment.text.len() as usize).unwrap();
        let subjects = String::from_utf8(text.to_vec()).unwrap();
        for addon in &segment.addons {
            let told = lengths_of(addon.vectors.as_ref().unwrap()).unwrap();
            let wanted: Vec<u32> = subjects
                .lines()
                .zip(&told)
                .map(
                    |(line, told)| {
                        if *told == PENDING { PENDING } else { vector_of(&addon.model, line.len()) }
                    },
                )
                .collect();
            assert_eq!(told, wanted, "segment {:x}, model {}", segment.id, addon.model);
            assert_eq!(told.len() as u64, segment.emails);
            assert_eq!(pending_in(&told), addon.pending, "segment {:x}, model {}", segment.id, addon.model);
            addons += 1;
            pending += addon.pending;
        }
    }
    (addons, pending)
}

/// The vectors of each segment that has some are those of its emails.
pub async fn check_vectors(store: &Store) -> usize {
    let sources = store.text_sources(Default::default()).await.unwrap();
    let with = sources.segments.iter().filter(|segment| !segment.vectors.is_empty());
    for segment in with.clone() {
        let text = segment.text.read(0, segment.text.len() as usize).unwrap();
        let subjects = String::from_utf8(text.to_vec()).unwrap();
        let wanted: Vec<u32> = subjects.lines().map(|line| line.len() as u32).collect();
        assert_eq!(lengths_of(&segment.vectors).unwrap(), wanted, "segment {:x}", segment.id);
    }
    with.count()
}

/// Holds the columns of all segments that have any to the rows they are made of; gives how many have them.
pub async fn check_columns(store: &Store) -> usize {
    let sources = store.column_sources(true).await.unwrap();
    let mut with = 0;
    for segment in sources.segments.iter().filter(|segment| !segment.columns.is_empty()) {
        with += 1;
        let read = |number: u16| {
            let section = &segment.columns[&number];
            section.read(0, section.len() as usize).unwrap()
        };
        let emails: Vec<Position> =
            segment.ordinals.as_ref().map_or_else(Vec::new, |own| own.positions().unwrap().to_vec());
        let strangers = read(STRANGERS);
        let strangers = strangers.chunks(POSITION).map(|bytes| Position::from_bytes(bytes).unwrap());
        let positions: Vec<Position> = emails.iter().copied().chain(strangers).collect();
        let sizes = NumberColumn::decode(&read(ColumnId::Size as u16)).unwrap();
        assert_eq!(sizes.rows(), emails.len());
        let texts = ColumnId::ALL.into_iter().filter(|id| *id != ColumnId::Size);
        let texts: Vec<(ColumnId, TextColumn)> =
            texts.map(|id| (id, TextColumn::decode(&read(id as u16)).unwrap())).collect();
        let ids: Vec<Id> = positions.iter().map(|position| position.id).collect();
        for (row, found) in store.emails(&ids).await.unwrap().into_iter().enumerate() {
            let Some(found) = found.unwrap() else {
                // Taken out since, or never whole: nobody looks at its places.
                continue;
            };
            let mut wanted = of_email(&found.email).unwrap();
            if row < emails.len() {
                assert_eq!(sizes.get(row), Some(size_of_email(&found.email).unwrap()));
            }
            for place in &found.places {
                wanted.extend(of_place(place).unwrap());
            }
            for (id, column) in &texts {
                let value = |n: &u32| column.values().get(*n as usize).unwrap().to_vec();
                let told: BTreeSet<Vec<u8>> =
                    column.of_code(column.code(row)).as_slice().iter().map(value).collect();
                let wanted: BTreeSet<Vec<u8>> =
                    wanted.iter().filter(|(of, _)| of == id).map(|(_, value)| value.clone()).collect();
                if id.is_of_places() {
                    // Other places may lie in other segments.
                    assert!(told.is_subset(&wanted), "segment {:x}: {id:?} {told:?} {wanted:?}", segment.id);
                } else if row < emails.len() {
                    assert_eq!(told, wanted, "segment {:x}: {id:?}", segment.id);
                }
            }
        }
    }
    with
}

pub fn options(shards: usize, access: Access) -> StoreOptions {
    let mut options = StoreOptions::new(shards, access, Arc::new(Subjects));
    options.vectors = Some(Arc::new(Lengths));
    options.memtable_bytes = 64 << 10;
    options.log_file_bytes = 4 << 20;
    options.cache_bytes = 4 << 20;
    options.reserve_bytes = 128 << 10;
    options
}

/// Options with which little makes memtables, log files and merges.
pub fn small(memtable_bytes: usize, log_file_bytes: u64) -> StoreOptions {
    StoreOptions { memtable_bytes, log_file_bytes, fan_in: 3, ..options(2, Access::Write) }
}

pub fn email_id(n: u64) -> Id {
    IdBuilder::mail().field(Field::MessageId, 0, format!("<{n}@test>").as_bytes()).finish()
}

pub fn subject(n: u64) -> String {
    format!("Subject of mail {n}")
}

pub fn text(n: u64) -> String {
    format!("This is the body of mail {n}. ").repeat(1 + (n % 7) as usize * 5)
}

pub fn email(n: u64) -> Email {
    let address = |a: &str| Address { name: a.to_owned(), address: format!("{a}@example.org") };
    Email {
        extra: vec![Signature::extra(Signature::of([text(n).as_str()]).as_ref())],
        id: email_id(n),
        id_scheme: 1,
        parent: None,
        thread: postlode_format::id::thread_key(postlode_format::id::ThreadRoot::Topic(
            "t",
            &(n % 10).to_string(),
        )),
        kind: ItemKind::Mail,
        class: "IPM.Note".into(),
        message_id: format!("<{n}@test>"),
        in_reply_to: vec![],
        references: vec![],
        subject: subject(n),
        topic: subject(n),
        from: Some(address(&format!("sender{}", n % 5))),
        sender: None,
        to: vec![address("you")],
        cc: vec![],
        bcc: vec![],
        sent: Some(Stamp { unix_micros: date(n), offset_minutes: None }),
        received: None,
        date: date(n),
        size: 1000 + n,
        importance: 1,
        sensitivity: 0,
        flags: 0,
        codepage: 65001,
        language: String::new(),
        attachments: vec![],
        partial: vec![],
    }
}

/// Dates are not in the order of numbers.
pub fn date(n: u64) -> i64 {
    ((n * 7919) % 100_003) as i64 * 1_000_000
}

pub fn new_email(n: u64, folder: &str) -> NewEmail {
    let id = email_id(n);
    let body = Body {
        extra: Vec::new(),
        plain: Some(Raw {
            encoding: RawEncoding::Utf16AsUtf8,
            value_type: 0x1f,
            bytes: text(n).into_bytes(),
        }),
        html: None,
        rtf: None,
        headers: None,
        original: None,
        text: String::new(),
        text_source: TextSource::PlainAsKept,
        props: vec![],
    };
    let place = Place {
        extra: Vec::new(),
        archive: [1; 16],
        version: [2; 16],
        custodian: String::new(),
        folder: folder.into(),
        node: n,
        recovered: false,
        date: date(n),
    };
    NewEmail {
        id,
        email: to_bytes(&email(n)).unwrap(),
        body: to_bytes(&body).unwrap(),
        place: Row {
            kind: RowKind::Place,
            key: place_key(&id, &place.archive, n).into(),
            value: to_bytes(&place).unwrap(),
        },
    }
}

pub fn batch(numbers: impl IntoIterator<Item = u64>) -> LoadBatch {
    LoadBatch {
        emails: numbers.into_iter().map(|n| new_email(n, "/Inbox")).collect(),
        ..LoadBatch::default()
    }
}

pub fn mark(n: u64, mark: &Mark) -> Row {
    Row { kind: RowKind::Mark, key: Bytes::copy_from_slice(&email_id(n)), value: to_bytes(mark).unwrap() }
}

/// Every email of `numbers` is there, whole, once; the date index holds exactly these.
pub async fn check(store: &Store, numbers: &[u64]) {
    use postlode_format::index::IndexId;
    let ids: Vec<Id> = numbers.iter().map(|n| email_id(*n)).collect();
    let found = store.emails(&ids).await.unwrap();
    let bodies = store.bodies(&ids).await.unwrap();
    for ((n, found), body) in numbers.iter().zip(found).zip(bodies) {
        let found = found.unwrap().unwrap_or_else(|| panic!("email {n} is not there"));
        let email = access::<ArchivedEmail>(&found.email).unwrap();
        assert_eq!(email.subject.as_str(), subject(*n));
        assert!(!found.places.is_empty(), "email {n} has no place");
        let body = body.unwrap().unwrap_or_else(|| panic!("body {n} is not there"));
        assert_eq!(access::<ArchivedBody>(&body).unwrap().text(), text(*n));
    }
    check_vectors(store).await;
    check_addons(store).await;
    check_columns(store).await;
    let mut expected: Vec<Position> =
        numbers.iter().map(|n| Position { date: date(*n), id: email_id(*n) }).collect();
    expected.sort_unstable();
    for descending in [false, true] {
        let mut seen = Vec::new();
        let mut range = KeyRange::prefix(&[]);
        loop {
            let page = store
                .scan(Scan { index: IndexId::Date, range: range.clone(), descending, limit: 37 })
                .await
                .unwrap();
            assert_eq!(page.missing, []);
            seen.extend(page.keys.iter().map(|k| Position::of_key(k).unwrap()));
            let Some(last) = page.keys.last() else { break };
            if descending {
                range.high = last.to_vec();
            } else {
                range.low = [last.as_ref(), &[0]].concat();
            }
            if page.done {
                break;
            }
        }
        if descending {
            seen.reverse();
        }
        assert_eq!(seen, expected, "descending: {descending}");
    }
}
