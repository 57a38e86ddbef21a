//! What the runtimes cost, printed: `cargo test -p postlode-runtime --release --test figures -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_runtime::glommio::GlommioSpawner;
use postlode_runtime::portable::PortableSpawner;
use postlode_runtime::{ALIGN, AlignedBuf, CpuPool, DiskFile, OpenMode, Runtime, Spawner};
use std::path::Path;
use std::time::{Duration, Instant};

const FILE_BYTES: u64 = 64 << 20;

fn told(what: &str, operation: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e6;
    println!("{what:<9} {operation:<28} {:>8.1} us median {:>8.1} us p99", at(50), at(99));
}

fn measure<S: Spawner>(what: &'static str, spawner: &S) {
    let main = move |rt: S::Runtime| -> postlode_runtime::LocalFuture<()> {
        Box::pin(async move {
            rt.create_dir_all(Path::new("")).await.unwrap();
            let file = rt.open(Path::new("f"), OpenMode::Create).await.unwrap();
            let ones = vec![1; 1 << 20];
            let mut times = Vec::new();
            for at in (0..FILE_BYTES).step_by(1 << 20) {
                let start = Instant::now();
                file.write_at(at, AlignedBuf::copy_of(&ones)).await.unwrap();
                times.push(start.elapsed());
            }
            file.sync().await.unwrap();
            told(what, "write 1 MiB, growing", times);
            for (name, len) in [("read 4 KiB at random", ALIGN), ("read 64 KiB at random", 64 << 10)] {
                let mut times = Vec::new();
                for _ in 0..1000 {
                    let at = rt.random_u64() % (FILE_BYTES - len as u64) / ALIGN as u64 * ALIGN as u64;
                    let start = Instant::now();
                    file.read_at(at, len).await.unwrap();
                    times.push(start.elapsed());
                }
                told(what, name, times);
            }
            for (name, len) in [("4 KiB in place and sync", ALIGN), ("64 KiB in place and sync", 64 << 10)] {
                let mut times = Vec::new();
                for number in 0..500 {
                    let start = Instant::now();
                    file.write_at(number * len as u64, AlignedBuf::copy_of(&ones[..len])).await.unwrap();
                    file.sync().await.unwrap();
                    times.push(start.elapsed());
                }
                told(what, name, times);
            }
            file.close().await.unwrap();
        })
    };
    spawner.start(what, Box::new(main)).unwrap().join().unwrap();
}

#[test]
#[ignore = "it measures"]
fn figures() {
    let dir = || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (one, other) = (dir(), dir());
    let cpu = CpuPool::new(1).unwrap();
    measure("portable", &PortableSpawner::new(one.path().to_owned(), cpu.clone()));
    measure("glommio", &GlommioSpawner::new(other.path().to_owned(), cpu));
}
