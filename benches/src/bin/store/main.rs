//! A store of a million emails: how long it takes to fill and to open again after a kill -9, what it takes on disk, how
//! long reads take from the cache and from the disk, and what they take while all of it is merged.
//!
//! The one that fills it is a process of its own, which is killed while it goes on writing.

mod fill;
mod load;
mod reads;

use clap::Parser;
use futures_lite::future::block_on;
use postlode_benches::figures::{mb, rate};
use postlode_benches::{BenchError, machine, place, stores};
use postlode_runtime::CpuPool;
use postlode_store::{KeyRange, Store, StoreOptions};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Measures a large store.
#[derive(Parser)]
struct Arguments {
    /// Emails in the store.
    #[arg(long, default_value_t = 1_000_000)]
    emails: u64,
    /// Bytes of a body.
    #[arg(long, default_value_t = 2_000)]
    bytes: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Folder for throw-away stores (default: the target folder).
    #[arg(long)]
    within: Option<PathBuf>,
    /// Fills the store in this folder, and goes on until it is killed: what the benchmark calls itself for.
    #[arg(long, hide = true)]
    fill: Option<PathBuf>,
}

fn main() -> Result<(), BenchError> {
    let arguments = Arguments::parse();
    if let Some(data) = &arguments.fill {
        return fill::until_killed(data, arguments.emails, arguments.bytes);
    }
    println!("store: {}", machine::told());
    let scratch = place::throw_away(arguments.within.as_deref())?;
    let data = scratch.path().join("store");
    filled(&data, &arguments)?;
    let cpu = stores::cpu_pool()?;
    let store = reopened(&data, stores::options(), &cpu, "after kill -9")?;
    on_disk(&store, &data, &arguments)?;
    block_on(store.close())?;

    let mut one_shard = stores::options();
    one_shard.shards = 1;
    one_shard.fan_in = 0;
    let store = reopened(&data, one_shard.clone(), &cpu, "one shard, after a clean close")?;
    reads::cached(&store, arguments.emails, arguments.seconds)?;
    block_on(store.close())?;

    let mut no_cache = one_shard;
    no_cache.cache_bytes = 0;
    let store = open(&data, no_cache, &cpu)?;
    reads::cold(&store, arguments.emails, arguments.seconds)?;
    block_on(store.close())?;

    let mut by_hand = stores::options();
    by_hand.fan_in = 0;
    let store = open(&data, by_hand, &cpu)?;
    load::beside_compaction(&store, arguments.emails, arguments.seconds)?;
    on_disk(&store, &data, &arguments)?;
    reads::cached(&store, arguments.emails, arguments.seconds)?;
    block_on(store.close())?;
    Ok(())
}

/// Has the store filled by another process, and kills that.
fn filled(data: &Path, arguments: &Arguments) -> Result<(), BenchError> {
    let filled = fill::and_killed(data, arguments.emails, arguments.bytes)?;
    println!(
        "  filled: {} emails in {:.1} s, {:.0} a second, {:.0} MB of records, {:.0} MB written to disk ({:.2} times)",
        arguments.emails,
        filled.seconds,
        rate(arguments.emails, filled.seconds),
        mb(filled.records),
        mb(filled.written),
        filled.written as f64 / filled.records.max(1) as f64,
    );
    Ok(())
}

fn open(data: &Path, options: StoreOptions, cpu: &CpuPool) -> Result<Store, BenchError> {
    stores::open(data, postlode_runtime::choose(None).0, options, cpu.clone())
}

fn reopened(data: &Path, options: StoreOptions, cpu: &CpuPool, how: &str) -> Result<Store, BenchError> {
    let since = Instant::now();
    let store = open(data, options, cpu)?;
    let opened = since.elapsed();
    let emails = block_on(store.count(postlode_format::index::IndexId::Date, KeyRange::prefix(&[])))?;
    println!(
        "  opened {how}: {:.0} ms, {:.0} ms to the first answer ({emails} emails)",
        opened.as_secs_f64() * 1e3,
        since.elapsed().as_secs_f64() * 1e3
    );
    Ok(store)
}

fn on_disk(store: &Store, data: &Path, arguments: &Arguments) -> Result<(), BenchError> {
    let stats = block_on(store.stats())?;
    let bytes = place::bytes_in(data)?;
    let records = fill::record_bytes(arguments.emails, arguments.bytes)?;
    println!(
        "  on disk: {} segments, {:.0} MB with logs, {:.0} bytes an email, {:.2} times the records",
        stats.segments.len(),
        mb(bytes),
        bytes as f64 / stats.emails.max(1) as f64,
        bytes as f64 / records.max(1) as f64
    );
    Ok(())
}
