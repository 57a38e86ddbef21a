//! Every target over its seeds and seeded changes of them.
//!
//! `POSTLODE_FUZZ_SEED` takes another seed, `POSTLODE_FUZZ_CASES` more or fewer cases, `POSTLODE_FUZZ_ONLY` runs one
//! case alone, and `POSTLODE_FUZZ_TRACE=1` names each case before it runs, for those that end the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may panic, and prints"
)]

use postlode_fuzz::mutate::{Random, mutated};
use postlode_fuzz::{TARGETS, Target};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Cases of each target beside its seeds.
const CASES: u64 = 2_000;
/// The seed where nobody gives one.
const SEED: u64 = 0x706f_7374;
/// A case that takes longer hangs; all take milliseconds, but the machine may be busy.
const SLOW: Duration = Duration::from_secs(30);

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

fn run_one(target: &Target, what: &str, bytes: &[u8]) {
    if std::env::var_os("POSTLODE_FUZZ_TRACE").is_some() {
        eprintln!("{}: {what}, {} bytes", target.name, bytes.len());
    }
    let start = Instant::now();
    let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    let time = start.elapsed();
    if ended.is_err() || time > SLOW {
        let dir = std::env::temp_dir().join(format!("postlode-fuzz-{}-{}", target.name, std::process::id()));
        std::fs::write(&dir, bytes).unwrap();
        let how = if ended.is_err() { "a panic".to_owned() } else { format!("{time:?}") };
        panic!("target {}, {what}: {how}; its {} bytes are in {}", target.name, bytes.len(), dir.display());
    }
}

fn run(name: &str) {
    let target = TARGETS.iter().find(|t| t.name == name).unwrap();
    let seeds = (target.seeds)().unwrap();
    assert!(!seeds.is_empty());
    let seed = number("POSTLODE_FUZZ_SEED").unwrap_or(SEED);
    let cases = match number("POSTLODE_FUZZ_ONLY") {
        Some(case) => case..case + 1,
        None => {
            for (n, bytes) in seeds.iter().enumerate() {
                run_one(target, &format!("seed input {n}"), bytes);
            }
            0..number("POSTLODE_FUZZ_CASES").unwrap_or(CASES)
        }
    };
    for case in cases {
        let bytes = mutated(&seeds, &mut Random::new(seed, name, case));
        run_one(target, &format!("POSTLODE_FUZZ_SEED={seed} POSTLODE_FUZZ_ONLY={case}"), &bytes);
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { run(stringify!($name)); })*

        #[test]
        fn all_are_run() {
            let names: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

targets!(attachment block btree columns headers html log mail manifest operations query rows rtf segment text vectors);

/// Each target is an entry of libFuzzer too.
#[test]
fn all_have_an_entry() {
    for target in TARGETS {
        let name = target.name;
        let entry = format!("{}/fuzz_targets/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(&entry).unwrap_or_else(|e| panic!("{entry}: {e}"));
        assert!(source.contains(&format!("postlode_fuzz::{name}::target")), "{entry}");
    }
}
