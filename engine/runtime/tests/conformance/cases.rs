//! The cases, generic over the runtime.

use postlode_runtime::{
    ALIGN, AlignedBuf, DiskError, DiskErrorKind, DiskFile, OpenMode, Pace, Runtime, offload,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

const FILE: &str = "f";
const MIB: usize = 1 << 20;

fn path(text: &str) -> &Path {
    Path::new(text)
}

fn kind<T>(result: Result<T, DiskError>) -> DiskErrorKind {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error.kind,
    }
}

/// Bytes that differ from their neighbours and from page to page.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(131) ^ (at >> 9)) as u8).collect()
}

async fn store<R: Runtime>(rt: &R) {
    rt.create_dir_all(path("")).await.unwrap();
}

async fn file_of<R: Runtime>(rt: &R, bytes: &[u8]) -> R::File {
    store(rt).await;
    let file = rt.open(path(FILE), OpenMode::Create).await.unwrap();
    file.write_at(0, AlignedBuf::copy_of(bytes)).await.unwrap();
    file
}

pub async fn create_write_read<R: Runtime>(rt: R) {
    let bytes = pattern(3 * ALIGN);
    let file = file_of(&rt, &bytes).await;
    file.sync().await.unwrap();
    assert_eq!(file.size().await.unwrap(), 3 * ALIGN as u64);
    assert_eq!(file.read_at(0, bytes.len()).await.unwrap(), bytes);
    file.write_at(2 * ALIGN as u64, AlignedBuf::copy_of(&[7; 10])).await.unwrap();
    // A gap reads as zeros.
    file.write_at(5 * ALIGN as u64, AlignedBuf::copy_of(&[9])).await.unwrap();
    file.close().await.unwrap();
    rt.sync_dir(path("")).await.unwrap();

    let file = rt.open(path(FILE), OpenMode::Read).await.unwrap();
    assert_eq!(file.size().await.unwrap(), 6 * ALIGN as u64);
    assert_eq!(file.read_at(0, 2 * ALIGN).await.unwrap(), bytes[..2 * ALIGN]);
    assert_eq!(file.read_at(2 * ALIGN as u64, 11).await.unwrap(), [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0][..]);
    assert_eq!(file.read_at(3 * ALIGN as u64, 2 * ALIGN).await.unwrap(), vec![0; 2 * ALIGN]);
    assert_eq!(file.read_at(5 * ALIGN as u64, 2).await.unwrap(), [9, 0][..]);
    file.close().await.unwrap();
}

pub async fn reads_of_any_alignment<R: Runtime>(rt: R) {
    let bytes = pattern(4 * ALIGN);
    let file = file_of(&rt, &bytes).await;
    for offset in [0, 1, 511, 512, 513, 4095, 4096, 4097, 9000] {
        for len in [1, 2, 511, 512, 4095, 4096, 4097, 7000] {
            assert_eq!(
                file.read_at(offset as u64, len).await.unwrap(),
                bytes[offset..offset + len],
                "{offset}+{len}"
            );
        }
    }
    let last = bytes.len() - 1;
    assert_eq!(file.read_at(last as u64, 1).await.unwrap(), bytes[last..]);
    file.close().await.unwrap();
}

pub async fn reads_past_the_end<R: Runtime>(rt: R) {
    let file = file_of(&rt, &pattern(2 * ALIGN)).await;
    let end = 2 * ALIGN as u64;
    let long =
        [(0, end as usize + 1), (1, 2 * ALIGN), (100, 2 * ALIGN), (end - 1, 2), (end, 1), (end + 7, 1)];
    for (offset, len) in long {
        assert_eq!(kind(file.read_at(offset, len).await), DiskErrorKind::Eof, "{offset}+{len}");
    }
    // Hostile lengths and offsets are refused before memory is taken.
    for (offset, len) in
        [(0, usize::MAX), (5, usize::MAX - 3), (u64::MAX - 5, 1), (u64::MAX, 16), (0, 1 << 45)]
    {
        assert_eq!(kind(file.read_at(offset, len).await), DiskErrorKind::Eof, "{offset}+{len}");
    }
    file.close().await.unwrap();
    // A file whose end is inside a page.
    rt.publish(path("p"), pattern(5000)).await.unwrap();
    let file = rt.open(path("p"), OpenMode::Read).await.unwrap();
    assert_eq!(file.read_at(4090, 910).await.unwrap(), pattern(5000)[4090..]);
    assert_eq!(kind(file.read_at(4090, 911).await), DiskErrorKind::Eof);
    assert_eq!(kind(file.read_at(4096, 1000).await), DiskErrorKind::Eof);
    assert_eq!(kind(file.read_at(5000, 1).await), DiskErrorKind::Eof);
    file.close().await.unwrap();
}

