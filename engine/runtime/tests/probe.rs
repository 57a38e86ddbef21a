//! Where io_uring is forbidden, the probe says why and the portable runtime works: tried in a child process that
//! forbids it to itself, as container runtimes do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_runtime::glommio::GlommioSpawner;
use postlode_runtime::portable::PortableSpawner;
use postlode_runtime::{AlignedBuf, Choice, CpuPool, DiskFile, OpenMode, Runtime, Spawner, choose, probe};
use std::path::Path;
use std::process::Command;

const DENIED: &str = "POSTLODE_TEST_DENIED";

/// Has all io_uring calls of this process answered by an error number.
fn deny_io_uring(errno: i32) {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};
    // io_uring_setup, io_uring_enter, io_uring_register: numbers of every architecture since Linux 5.1.
    let rules = [425, 426, 427].into_iter().map(|call| (call, vec![])).collect();
    let answer = SeccompAction::Errno(errno.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    apply_filter_all_threads(&program).unwrap();
}

fn child(errno: i32) -> String {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "in_the_child", "--nocapture", "--test-threads=1"])
        .env(DENIED, errno.to_string())
        .env_remove("POSTLODE_RUNTIME")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{said}\n{}", String::from_utf8_lossy(&child.stderr));
    assert!(said.contains("portable works"), "{said}");
    said
}

/// The other half of the tests below: by itself it does nothing.
#[test]
fn in_the_child() {
    let Ok(errno) = std::env::var(DENIED) else { return };
    deny_io_uring(errno.parse().unwrap());
    println!("the probe says: {}", probe::io_uring().unwrap_err());
    let (choice, message) = choose(None);
    assert_eq!(choice, Choice::Portable);
    println!("the choice says: {}", message.unwrap());

    let dir = tempfile::tempdir().unwrap();
    let cpu = CpuPool::new(1).unwrap();
    // Without asking first, glommio fails to start and says so.
    let started = GlommioSpawner::new(dir.path().to_owned(), cpu.clone())
        .start("denied", Box::new(|_| Box::pin(async {})));
    println!("glommio says: {}", started.err().unwrap());

    let shard = PortableSpawner::new(dir.path().to_owned(), cpu).start(
        "portable",
        Box::new(|rt| {
            Box::pin(async move {
                let file = rt.open(Path::new("f"), OpenMode::Create).await.unwrap();
                file.write_at(0, AlignedBuf::copy_of(b"here")).await.unwrap();
                file.sync().await.unwrap();
                assert_eq!(file.read_at(0, 4).await.unwrap(), b"here"[..]);
                file.close().await.unwrap();
            })
        }),
    );
    shard.unwrap().join().unwrap();
    println!("portable works");
}

#[test]
fn forbidden_by_a_profile() {
    let said = child(1);
    assert!(said.contains("the probe says: io_uring_setup is not permitted: a seccomp"), "{said}");
    assert!(
        said.contains("the choice says: running without io_uring, on the portable runtime: io_uring_setup")
    );
}

#[test]
fn hidden_by_a_sandbox() {
    let said = child(38);
    assert!(said.contains("the probe says: there is no io_uring_setup here"), "{said}");
}

#[test]
fn no_memory_may_be_locked() {
    let said = child(12);
    assert!(
        said.contains("the probe says: io_uring_setup got no memory: the limit of locked memory"),
        "{said}"
    );
}

#[test]
fn here() {
    match probe::io_uring() {
        Ok(()) => println!("io_uring can be used here"),
        Err(reason) => println!("io_uring cannot be used here: {reason}"),
    }
}
