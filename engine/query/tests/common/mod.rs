//! Random mail, a store that holds it, and a random source that repeats itself.
#![allow(dead_code, reason = "not every test uses all of it")]

pub mod columns;
pub mod naive;

use futures_lite::future::block_on;
use postlode_embed::{StaticModel, Table};
use postlode_format::id::{Id, to_hex};
use postlode_format::near::Signature;
use postlode_format::row::*;
use postlode_query::Engine;
use postlode_runtime::CpuPool;
use postlode_runtime::portable::PortableSpawner;
use postlode_semantic::{Embed, SemanticEngine, VectorIndex};
use postlode_store::{Access, LoadBatch, NewEmail, Store, StoreOptions, VectorBuilder};
use postlode_text::TextIndex;
use std::path::Path;
use std::sync::Arc;

/// Repeats itself for a seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap() % n
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

pub const WORDS: [&str; 12] = [
    "run",
    "running",
    "runs",
    "test",
    "tests",
    "tested",
    "zürich",
    "漢字かな",
    "x1",
    "the",
    "R2.pdf",
    "don't",
];
pub const PEOPLE: [&str; 5] =
    ["alice@example.com", "bob@example.org", "carol.x@mail.example.com", "DAVE@Example.com", "eve"];
pub const NAMES: [&str; 5] = ["Alice A", "Bob Builder", "", "Dave", "Eve Running"];
pub const FOLDERS: [&str; 6] =
    ["/Top/Inbox", "/Top/Inbox/R", "/Top/Sent Items", "/Archive/inbox", "/Top", "/Archive/2010/R"];
pub const CLASSES: [&str; 3] = ["IPM.Note", "IPM.Note.SMIME", "IPM.Contact"];
pub const TAGS: [&str; 3] = ["red", "Green", "to do"];
pub const DAY: i64 = 86_400_000_000;

#[derive(Debug, Clone)]
pub struct Mail {
    pub id: Id,
    pub date: i64,
    pub subject: String,
    pub body: String,
    pub english: bool,
    pub from: (usize, usize),
    pub to: Vec<(usize, usize)>,
    pub cc: Vec<(usize, usize)>,
    pub folders: Vec<usize>,
    pub files: Vec<String>,
    pub class: usize,
    pub size: u64,
    pub thread: Id,
    pub parent: Option<Id>,
    pub tags: Vec<usize>,
    pub deleted: bool,
}

pub fn id(n: usize) -> Id {
    // Spread over the hash space, not in the order of dates.
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&(n as u64).to_be_bytes());
    id
}

fn text(random: &mut Random, most: usize) -> String {
    let n = random.below(most);
    (0..n).map(|_| random.pick(&WORDS)).collect::<Vec<_>>().join(" ")
}

fn people(random: &mut Random, most: usize) -> Vec<(usize, usize)> {
    (0..random.below(most)).map(|_| (random.below(NAMES.len()), random.below(PEOPLE.len()))).collect()
}

pub fn mail(random: &mut Random, n: usize) -> Mail {
    let date = match random.below(20) {
        0 => i64::MIN,
        _ => (random.below(60) as i64) * DAY / 2 + (random.below(3) as i64),
    };
    let folders = (0..1 + random.below(2)).map(|_| random.below(FOLDERS.len())).collect();
    Mail {
        id: id(n),
        date,
        subject: text(random, 4),
        body: text(random, 12),
        english: random.chance(60),
        from: (random.below(NAMES.len()), random.below(PEOPLE.len())),
        to: people(random, 3),
        cc: people(random, 3),
        folders,
        files: (0..random.below(3)).map(|_| random.pick(&WORDS).to_owned()).collect(),
        class: random.below(CLASSES.len()),
        size: 500 * random.below(6) as u64,
        thread: id(1_000_000 + random.below(5)),
        parent: random.chance(10).then(|| id(random.below(10))),
        tags: vec![],
        deleted: false,
    }
}

fn address(&(name, person): &(usize, usize)) -> Address {
    Address { name: NAMES[name].to_owned(), address: PEOPLE[person].to_owned() }
}

impl Mail {
    /// Sizes are drawn anyway.
    pub fn recovered(&self) -> bool {
        self.size == 1000
    }

    pub fn partial(&self) -> bool {
        self.size == 1500
    }

    pub fn flagged(&self) -> bool {
        self.size == 2000
    }

    fn flags(&self) -> u32 {
        let has = |is: bool, bit| if is { bit } else { 0 };
        has(!self.files.is_empty(), flag::HAS_ATTACHMENT)
            | has(self.flagged(), flag::FLAGGED)
            | has(!self.flagged(), flag::READ)
    }

    fn notes(&self) -> Vec<PartialNote> {
        let note = PartialNote { code: "corrupt".into(), stage: "body".into(), reason: "a block".into() };
        self.partial().then_some(note).into_iter().collect()
    }

    pub fn message_id(&self) -> String {
        format!("<{}@test>", &to_hex(&self.id)[16..])
    }

    pub fn signature(&self) -> Option<Signature> {
        Signature::of([self.body.as_str()])
    }

