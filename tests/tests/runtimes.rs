//! The program where io_uring is forbidden: a clear line, the portable runtime, and the same result.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, number};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};

/// Has the io_uring calls of this process, and of those it starts, refused as Docker refuses them.
fn forbid_io_uring() {
    // io_uring_setup, io_uring_enter, io_uring_register: the same numbers on every architecture.
    let rules = [425, 426, 427].into_iter().map(|call| (call, vec![])).collect();
    let refused = SeccompAction::Errno(1);
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    apply_filter_all_threads(&program).unwrap();
}

#[test]
fn without_io_uring_the_portable_runtime_does_it() {
    forbid_io_uring();
    let scene = Scene::new();
    let (archive, made) = scene.archive("a.pst", 200, 16);
    let ended = scene.run(&["load", "--json", archive.to_str().unwrap()]).code(0);
    assert_eq!(number(&ended.json(), "found"), made.items);
    let told: Vec<&str> = ended.err.lines().filter(|line| line.contains("io_uring")).collect();
    assert_eq!(told.len(), 1, "{}", ended.err);
    assert!(told[0].contains("portable runtime"), "{}", ended.err);
    drop(scene.run(&["segment", "verify"]).code(0));
}