pub async fn long_reads<R: Runtime>(rt: R) {
    let bytes = pattern(3 * MIB + ALIGN);
    let file = file_of(&rt, &bytes).await;
    for (offset, len) in [(0, bytes.len()), (1, 2 * MIB), (4095, MIB), (4096, 3 * MIB), (MIB - 1, MIB + 2)] {
        assert!(
            file.read_at(offset as u64, len).await.unwrap() == bytes[offset..offset + len],
            "{offset}+{len}"
        );
    }
    assert_eq!(kind(file.read_at(1, bytes.len()).await), DiskErrorKind::Eof);
    file.close().await.unwrap();
}

pub async fn empty_reads<R: Runtime>(rt: R) {
    let file = file_of(&rt, &pattern(ALIGN)).await;
    assert!(file.read_at(17, 0).await.unwrap().is_empty());
    file.write_at(ALIGN as u64, AlignedBuf::copy_of(&[])).await.unwrap();
    assert_eq!(file.size().await.unwrap(), ALIGN as u64);
    file.close().await.unwrap();
}

pub async fn unaligned_writes_are_refused<R: Runtime>(rt: R) {
    let file = file_of(&rt, &pattern(ALIGN)).await;
    assert_eq!(kind(file.write_at(512, AlignedBuf::zeroed(ALIGN)).await), DiskErrorKind::Io);
    assert_eq!(file.read_at(0, ALIGN).await.unwrap(), pattern(ALIGN));
    file.close().await.unwrap();
}

pub async fn open_modes<R: Runtime>(rt: R) {
    file_of(&rt, &pattern(ALIGN)).await.close().await.unwrap();
    assert_eq!(kind(rt.open(path(FILE), OpenMode::Create).await), DiskErrorKind::Exists);
    let file = rt.open(path(FILE), OpenMode::Write).await.unwrap();
    assert_eq!(file.read_at(0, ALIGN).await.unwrap(), pattern(ALIGN));
    file.write_at(0, AlignedBuf::copy_of(&[1; ALIGN])).await.unwrap();
    file.close().await.unwrap();
    let file = rt.open(path(FILE), OpenMode::Read).await.unwrap();
    assert_eq!(file.read_at(0, ALIGN).await.unwrap(), [1; ALIGN][..]);
    assert!(file.write_at(0, AlignedBuf::zeroed(ALIGN)).await.is_err());
    file.close().await.unwrap();
}

pub async fn missing_files<R: Runtime>(rt: R) {
    for mode in [OpenMode::Read, OpenMode::Write, OpenMode::Create] {
        assert_eq!(kind(rt.open(path("no/such"), mode).await), DiskErrorKind::NotFound);
    }
    store(&rt).await;
    assert_eq!(kind(rt.open(path("no"), OpenMode::Read).await), DiskErrorKind::NotFound);
    assert_eq!(kind(rt.open(path("no"), OpenMode::Write).await), DiskErrorKind::NotFound);
    assert_eq!(kind(rt.read_all(path("no"), 10).await), DiskErrorKind::NotFound);
    assert_eq!(kind(rt.rename(path("no"), path("yes")).await), DiskErrorKind::NotFound);
    assert_eq!(kind(rt.open_shared(path("no"))), DiskErrorKind::NotFound);
    assert_eq!(kind(rt.open_whole(path("no"), Pace::Rests)), DiskErrorKind::NotFound);
    assert_eq!(kind(rt.sync_dir(path("no")).await), DiskErrorKind::NotFound);
    let error = rt.open(path("no"), OpenMode::Read).await.err().unwrap();
    assert_eq!(error.operation, "open");
    assert!(error.to_string().starts_with("cannot open ") && error.path.ends_with("no"), "{error}");
}

