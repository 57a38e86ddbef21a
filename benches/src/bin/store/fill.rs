//! Fills a store, in a process of its own, and kills that.

use futures_lite::future::block_on;
use postlode_benches::{BenchError, mails, stores};
use postlode_format::row::Row;
use postlode_store::{LoadBatch, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Emails of one batch.
const BATCH: u64 = 256;
/// Threads that make emails up and wait for their acknowledgement.
const WRITERS: usize = 4;
/// How long the process goes on writing before it is killed.
const GOES_ON: Duration = Duration::from_millis(700);

/// What the filling process did.
#[derive(Serialize, Deserialize)]
pub struct Filled {
    pub seconds: f64,
    /// Bytes of all records that it stored.
    pub records: u64,
    /// Bytes that it gave the disk until then, merging among them.
    pub written: u64,
}

/// Starts a process that fills, and kills it some time after it has.
pub fn and_killed(data: &Path, emails: u64, bytes: usize) -> Result<Filled, BenchError> {
    let program = std::env::current_exe().map_err(BenchError::io("this program"))?;
    let mut child = Command::new(program)
        .arg("--fill")
        .arg(data)
        .args(["--emails", &emails.to_string(), "--bytes", &bytes.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(BenchError::io("a process"))?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).map_err(BenchError::io("what the process says"))?;
    }
    std::thread::sleep(GOES_ON);
    child.kill().map_err(BenchError::io("killing the process"))?;
    child.wait().map_err(BenchError::io("waiting for the process"))?;
    Ok(serde_json::from_str(&line)?)
}

/// Fills, says so, and goes on.
pub fn until_killed(data: &Path, emails: u64, bytes: usize) -> Result<(), BenchError> {
    let cpu = stores::cpu_pool()?;
    let store = stores::open(data, postlode_runtime::choose(None).0, stores::options(), cpu)?;
    let since = Instant::now();
    write(&store, 0..emails, bytes)?;
    let seconds = since.elapsed().as_secs_f64();
    let filled = Filled { seconds, records: record_bytes(emails, bytes)?, written: written() };
    println!("{}", serde_json::to_string(&filled)?);
    std::io::stdout().flush().map_err(BenchError::io("the output"))?;
    // More than the time until the kill allows.
    write(&store, emails..emails.saturating_add(1_000_000), bytes)
}

fn write(store: &Store, numbers: std::ops::Range<u64>, bytes: usize) -> Result<(), BenchError> {
    let next = AtomicU64::new(numbers.start);
    let one = || loop {
        let from = next.fetch_add(BATCH, Ordering::Relaxed);
        if from >= numbers.end {
            return Ok(());
        }
        let batch = mails::batch(from..from.saturating_add(BATCH).min(numbers.end), bytes)?;
        load(store, batch)?;
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS).map(|_| scope.spawn(one)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(BenchError::Other("a writer panicked".into())))
        })
    })
}

fn load(store: &Store, batch: LoadBatch) -> Result<(), BenchError> {
    loop {
        match block_on(store.load(batch.clone())) {
            Err(StoreError::Busy) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

/// Bytes of the records of so many emails, from a sample.
pub fn record_bytes(emails: u64, bytes: usize) -> Result<u64, BenchError> {
    let sample = mails::batch(0..BATCH, bytes)?;
    let rows = |row: &Row| row.key.len() + row.value.len();
    let sum: usize = sample.emails.iter().map(|e| e.email.len() + e.body.len() + rows(&e.place)).sum();
    Ok(sum as u64 * emails / BATCH)
}

/// Bytes that this process gave the disk.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}
