//! Embedding a store with a better model while it is used: in parts, over failures and openings, beside loading and merging.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and looks at files"
)]

#[path = "../../store/tests/common/mod.rs"]
mod common;

use common::*;
use futures_lite::future::block_on;
use postlode_embed::{Embed, EmbedError, Model, StaticModel, Table};
use postlode_format::row::{Email, Mark, to_bytes};
use postlode_runtime::CpuPool;
use postlode_runtime::portable::PortableSpawner;
use postlode_semantic::{
    Models, Nearest, Only, Progress, SemanticEngine, Texts, Upgrade, VectorIndex, texts,
};
use postlode_store::{Access, LoadBatch, NewEmail, Store, StoreOptions, TextDoc};
use postlode_vector::CodeKind;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const WORDS: usize = 40;

/// A table of words, `w0` to `w39`, in directions that have nothing to do with each other.
fn table(name: &str, seed: u64) -> StaticModel {
    let mut random = seed;
    let mut value = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((random >> 33) as f32) / 4e9 - 0.5
    };
    let rows: Vec<f32> = (0..(WORDS + 1) * 16).map(|n| if n < 16 { 0.0 } else { value() }).collect();
    let words: Vec<String> = (0..WORDS).map(|n| format!("w{n}")).collect();
    StaticModel::parse(&Table::write(name, 1, &format!("[UNK]\n{}", words.join("\n")), 16, &rows)).unwrap()
}

/// A model that can be told to fail, and counts.
struct Better {
    model: StaticModel,
    fails: AtomicBool,
    /// After so many texts it fails by itself.
    most: AtomicUsize,
    texts: AtomicUsize,
    seen: Mutex<BTreeSet<String>>,
}

impl Better {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            model: table("better", 99),
            fails: AtomicBool::new(false),
            most: AtomicUsize::new(usize::MAX),
            texts: AtomicUsize::new(0),
            seen: Mutex::default(),
        })
    }
}

impl Embed for Better {
    fn model(&self) -> Model {
        self.model.model()
    }

    fn knows(&self, _: &str) -> bool {
        true
    }

    fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        let before = self.texts.fetch_add(texts.len(), Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) || before + texts.len() > self.most.load(Ordering::SeqCst) {
            return Err(EmbedError::Endpoint { url: "here".into(), reason: "it is on strike".into() });
        }
        self.seen.lock().unwrap().extend(texts.iter().cloned());
        self.model.embed(texts)
    }
}

/// A mail that says what its number is.
fn new_mail(n: u64) -> NewEmail {
    let topic = format!("w{} w{} w{}", n % 40, n / 40 % 40, n * 7 % 37);
    let email = Email { subject: topic.clone(), topic, ..email(n) };
    NewEmail { email: to_bytes(&email).unwrap(), ..new_email(n, "/Inbox") }
}

fn load(store: &Store, numbers: std::ops::Range<u64>) {
    let batch = LoadBatch { emails: numbers.map(new_mail).collect(), ..LoadBatch::default() };
    block_on(store.load(batch)).unwrap();
}

fn doc(n: u64) -> TextDoc {
    let NewEmail { email, body, .. } = new_mail(n);
    TextDoc { email, body }
}

struct Scene {
    store: Store,
    models: Models,
    better: Arc<Better>,
    upgrade: Upgrade,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn open(folder: &Path, access: Access) -> Store {
    let mut options = StoreOptions { fan_in: 4, ..options(2, access) };
    options.vectors = Some(Arc::new(VectorIndex::new(Arc::new(table("base", 7)))));
    options.memtable_bytes = 8 << 20;
    let spawner = PortableSpawner::new(folder.to_owned(), CpuPool::new(1).unwrap());
    block_on(Store::open(spawner, options)).unwrap()
}

impl Scene {
    fn open(folder: &Path, better: &Arc<Better>) -> Self {
        Self::over(open(folder, Access::Write), better, false)
    }

    fn over(store: Store, better: &Arc<Better>, follows: bool) -> Self {
        let models = Models::new(SemanticEngine::new(Arc::new(table("base", 7)), 1 << 30));
        let stop = Arc::new(AtomicBool::new(false));
        let upgrade = Upgrade::new(store.clone(), models.clone(), 1 << 30, CodeKind::Sq8, Arc::clone(&stop));
        let upgrade = if follows { upgrade.following() } else { upgrade };
        Self { store, models, better: Arc::clone(better), upgrade, stop, thread: None }
    }