pub async fn rename_replaces<R: Runtime>(rt: R) {
    store(&rt).await;
    rt.publish(path("a"), b"one".to_vec()).await.unwrap();
    rt.publish(path("b"), b"two".to_vec()).await.unwrap();
    rt.rename(path("a"), path("b")).await.unwrap();
    rt.sync_dir(path("")).await.unwrap();
    assert_eq!(rt.read_all(path("b"), 10).await.unwrap(), b"one");
    assert_eq!(kind(rt.read_all(path("a"), 10).await), DiskErrorKind::NotFound);
}

pub async fn removing_twice_is_fine<R: Runtime>(rt: R) {
    let file = file_of(&rt, &pattern(ALIGN)).await;
    rt.remove(path(FILE)).await.unwrap();
    rt.remove(path(FILE)).await.unwrap();
    rt.remove_whole(path(FILE)).await.unwrap();
    // A removed file that is open stays readable.
    assert_eq!(file.read_at(0, ALIGN).await.unwrap(), pattern(ALIGN));
    file.close().await.unwrap();
    assert_eq!(rt.list(path("")).await.unwrap(), []);
    let large = file_of(&rt, &pattern(9 * MIB)).await;
    rt.remove_whole(path(FILE)).await.unwrap();
    assert_eq!(large.read_at(8 * MIB as u64, ALIGN).await.unwrap(), pattern(9 * MIB)[8 * MIB..][..ALIGN]);
    large.close().await.unwrap();
    assert_eq!(rt.list(path("")).await.unwrap(), []);
}

pub async fn folders_are_listed_in_order<R: Runtime>(rt: R) {
    assert_eq!(rt.list(path("")).await.unwrap(), []);
    rt.create_dir_all(path("b/c")).await.unwrap();
    rt.create_dir_all(path("b/c")).await.unwrap();
    rt.publish(path("z"), vec![1; 10]).await.unwrap();
    rt.publish(path("a"), vec![]).await.unwrap();
    rt.publish(path("b/x"), vec![1; 5000]).await.unwrap();
    let names = |entries: Vec<postlode_runtime::DirEntry>| {
        entries.into_iter().map(|entry| (entry.name, entry.bytes, entry.is_dir)).collect::<Vec<_>>()
    };
    let root = names(rt.list(path("")).await.unwrap());
    assert_eq!(root, [("a".into(), 0, false), ("b".into(), 0, true), ("z".into(), 10, false)]);
    let inner = names(rt.list(path("b")).await.unwrap());
    assert_eq!(inner, [("c".into(), 0, true), ("x".into(), 5000, false)]);
    assert_eq!(rt.list(path("none")).await.unwrap(), []);
}

pub async fn publish_is_exclusive<R: Runtime>(rt: R) {
    rt.create_dir_all(path("m")).await.unwrap();
    rt.publish(path("m/1"), pattern(9000)).await.unwrap();
    assert_eq!(kind(rt.publish(path("m/1"), b"other".to_vec()).await), DiskErrorKind::Exists);
    assert_eq!(rt.read_all(path("m/1"), 9000).await.unwrap(), pattern(9000));
    assert_eq!(rt.list(path("m")).await.unwrap().len(), 1, "nothing is left beside it");
    assert_eq!(kind(rt.publish(path("nowhere/1"), vec![1]).await), DiskErrorKind::NotFound);
}

pub async fn whole_small_files<R: Runtime>(rt: R) {
    store(&rt).await;
    rt.publish(path("p"), pattern(5000)).await.unwrap();
    assert_eq!(rt.read_all(path("p"), 5000).await.unwrap(), pattern(5000));
    assert_eq!(rt.read_all(path("p"), u64::MAX).await.unwrap(), pattern(5000));
    assert_eq!(kind(rt.read_all(path("p"), 4999).await), DiskErrorKind::Io);
    rt.publish(path("e"), vec![]).await.unwrap();
    assert!(rt.read_all(path("e"), 0).await.unwrap().is_empty());
}

