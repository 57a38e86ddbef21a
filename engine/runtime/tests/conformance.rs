//! One suite for every runtime: what the store relies on holds in each of them alike.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "conformance/cases.rs"]
mod cases;
#[path = "conformance/threads.rs"]
mod threads;

use postlode_runtime::{CpuPool, LocalFuture, Spawner};

/// Runs a case as the main task of a shard of that spawner.
fn on<S: Spawner>(spawner: &S, case: impl FnOnce(S::Runtime) -> LocalFuture<()> + Send + 'static) {
    spawner.start("conformance", Box::new(case)).unwrap().join().unwrap();
}

/// A folder of the test's own; under the build folder, because temporary folders are often of a file system that
/// no store would be on.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn cpu() -> CpuPool {
    CpuPool::new(2).unwrap()
}

/// The suite for a runtime: `run!(case)` runs one case on a fresh store.
macro_rules! suite {
    ($name:ident, $run:ident: $($case:ident),* $(,)?) => {
        mod $name {
            use super::*;
            $(#[test] fn $case() { $run(|runtime| Box::pin(cases::$case(runtime))); })*
        }
    };
}

macro_rules! every_case {
    ($name:ident, $run:ident) => {
        suite!($name, $run:
            create_write_read, reads_of_any_alignment, reads_past_the_end, long_reads, empty_reads,
            unaligned_writes_are_refused, open_modes, missing_files, rename_replaces, removing_twice_is_fine,
            folders_are_listed_in_order, publish_is_exclusive, whole_small_files, shared_files,
            the_lock_excludes, paths_stay_inside, sleeping, sleeping_in_order, yielding, spawned_tasks_run_on,
            offloaded_work, offloaded_panics_are_contained, more_offloaded_than_the_queue_holds,
            clocks_and_randomness, reads_return_what_was_written,
        );
    };
}

fn portable(
    case: impl FnOnce(postlode_runtime::portable::PortableRuntime) -> LocalFuture<()> + Send + 'static,
) {
    let dir = folder();
    on(&postlode_runtime::portable::PortableSpawner::new(dir.path().join("store"), cpu()), case);
}
every_case!(on_portable, portable);

fn glommio(case: impl FnOnce(postlode_runtime::glommio::GlommioRuntime) -> LocalFuture<()> + Send + 'static) {
    if !threads::ring() {
        return;
    }
    let dir = folder();
    on(&postlode_runtime::glommio::GlommioSpawner::new(dir.path().join("store"), cpu()), case);
}
every_case!(on_glommio, glommio);

fn sim(case: impl FnOnce(postlode_runtime::sim::SimRuntime) -> LocalFuture<()> + Send + 'static) {
    let sim = postlode_runtime::sim::Sim::new(7, postlode_runtime::sim::SimOptions::default());
    on(&sim.spawner(), case);
}
every_case!(on_sim, sim);
