//! How long an acknowledged commit takes, and how many bytes a second the log takes, on each runtime.
//!
//! A writer waits for its acknowledgement before it writes again; acknowledged is durable. The runtimes take turns,
//! a round each, so that what else the machine does meets both.

use async_executor::LocalExecutor;
use bytes::Bytes;
use clap::Parser;
use futures_lite::future::block_on;
use postlode_benches::figures::{Times, mb, median, rate};
use postlode_benches::{BenchError, machine, place, stores};
use postlode_format::row::{Row, RowKind, blob_key};
use postlode_runtime::Choice;
use postlode_store::{Store, StoreError};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Measures commits.
#[derive(Parser)]
struct Arguments {
    /// Rounds of each runtime.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Bytes of a commit whose time is taken.
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
    /// Folder for throw-away stores (default: the target folder).
    #[arg(long)]
    within: Option<PathBuf>,
}

/// Writers at once.
const WRITERS: [usize; 3] = [1, 8, 64];
/// Bytes of each write of the throughput figure, and how many are in flight.
const LARGE: (usize, usize) = (256 << 10, 8);
/// Bytes that the throughput figure writes: within one memtable, so that nothing is sealed meanwhile.
const VOLUME: u64 = 256 << 20;

struct Measured {
    runtime: Choice,
    latency: Vec<Times>,
    commits: Vec<f64>,
    throughput: Vec<f64>,
    /// Rows in one group commit, with the most writers.
    grouped: Vec<f64>,
}

fn main() -> Result<(), BenchError> {
    let arguments = Arguments::parse();
    println!("commit: {}", machine::told());
    let scratch = place::throw_away(arguments.within.as_deref())?;
    let mut measured: Vec<Measured> = Vec::new();
    for runtime in stores::runtimes() {
        let empty = || vec![Times::default(); WRITERS.len()];
        measured.push(Measured {
            runtime,
            latency: empty(),
            commits: vec![0.0; WRITERS.len()],
            throughput: Vec::new(),
            grouped: Vec::new(),
        });
    }
    for _ in 0..arguments.rounds.max(1) {
        for one in &mut measured {
            let data = tempfile::tempdir_in(scratch.path()).map_err(BenchError::io("a folder"))?;
            let mut options = stores::options();
            options.memtable_bytes = 2 << 30;
            let store = stores::open(data.path(), one.runtime, options, stores::cpu_pool()?)?;
            round(&store, &arguments, one)?;
            // Without closing, which would seal what nobody needs.
            drop(store);
        }
    }
    for one in &measured {
        println!("\n{}, {} shards", one.runtime.name(), machine::cores());
        for ((writers, times), commits) in WRITERS.iter().zip(&one.latency).zip(&one.commits) {
            let a_second = commits / arguments.rounds.max(1) as f64;
            println!(
                "  {} B commit, {writers:>2} writers   {}  {a_second:>8.0} a second",
                arguments.bytes,
                times.told()
            );
        }
        println!("  rows in a group commit, {} writers   {:.1}", WRITERS[2], median(&one.grouped));
        let (bytes, flight) = LARGE;
        println!(
            "  log appends, {} KiB by {flight} writers   {:.0} MB/s",
            bytes >> 10,
            median(&one.throughput)
        );
    }
    Ok(())
}

fn round(store: &Store, arguments: &Arguments, into: &mut Measured) -> Result<(), BenchError> {
    let time = Duration::from_secs_f64(arguments.seconds.max(0.1));
    // Files are made and zeroed on the first commits.
    write(store, 4, arguments.bytes, Until::Time(time / 10))?;
    for (n, writers) in WRITERS.into_iter().enumerate() {
        let before = counts(store)?;
        let (times, seconds) = write(store, writers, arguments.bytes, Until::Time(time))?;
        let after = counts(store)?;
        if let Some(sum) = into.commits.get_mut(n) {
            *sum += rate(times.len() as u64, seconds);
        }
        if let Some(all) = into.latency.get_mut(n) {
            all.extend(&times);
        }
        if n + 1 == WRITERS.len() {
            into.grouped.push(rate(after.1 - before.1, (after.0 - before.0) as f64));
        }
    }
    let (bytes, flight) = LARGE;
    let (times, seconds) = write(store, flight, bytes, Until::Bytes(VOLUME))?;
    into.throughput.push(mb((times.len() * bytes) as u64) / seconds);
    Ok(())
}

/// Group commits and rows of all shards.
fn counts(store: &Store) -> Result<(u64, u64), BenchError> {
    let shards = block_on(store.stats())?.shards;
    Ok(shards.iter().fold((0, 0), |(commits, rows), s| (commits + s.commits, rows + s.committed_rows)))
}

/// When writers end.
#[derive(Clone, Copy)]
enum Until {
    Time(Duration),
    Bytes(u64),
}

/// Writers that each wait for their acknowledgement, as tasks of one thread. Gives the times of all commits, and
/// the seconds that all took together.
fn write(store: &Store, writers: usize, bytes: usize, until: Until) -> Result<(Times, f64), BenchError> {
    let executor = Rc::new(LocalExecutor::new());
    // Bytes that do not compress; the log does not try, but the device might.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let content: Bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(bytes)
    .collect();
    let start = Instant::now();
    let tasks: Vec<_> = (0..writers as u64)
        .map(|writer| {
            let content = content.clone();
            let most = match until {
                Until::Time(_) => u64::MAX,
                Until::Bytes(volume) => volume / writers as u64 / bytes as u64,
            };
            executor.spawn(async move {
                let mut times = Times::default();
                for n in 0..most {
                    if matches!(until, Until::Time(time) if start.elapsed() >= time) {
                        break;
                    }
                    let begun = Instant::now();
                    store.put(vec![row(writer, n, bytes, &content)]).await?;
                    times.add(begun.elapsed());
                }
                Ok::<Times, StoreError>(times)
            })
        })
        .collect();
    let times = block_on(executor.run(async {
        let mut all = Times::default();
        for task in tasks {
            all.extend(&task.await?);
        }
        Ok::<Times, StoreError>(all)
    }))?;
    Ok((times, start.elapsed().as_secs_f64()))
}

/// A row of its own for each write, spread over the shards.
fn row(writer: u64, n: u64, bytes: usize, content: &Bytes) -> Row {
    let mut name = [0u8; 32];
    let number = (writer << 48 | n).wrapping_add(bytes as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for (to, from) in name
        .iter_mut()
        .zip(number.to_be_bytes().into_iter().chain(writer.to_be_bytes()).chain(n.to_be_bytes()))
    {
        *to = from;
    }
    Row { kind: RowKind::BlobChunk, key: blob_key(&name, 0).into(), value: content.clone() }
}
