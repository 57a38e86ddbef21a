//! Stores to measure, on a runtime of one's choice.

use crate::{BenchError, machine};
use futures_lite::future::block_on;
use postlode_ingest::{LoadReport, LoadRequest, Loader, Parsers};
use postlode_runtime::glommio::GlommioSpawner;
use postlode_runtime::portable::PortableSpawner;
use postlode_runtime::{Choice, CpuPool};
use postlode_store::{Access, Store, StoreOptions};
use postlode_text::TextIndex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The options of a writer with one shard a core, as the program opens one, but without vectors.
#[must_use]
pub fn options() -> StoreOptions {
    StoreOptions::new(machine::cores(), Access::Write, Arc::new(TextIndex))
}

/// A pool of one thread a core.
///
/// # Errors
/// Where the system gives no thread.
pub fn cpu_pool() -> Result<CpuPool, BenchError> {
    CpuPool::new(machine::cores()).map_err(BenchError::io("threads"))
}

/// Opens a store.
///
/// # Errors
/// What the store says.
pub fn open(data: &Path, runtime: Choice, options: StoreOptions, cpu: CpuPool) -> Result<Store, BenchError> {
    let data = data.to_owned();
    let store = match runtime {
        Choice::Glommio => block_on(Store::open(GlommioSpawner::new(data, cpu), options)),
        Choice::Portable => block_on(Store::open(PortableSpawner::new(data, cpu), options)),
    };
    Ok(store?)
}

/// The runtimes that this machine can run, the default first.
#[must_use]
pub fn runtimes() -> Vec<Choice> {
    match postlode_runtime::choose(Some(Choice::Glommio)).0 {
        Choice::Glommio => vec![Choice::Glommio, Choice::Portable],
        Choice::Portable => vec![Choice::Portable],
    }
}

/// Loads archives whole.
///
/// # Errors
/// Where the load ends early, or not everything in the archives could be read.
pub fn load(store: &Store, paths: &[PathBuf]) -> Result<LoadReport, BenchError> {
    let request = LoadRequest { paths: paths.to_vec(), ..LoadRequest::default() };
    let report = block_on(Loader::new(store.clone(), Parsers::Threads).start(request)?.finish())?;
    whole(&report)?;
    Ok(report)
}

/// A figure of a load that lost something would be worth nothing.
///
/// # Errors
/// Where it did.
pub fn whole(report: &LoadReport) -> Result<(), BenchError> {
    if report.clean() {
        return Ok(());
    }
    let refused = report.archives.iter().filter(|archive| archive.refused.is_some()).count();
    Err(BenchError::Other(format!(
        "{} items failed, {} were found, and {refused} archives were refused: no figures of that",
        report.failed, report.found
    )))
}

/// A store of made-up mail in a throw-away folder, loaded and compacted, with the pool that it runs on and what the load told.
///
/// # Errors
/// Where it cannot be made, or not everything could be read.
pub fn of_made_up(
    scratch: &Path,
    messages: u64,
    runtime: Choice,
) -> Result<(Store, CpuPool, LoadReport), BenchError> {
    let archive = scratch.join("made-up.pst");
    pstgen::generate(&pstgen::Options::new(&archive, messages))?;
    let cpu = cpu_pool()?;
    let store = open(&scratch.join("store"), runtime, options(), cpu.clone())?;
    let report = load(&store, &[archive])?;
    block_on(store.compact())?;
    Ok((store, cpu, report))
}