pub async fn shared_files<R: Runtime>(rt: R) {
    let bytes = pattern(2 * MIB);
    let file = file_of(&rt, &bytes).await;
    file.sync().await.unwrap();
    file.close().await.unwrap();
    let whole = |pace| rt.open_whole(path(FILE), pace).unwrap();
    for shared in [rt.open_shared(path(FILE)).unwrap(), whole(Pace::Rests), whole(Pace::Goes)] {
        for (offset, len) in [(0, 1), (4097, 9000), (5, MIB + 99), (bytes.len() - 1, 1), (17, 0)] {
            let shared = shared.clone();
            let got = offload(&rt, move || shared.read_at(offset as u64, len)).await.unwrap().unwrap();
            assert!(got == bytes[offset..offset + len], "{offset}+{len}");
        }
        for (offset, len) in [(0, 2 * MIB + 1), (2 * MIB as u64, 1), (u64::MAX, 1), (0, usize::MAX)] {
            assert_eq!(kind(shared.read_at(offset, len)), DiskErrorKind::Eof, "{offset}+{len}");
        }
    }
}

pub async fn the_lock_excludes<R: Runtime>(rt: R) {
    store(&rt).await;
    let lock = rt.lock(path("lock")).await.unwrap();
    let start = rt.monotonic();
    assert_eq!(kind(rt.lock(path("lock")).await), DiskErrorKind::Locked);
    let waited = rt.monotonic() - start;
    assert!(waited >= Duration::from_secs(2) && waited < Duration::from_secs(4), "{waited:?}");
    drop(lock);
    let again = rt.lock(path("lock")).await.unwrap();
    // One that comes free while it is waited for is had.
    let task = rt.clone();
    rt.spawn(Box::pin(async move {
        task.sleep(Duration::from_millis(100)).await;
        drop(again);
    }));
    drop(rt.lock(path("lock")).await.unwrap());
}

pub async fn paths_stay_inside<R: Runtime>(rt: R) {
    store(&rt).await;
    for bad in ["../x", "/tmp/x", "a/../../x"] {
        assert_eq!(kind(rt.open(path(bad), OpenMode::Create).await), DiskErrorKind::Permission, "{bad}");
        assert_eq!(kind(rt.publish(path(bad), vec![]).await), DiskErrorKind::Permission);
        assert_eq!(kind(rt.list(path(bad)).await), DiskErrorKind::Permission);
        assert_eq!(kind(rt.rename(path("a"), path(bad)).await), DiskErrorKind::Permission);
    }
}

pub async fn sleeping<R: Runtime>(rt: R) {
    let start = rt.monotonic();
    rt.sleep(Duration::ZERO).await;
    rt.sleep(Duration::from_millis(30)).await;
    let took = rt.monotonic() - start;
    assert!(took >= Duration::from_millis(30) && took < Duration::from_secs(3), "{took:?}");
    // A timer that is given up holds nobody up, however far away.
    futures_lite::future::or(rt.sleep(Duration::from_secs(u64::MAX)), rt.sleep(Duration::from_millis(1)))
        .await;
}

pub async fn sleeping_in_order<R: Runtime>(rt: R) {
    let order = Rc::new(RefCell::new(Vec::new()));
    for millis in [60_u64, 20, 40] {
        let (task, order) = (rt.clone(), Rc::clone(&order));
        rt.spawn(Box::pin(async move {
            task.sleep(Duration::from_millis(millis)).await;
            order.borrow_mut().push(millis);
        }));
    }
    rt.sleep(Duration::from_millis(200)).await;
    assert_eq!(*order.borrow(), [20, 40, 60]);
}

pub async fn yielding<R: Runtime>(rt: R) {
    let ran = Rc::new(Cell::new(false));
    let flag = Rc::clone(&ran);
    rt.spawn(Box::pin(async move { flag.set(true) }));
    for _ in 0..1_000 {
        rt.yield_now().await;
    }
    assert!(ran.get(), "a task that is ready runs while another yields");
}