    pub fn email(&self) -> Email {
        let attachment = |(n, name): (usize, &String)| Attachment {
            n: n as u32,
            name: name.clone(),
            mime: "application/pdf".into(),
            content_id: String::new(),
            inline: false,
            kind: AttachmentKind::Reference,
            size: 0,
            sha256: [0; 32],
            child: None,
        };
        Email {
            extra: vec![Signature::extra(self.signature().as_ref())],
            id: self.id,
            id_scheme: 1,
            parent: self.parent,
            thread: self.thread,
            kind: ItemKind::Mail,
            class: CLASSES[self.class].into(),
            message_id: self.message_id(),
            in_reply_to: vec![],
            references: vec![],
            subject: self.subject.clone(),
            topic: self.subject.clone(),
            from: Some(address(&self.from)),
            sender: None,
            to: self.to.iter().map(address).collect(),
            cc: self.cc.iter().map(address).collect(),
            bcc: vec![],
            sent: (self.date != i64::MIN)
                .then_some(Stamp { unix_micros: self.date, offset_minutes: Some(60) }),
            received: None,
            date: self.date,
            size: self.size,
            importance: 1,
            sensitivity: 0,
            flags: self.flags(),
            codepage: 65001,
            language: if self.english { "eng".into() } else { "deu".into() },
            attachments: self.files.iter().enumerate().map(attachment).collect(),
            partial: self.notes(),
        }
    }

    pub fn body(&self) -> Body {
        let plain = Raw {
            encoding: RawEncoding::Utf16AsUtf8,
            value_type: 0x1f,
            bytes: self.body.clone().into_bytes(),
        };
        Body {
            extra: vec![],
            plain: Some(plain),
            html: None,
            rtf: None,
            headers: None,
            original: None,
            text: String::new(),
            text_source: TextSource::PlainAsKept,
            props: vec![],
        }
    }

    /// As it is stored: once for each of its places.
    pub fn stored(&self) -> Vec<NewEmail> {
        let place = |(n, folder): (usize, &usize)| Place {
            extra: vec![],
            archive: [1; 16],
            version: [2; 16],
            custodian: "Ann".into(),
            folder: FOLDERS[*folder].into(),
            node: n as u64,
            recovered: self.recovered(),
            date: self.date,
        };
        let stored = |place: Place| NewEmail {
            id: self.id,
            email: to_bytes(&self.email()).unwrap(),
            body: to_bytes(&self.body()).unwrap(),
            place: Row {
                kind: RowKind::Place,
                key: place_key(&self.id, &place.archive, place.node).into(),
                value: to_bytes(&place).unwrap(),
            },
        };
        self.folders.iter().enumerate().map(place).map(stored).collect()
    }

    pub fn mark(&self) -> Row {
        let mark = Mark {
            tags: self.tags.iter().map(|t| TAGS[*t].to_owned()).collect(),
            deleted: self.deleted,
            revision: 1,
            date: self.date,
            ..Mark::default()
        };
        Row { kind: RowKind::Mark, key: self.id.to_vec().into(), value: to_bytes(&mark).unwrap() }
    }
}

pub fn open(root: &Path, memtable_bytes: usize) -> (Store, Engine) {
    let (store, cpu) = open_store(root, memtable_bytes, 2, None);
    let engine = Engine::new(store.clone(), cpu);
    (store, engine)
}

/// A store that is there, with any number of shards.
pub fn open_shards(root: &Path, shards: usize) -> (Store, Engine) {
    let (store, cpu) = open_store(root, 1 << 20, shards, None);
    let engine = Engine::new(store.clone(), cpu);
    (store, engine)
}

/// The same, with vectors of a model that knows the words of random mails.
pub fn open_with_meaning(root: &Path, memtable_bytes: usize, model: &Arc<dyn Embed>) -> (Store, Engine) {
    let vectors: Arc<dyn VectorBuilder> = Arc::new(VectorIndex::new(Arc::clone(model)));
    let (store, cpu) = open_store(root, memtable_bytes, 2, Some(vectors));
    let semantic = SemanticEngine::new(Arc::clone(model), 1 << 20);
    let engine = Engine::with_meaning(store.clone(), cpu, semantic, 1 << 20);
    (store, engine)
}

/// A model of [`WORDS`], as far as a vocabulary of word pieces has such.
pub fn model() -> Arc<dyn Embed> {
    let words = ["[UNK]", "run", "running", "runs", "test", "tests", "tested", "zurich", "x1", "the", "don"];
    let mut random = Random::new(77);
    let mut value = || random.below(2001) as f32 / 1000.0 - 1.0;
    let rows: Vec<f32> = (0..words.len() * 8).map(|n| if n < 8 { 0.0 } else { value() }).collect();
    Arc::new(StaticModel::parse(&Table::write("test", 1, &words.join("\n"), 8, &rows)).unwrap())
}

fn open_store(
    root: &Path,
    memtable_bytes: usize,
    shards: usize,
    vectors: Option<Arc<dyn VectorBuilder>>,
) -> (Store, CpuPool) {
    let cpu = CpuPool::new(2).unwrap();
    let mut options = StoreOptions::new(shards, Access::Write, Arc::new(TextIndex));
    options.vectors = vectors;
    options.memtable_bytes = memtable_bytes;
    options.log_file_bytes = 4 << 20;
    options.cache_bytes = if memtable_bytes > 16 << 20 { 256 << 20 } else { 4 << 20 };
    let store = block_on(Store::open(PortableSpawner::new(root.to_owned(), cpu.clone()), options)).unwrap();
    (store, cpu)
}

pub fn load(store: &Store, mails: &[Mail]) {
    let emails = mails.iter().flat_map(Mail::stored).collect();
    block_on(store.load(LoadBatch { emails, ..LoadBatch::default() })).unwrap();
}

pub fn archive() -> Row {
    let version = ArchiveVersion {
        extra: vec![],
        path: "/mail/ann.pst".into(),
        kind: "pst-unicode".into(),
        sha256: [9; 32],
        bytes: 1,
        folders: 1,
        custodian: "Ann".into(),
        loaded_at: 0,
        complete: true,
        counts: Counts::default(),
        password: false,
    };
    Row {
        kind: RowKind::Archive,
        key: archive_key(&[1; 16], &[2; 16]).into(),
        value: to_bytes(&version).unwrap(),
    }
}
