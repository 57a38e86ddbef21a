//! A process that writes is killed at random moments, again and again; what it had acknowledged is kept outside, and is
//! there after each kill. `KILLS=n` kills n times (default 100).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test may panic, and starts a process"
)]

mod common;

use common::machine::Machine;
use common::*;
use postlode_store::*;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const FOLDER: &str = "POSTLODE_KILLED_FOLDER";
const FIRST: &str = "POSTLODE_KILLED_FIRST";

fn machine(folder: &Path, glommio: bool) -> Machine {
    if glommio { Machine::Glommio(folder.to_owned()) } else { Machine::Portable(folder.to_owned()) }
}

fn own() -> StoreOptions {
    small(48 << 10, 256 << 10)
}

/// Not a test by itself: the process that the test below starts and kills. It loads until it is killed, from three threads
/// at once, seals and merges now and then, and tells each acknowledged batch.
#[test]
fn the_process_that_is_killed() {
    let (Some(folder), Ok(first)) = (std::env::var_os(FOLDER), std::env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    let glommio = (first / 1_000_000).is_multiple_of(2);
    let machine = machine(&PathBuf::from(folder), glommio);
    let store = machine.open(own()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let store = store.clone();
            scope.spawn(move || {
                // The store's own threads do the work; these only wait for it.
                fn wait<T>(future: impl Future<Output = T>) -> T {
                    futures_lite::future::block_on(future)
                }
                let mut next = first + thread * 100_000;
                for round in 0u64.. {
                    let to = next + 1 + round % 9;
                    wait(store.load(batch(next..to))).unwrap();
                    // One write, so that a line is told whole or not at all.
                    std::io::stdout().write_all(format!("acknowledged {next} {to}\n").as_bytes()).unwrap();
                    next = to;
                    match round % 40 {
                        17 => wait(store.seal()).unwrap(),
                        31 if thread == 0 => drop(wait(store.compact()).unwrap()),
                        _ => {}
                    }
                }
            });
        }
    });
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let kills: u64 = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("store");
    let mut acknowledged: BTreeSet<u64> = BTreeSet::new();
    let mut told = 0;
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_process_that_is_killed", "--nocapture"])
            .env(FOLDER, &folder)
            .env(FIRST, (kill * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let (first, told_first) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let numbers = lines.lines().map_while(Result::ok).filter_map(|line| {
                let mut words = line.strip_prefix("acknowledged ")?.split(' ');
                let mut next = || words.next()?.parse::<u64>().ok();
                // Nobody may wait for it.
                let _ = first.send(());
                Some(next()?..next()?)
            });
            numbers.collect::<Vec<_>>()
        });
        // From before it is open to long after it first merged: of two one lives until it has acknowledged something,
        // however slow the machine is.
        if kill % 2 == 1 {
            told_first.recv_timeout(Duration::from_secs(30)).unwrap();
        }
        std::thread::sleep(Duration::from_millis(10 + (kill * 37) % 240));
        child.kill().unwrap();
        child.wait().unwrap();
        let batches = reader.join().unwrap();
        told += usize::from(!batches.is_empty());
        acknowledged.extend(batches.into_iter().flatten());
        let last = kill + 1 == kills;
        if kill % 10 == 9 || last {
            // By turns a reader that changes nothing, and a writer that seals what it finds.
            let mut options = own();
            if kill % 20 == 9 && !last {
                options.access = Access::Snapshot;
            }
            let machine = machine(&folder, kill % 4 == 1);
            let store = machine.open(options).unwrap();
            for part in acknowledged.iter().copied().collect::<Vec<_>>().chunks(500) {
                let ids: Vec<_> = part.iter().map(|n| email_id(*n)).collect();
                let emails = machine.wait(store.emails(&ids)).unwrap();
                let bodies = machine.wait(store.bodies(&ids)).unwrap();
                for ((n, email), body) in part.iter().zip(emails).zip(bodies) {
                    assert!(email.unwrap().is_some(), "after {kill} kills email {n} is not there");
                    assert!(body.unwrap().is_some(), "after {kill} kills body {n} is not there");
                }
            }
            assert_eq!(machine.wait(store.verify()).unwrap().damage, [], "after {kill} kills");
            let stats = machine.wait(store.stats()).unwrap();
            assert_eq!((stats.lost, stats.missing), (vec![], vec![]), "after {kill} kills");
            machine.wait(store.close()).unwrap();
        }
    }
    println!("{kills} kills, {told} of them after something was acknowledged: {} emails", acknowledged.len());
    assert!(told as u64 >= kills / 2, "{told} of {kills} told anything");
}
