//! What concerns the threads of the runtimes that have some.

use crate::{cpu, folder, on};
use futures_lite::future::block_on;
use postlode_runtime::glommio::GlommioSpawner;
use postlode_runtime::portable::PortableSpawner;
use postlode_runtime::{DiskErrorKind, Runtime, Spawner, offload};
use std::path::Path;
use std::time::{Duration, Instant};

/// Whether the cases of io_uring can be run here.
pub fn ring() -> bool {
    postlode_runtime::probe::io_uring().inspect_err(|reason| println!("NOT TESTED: {reason}")).is_ok()
}

/// A request from a plain thread wakes the shard, and its answer the thread, without waiting for any timer.
fn hop<S: Spawner>(what: &str, spawner: &S) {
    let (sender, receiver) = async_channel::bounded::<(u64, oneshot::Sender<u64>)>(128);
    let shard = spawner
        .start(
            "hop",
            Box::new(move |_| {
                Box::pin(async move {
                    while let Ok((number, reply)) = receiver.recv().await {
                        reply.send(number + 1).unwrap();
                    }
                })
            }),
        )
        .unwrap();
    let mut times = Vec::new();
    for number in 0..500_u64 {
        let (reply, answer) = oneshot::channel();
        // The shard is asleep by then, most of the time.
        std::thread::sleep(Duration::from_micros(200));
        let start = Instant::now();
        sender.send_blocking((number, reply)).unwrap();
        assert_eq!(block_on(answer.into_future()).unwrap(), number + 1);
        times.push(start.elapsed());
    }
    drop(sender);
    shard.join().unwrap();
    times.sort_unstable();
    println!("{what}: a hop and back takes {:?} in the median, {:?} at p99", times[250], times[495]);
    // Far above what it takes, far below any timer or poll interval.
    assert!(times[250] < Duration::from_millis(2), "{:?}", times[250]);
}

fn ends<S: Spawner>(spawner: &S) {
    // A panic of the main task is an error of the join, and the others go on.
    let shard = spawner.start("fails", Box::new(|_| Box::pin(async { panic!("on purpose") }))).unwrap();
    let error = shard.join().unwrap_err();
    assert!(error.kind == DiskErrorKind::Io && error.reason.contains("on purpose"), "{error}");
    on(spawner, |_| Box::pin(async {}));

    // So is one of a task beside it.
    let shard = spawner
        .start(
            "fails",
            Box::new(|rt| {
                Box::pin(async move {
                    rt.spawn(Box::pin(async { panic!("beside") }));
                    rt.sleep(Duration::from_secs(3600)).await;
                })
            }),
        )
        .unwrap();
    let error = shard.join().unwrap_err();
    assert!(error.reason.contains("beside"), "{error}");

    // Tasks that are left when the main task ends are dropped, and what they hold with them.
    let (sender, receiver) = async_channel::bounded::<()>(1);
    on(spawner, move |rt| {
        Box::pin(async move {
            let task = rt.clone();
            rt.spawn(Box::pin(async move {
                task.sleep(Duration::from_secs(3600)).await;
                drop(sender);
            }));
            rt.sleep(Duration::from_millis(5)).await;
        })
    });
    assert!(block_on(receiver.recv()).is_err(), "the task and its sender are gone");

    // The thread has the shard's name.
    on(spawner, |_| Box::pin(async { assert_eq!(std::thread::current().name(), Some("conformance")) }));

    // Two shards of one spawner see one folder and one lock.
    let held = async_channel::bounded::<()>(1);
    let (go, wait) = async_channel::bounded::<()>(1);
    let holder = spawner
        .start(
            "holder",
            Box::new(move |rt| {
                Box::pin(async move {
                    rt.create_dir_all(Path::new("")).await.unwrap();
                    let lock = rt.lock(Path::new("lock")).await.unwrap();
                    held.0.send(()).await.unwrap();
                    wait.recv().await.unwrap();
                    drop(lock);
                })
            }),
        )
        .unwrap();
    block_on(held.1.recv()).unwrap();
    on(spawner, |rt| {
        Box::pin(async move {
            assert_eq!(rt.lock(Path::new("lock")).await.err().unwrap().kind, DiskErrorKind::Locked);
        })
    });
    block_on(go.send(())).unwrap();
    holder.join().unwrap();
    on(spawner, |rt| Box::pin(async move { drop(rt.lock(Path::new("lock")).await.unwrap()) }));

    // Offloaded work runs on other threads, and a shard goes on meanwhile.
    on(spawner, |rt| {
        Box::pin(async move {
            let here = std::thread::current().id();
            let (sender, receiver) = std::sync::mpsc::channel::<()>();
            let job = offload(&rt, move || {
                receiver.recv().unwrap();
                std::thread::current().id()
            });
            let other = async {
                rt.sleep(Duration::from_millis(5)).await;
                sender.send(()).unwrap();
            };
            let there = futures_lite::future::zip(job, other).await.0.unwrap();
            assert_ne!(here, there);
        })
    });
}

#[test]
fn portable_hops() {
    let dir = folder();
    hop("portable", &PortableSpawner::new(dir.path().to_owned(), cpu()));
}

#[test]
fn portable_ends() {
    let dir = folder();
    ends(&PortableSpawner::new(dir.path().to_owned(), cpu()));
}

#[test]
fn glommio_hops() {
    if !ring() {
        return;
    }
    let dir = folder();
    hop("glommio", &GlommioSpawner::new(dir.path().to_owned(), cpu()));
}

#[test]
fn glommio_ends() {
    if !ring() {
        return;
    }
    let dir = folder();
    ends(&GlommioSpawner::new(dir.path().to_owned(), cpu()));
}