    fn start(&mut self) {
        let (upgrade, better) = (self.upgrade.clone(), Arc::clone(&self.better));
        let find = move || Ok(Arc::clone(&better) as Arc<dyn Embed>);
        self.thread = Some(std::thread::spawn(move || upgrade.run(&(Box::new(find) as _))));
    }

    fn wait(&self, what: &str, until: impl Fn(&Progress) -> bool) -> Progress {
        let since = Instant::now();
        loop {
            let progress = self.upgrade.progress();
            if until(&progress) {
                return progress;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{what}: {progress:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn nearest(&self, query: &str, k: usize) -> Nearest {
        let active = block_on(self.store.active()).unwrap();
        let engine = self.models.answering(&active).unwrap();
        let known = engine.known();
        let sources = block_on(self.store.text_sources(known.counts())).unwrap();
        let query = engine.model().embed_query(query).unwrap().unwrap();
        engine.view(&sources, &known).nearest(&query, k, &Only::default())
    }

    /// The same as comparing every mail by that model; `without` mails could not be compared.
    fn agrees(&self, model: &StaticModel, mails: &[u64], without: u64) {
        for asked in ["w3 w9", "w11", "w0 w1 w2"] {
            let query = model.embed_query(asked).unwrap().unwrap();
            let mut wanted: Vec<f32> = mails
                .iter()
                .map(|n| {
                    let Texts::Some(texts) = texts(&doc(*n), model) else { panic!("mail {n} has no text") };
                    let texts: Vec<String> = texts.into_iter().map(|text| text.embedded).collect();
                    let dot = |v: Vec<f32>| v.iter().zip(&query).map(|(a, b)| a * b).sum::<f32>();
                    model.embed(&texts).unwrap().into_iter().flatten().map(dot).fold(f32::MIN, f32::max)
                })
                .collect();
            wanted.sort_by(|a, b| b.total_cmp(a));
            let found = self.nearest(asked, 20);
            assert_eq!((found.without, found.missing.len()), (without, 0), "{asked}");
            assert_eq!(found.near.len(), 20.min(mails.len()));
            for (near, want) in found.near.iter().zip(&wanted) {
                assert!((near.score - want).abs() < 2e-3, "{asked}: {near:?}, but {want}");
            }
        }
    }

    fn close(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        block_on(self.store.close()).unwrap();
    }
}

#[test]
fn the_better_model_answers_when_all_is_covered_and_new_mail_follows() {
    let (folder, better) = (tempfile::tempdir().unwrap(), Better::new());
    let mut scene = Scene::open(folder.path(), &better);
    load(&scene.store, 0..700);
    block_on(scene.store.seal()).unwrap();
    load(&scene.store, 700..760);
    let all: Vec<u64> = (0..760).collect();
    let base = table("base", 7);
    scene.agrees(&base, &all, 0);
    scene.start();
    let done = scene.wait("all", Progress::is_done);
    assert_eq!((done.emails, done.pending, done.embedded.0, done.error), (700, 0, 700, None));
    assert_eq!(block_on(scene.store.active()).unwrap(), "better/1/16");
    // Mails that are not sealed are embedded too, after a moment; until then they are counted.
    let since = Instant::now();
    while scene.nearest("w3", 5).without > 0 {
        assert!(since.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(10));
    }
    scene.agrees(&better.model, &all, 0);
    // More of it, while it is sealed and merged.
    for part in 0..8u64 {
        load(&scene.store, 760 + part * 30..790 + part * 30);
        block_on(scene.store.seal()).unwrap();
    }
    block_on(scene.store.compact()).unwrap();
    let all: Vec<u64> = (0..1_000).collect();
    scene.wait("the rest", |progress| progress.emails == 1_000 && progress.is_done());
    scene.agrees(&better.model, &all, 0);
    // Without the model the built-in one answers, from vectors that are as they were.
    let other = Models::new(SemanticEngine::new(Arc::new(table("base", 7)), 1 << 30));
    assert!(other.answering("better/1/16").is_none());
    let alone = Scene { models: other.clone(), ..Scene::over(scene.store.clone(), &better, false) };
    block_on(scene.store.activate("")).unwrap();
    alone.agrees(&base, &all, 0);
    scene.close();
}

#[test]
fn a_model_that_fails_costs_time_and_nothing_else() {
    let (folder, better) = (tempfile::tempdir().unwrap(), Better::new());
    better.fails.store(true, Ordering::SeqCst);
    let mut scene = Scene::open(folder.path(), &better);
    load(&scene.store, 0..100);
    block_on(scene.store.seal()).unwrap();
    scene.start();
    let stuck = scene.wait("an error", |progress| progress.error.is_some());
    assert!(stuck.error.unwrap().contains("on strike") && !stuck.active && stuck.pending == 100);
    // Loading and searching go on.
    load(&scene.store, 100..150);
    block_on(scene.store.seal()).unwrap();
    scene.agrees(&table("base", 7), &(0..150).collect::<Vec<_>>(), 0);
    better.fails.store(false, Ordering::SeqCst);
    let done = scene.wait("all", |progress| progress.is_done() && progress.emails == 150);
    assert_eq!((done.pending, done.error), (0, None));
    scene.agrees(&better.model, &(0..150).collect::<Vec<_>>(), 0);
    scene.close();
}

#[test]
fn it_goes_on_where_it_was() {
    let (folder, better) = (tempfile::tempdir().unwrap(), Better::new());
    let mut scene = Scene::open(folder.path(), &better);
    // More than one part of each of two segments.
    load(&scene.store, 0..4_000);
    block_on(scene.store.seal()).unwrap();
    better.most.store(2_600, Ordering::SeqCst);
    scene.start();
    let stuck = scene.wait("an error", |progress| progress.error.is_some());
    let left = stuck.pending;
    assert!((1_000..3_000).contains(&left), "{stuck:?}");
    assert!(!stuck.active && stuck.embedded.0 == 4_000 - left);
    scene.agrees(&table("base", 7), &(0..4_000).collect::<Vec<_>>(), 0);
    scene.close();
    // What is merged meanwhile is not lost.
    let store = open(folder.path(), Access::Write);
    block_on(store.compact()).unwrap();
    assert_eq!(block_on(store.coverage("better/1/16")).unwrap().sums(), (4_000, left));
    block_on(store.close()).unwrap();
    better.most.store(usize::MAX, Ordering::SeqCst);
    better.texts.store(0, Ordering::SeqCst);
    let mut scene = Scene::open(folder.path(), &better);
    scene.start();
    let done = scene.wait("all", Progress::is_done);
    assert_eq!(done.embedded.0, left);
    // Some have several passages, one in seven three.
    let texts = better.texts.load(Ordering::SeqCst) as u64;
    assert!((left..left * 9 / 7 + 100).contains(&texts), "{texts} texts of {left} emails");
    scene.agrees(&better.model, &(0..4_000).collect::<Vec<_>>(), 0);
    scene.close();
}

/// Mail that cannot be read must not keep the rest from being found.
#[test]
fn mail_that_cannot_be_read_holds_up_no_other() {
    let (folder, better) = (tempfile::tempdir().unwrap(), Better::new());
    let scene = Scene::open(folder.path(), &better);
    load(&scene.store, 0..600);
    scene.close();
    let store = open(folder.path(), Access::Snapshot);
    let segment = block_on(store.stats()).unwrap().segments[0].clone();
    block_on(store.close()).unwrap();
    let file = folder.path().join(format!("segments/{:016x}.seg", segment.id));
    let mut bytes = std::fs::read(&file).unwrap();
    // The first block of bodies lies behind those of emails: dictionary or none, header and frames of emails.
    let before: u64 =
        segment.sections.iter().take_while(|(name, ..)| name != "bodies").map(|(_, _, disk, _)| disk).sum();
    bytes[4096 + before as usize + 100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let mut scene = Scene::open(folder.path(), &better);
    scene.start();
    let done = scene.wait("all", Progress::is_done);
    assert!(done.unreadable > 0 && done.unreadable == done.pending && done.pending < 600, "{done:?}");
    assert_eq!(done.embedded.0 + done.unreadable, 600);
    let found = scene.nearest("w3", 20);
    assert_eq!((found.without, found.near.len()), (done.unreadable, 20));
    scene.close();
}

#[test]
fn a_follower_searches_with_it_too() {
    let (folder, better) = (tempfile::tempdir().unwrap(), Better::new());
    let mut scene = Scene::open(folder.path(), &better);
    load(&scene.store, 0..300);
    block_on(scene.store.seal()).unwrap();
    let mut follower = Scene::over(open(folder.path(), Access::Follow), &better, true);
    follower.start();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(follower.upgrade.progress().embedded.0, 0, "it writes nothing");
    scene.start();
    scene.wait("all", Progress::is_done);
    load(&scene.store, 300..320);
    let since = Instant::now();
    let all: Vec<u64> = (0..320).collect();
    loop {
        let active = block_on(follower.store.active()).unwrap();
        let emails = block_on(follower.store.counts()).unwrap().emails;
        if active == "better/1/16" && emails == 320 && follower.nearest("w3", 5).without == 0 {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{active}, {emails}");
        std::thread::sleep(Duration::from_millis(20));
    }
    follower.agrees(&better.model, &all, 0);
    follower.close();
    scene.close();
}

/// What was deleted is in segments until it is compacted away, and was sent to the endpoint.
#[test]
fn deleted_mail_is_not_embedded() {
    let (folder, better) = (tempfile::tempdir().unwrap(), Better::new());
    let mut scene = Scene::open(folder.path(), &better);
    load(&scene.store, 0..40);
    block_on(scene.store.seal()).unwrap();
    block_on(scene.store.put(vec![mark(7, &Mark { deleted: true, revision: 1, ..Mark::default() })]))
        .unwrap();
    scene.start();
    let done = scene.wait("all", Progress::is_done);
    assert_eq!((done.deleted, done.unreadable, done.pending, done.embedded.0), (1, 0, 1, 39));
    let of = |n: u64| {
        let Texts::Some(texts) = texts(&doc(n), &*better) else { panic!() };
        texts[0].embedded.clone()
    };
    let seen = better.seen.lock().unwrap().clone();
    assert!(!seen.contains(&of(7)) && (0..40).filter(|n| *n != 7).all(|n| seen.contains(&of(n))));
    // Mail that is in no segment yet was sent too, as nobody asked whether it was deleted.
    scene.stop.store(true, Ordering::SeqCst);
    scene.thread.take().unwrap().join().unwrap();
    load(&scene.store, 40..60);
    block_on(scene.store.put(vec![mark(45, &Mark { deleted: true, revision: 1, ..Mark::default() })]))
        .unwrap();
    scene.stop.store(false, Ordering::SeqCst);
    scene.start();
    let since = Instant::now();
    // Of each shard some that came after it.
    let others: Vec<String> = (40..60).filter(|n| *n != 45).map(of).collect();
    while !others.iter().all(|text| better.seen.lock().unwrap().contains(text)) {
        assert!(since.elapsed() < Duration::from_secs(60), "new mail is not embedded");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!better.seen.lock().unwrap().contains(&of(45)));
    block_on(scene.store.compact()).unwrap();
    scene.wait("the rest", |progress| progress.emails == 58 && progress.pending == 0);
    scene.agrees(&better.model, &(0..60).filter(|n| ![7, 45].contains(n)).collect::<Vec<_>>(), 0);
    scene.close();
}

/// An add-on that was complete, and is damaged since, was named by each search for ever.
#[test]
fn what_is_damaged_is_made_again() {
    let (folder, better) = (tempfile::tempdir().unwrap(), Better::new());
    let mut scene = Scene::open(folder.path(), &better);
    load(&scene.store, 0..200);
    block_on(scene.store.seal()).unwrap();
    scene.start();
    scene.wait("all", Progress::is_done);
    let stats = block_on(scene.store.stats()).unwrap();
    let addons: Vec<_> = stats.segments.iter().flat_map(|segment| &segment.addons).cloned().collect();
    scene.close();
    assert_eq!(addons.len(), 2);
    // The first section is the head, the others are behind it; the end is the directory.
    for (addon, at) in addons.iter().zip([5_000, addons[1].bytes - 3_000]) {
        let file = folder.path().join(format!("segments/{:016x}.seg", addon.id));
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[at as usize] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    let mut scene = Scene::open(folder.path(), &better);
    scene.start();
    scene.wait("the model", |progress| progress.model.is_some());
    let first = scene.nearest("w3", 5);
    assert!(!first.missing.is_empty() || first.without > 0, "{first:?}");
    let since = Instant::now();
    loop {
        let found = scene.nearest("w3", 5);
        if found.missing.is_empty() && found.without == 0 {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    scene.agrees(&better.model, &(0..200).collect::<Vec<_>>(), 0);
    assert_eq!(block_on(scene.store.verify()).unwrap().damage, []);
    scene.close();
}