pub async fn spawned_tasks_run_on<R: Runtime>(rt: R) {
    let (sender, receiver) = oneshot::channel();
    let inner = rt.clone();
    rt.spawn(Box::pin(async move {
        let innermost = inner.clone();
        // The task that starts it is over before it is.
        inner.spawn(Box::pin(async move {
            innermost.sleep(Duration::from_millis(5)).await;
            sender.send(5).unwrap();
        }));
    }));
    assert_eq!(receiver.await, Ok(5));
}

pub async fn offloaded_work<R: Runtime>(rt: R) {
    assert_eq!(offload(&rt, || (0..1000_u64).sum::<u64>()).await, Some(499_500));
}

pub async fn offloaded_panics_are_contained<R: Runtime>(rt: R) {
    for _ in 0..5 {
        assert_eq!(offload(&rt, || panic!("a job that fails on purpose")).await, None::<()>);
    }
    assert_eq!(offload(&rt, || 1).await, Some(1));
}

pub async fn more_offloaded_than_the_queue_holds<R: Runtime>(rt: R) {
    let (sender, receiver) = async_channel::unbounded();
    for number in 0..2_000_u64 {
        let sender = sender.clone();
        rt.offload(Box::new(move || sender.try_send(number).unwrap()));
    }
    drop(sender);
    let mut sum = 0;
    while let Ok(number) = receiver.recv().await {
        sum += number;
    }
    assert_eq!(sum, 1_999_000);
}

pub async fn clocks_and_randomness<R: Runtime>(rt: R) {
    let (wall, mono) = (rt.now_micros(), rt.monotonic());
    rt.sleep(Duration::from_millis(2)).await;
    assert!(rt.now_micros() > wall && rt.monotonic() > mono);
    // 2020 to 2100.
    assert!((1_577_836_800_000_000..4_102_444_800_000_000).contains(&wall), "{wall}");
    let mut numbers: Vec<u64> = (0..1000).map(|_| rt.random_u64()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 1000);
}

#[derive(Debug, Clone)]
enum Step {
    Write { page: usize, pages: usize, fill: u8 },
    Read { offset: usize, len: usize },
    Sync,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_usize..40, 1_usize..9, any::<u8>()).prop_map(|(page, pages, fill)| Step::Write { page, pages, fill }),
        6 => (0_usize..50 * ALIGN, 0_usize..9 * ALIGN).prop_map(|(offset, len)| Step::Read { offset, len }),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

/// Against a vector as the oracle.
pub async fn reads_return_what_was_written<R: Runtime>(rt: R) {
    store(&rt).await;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    for number in 0..40 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let name = format!("m{number}");
        let mut file = rt.open(path(&name), OpenMode::Create).await.unwrap();
        let mut model: Vec<u8> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            match *step {
                Step::Write { page, pages, fill } => {
                    let bytes: Vec<u8> = pattern(pages * ALIGN).iter().map(|byte| byte ^ fill).collect();
                    let start = page * ALIGN;
                    model.resize(model.len().max(start + bytes.len()), 0);
                    model[start..start + bytes.len()].copy_from_slice(&bytes);
                    file.write_at(start as u64, AlignedBuf::copy_of(&bytes)).await.unwrap();
                }
                Step::Read { offset, len } => {
                    let got = file.read_at(offset as u64, len).await;
                    match model.get(offset..offset + len) {
                        Some(want) => assert!(got.unwrap() == want, "step {at} of {steps:?}"),
                        // Nothing is asked for past the end: either answer is right.
                        None if len == 0 => {}
                        None => assert_eq!(kind(got), DiskErrorKind::Eof, "step {at} of {steps:?}"),
                    }
                }
                Step::Sync => file.sync().await.unwrap(),
                Step::Reopen => {
                    file.close().await.unwrap();
                    file = rt.open(path(&name), OpenMode::Write).await.unwrap();
                }
            }
            assert_eq!(file.size().await.unwrap(), model.len() as u64);
        }
        file.close().await.unwrap();
        rt.remove(path(&name)).await.unwrap();
    }
}
