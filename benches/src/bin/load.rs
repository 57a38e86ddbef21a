//! How fast archives are loaded into a new store, on the default runtime.
//!
//! Each run is a process of its own, so that its memory is its own, too. The rate is that of the load's report:
//! from the first byte read to the last item acknowledged, hashing included. Sealing at the end, which the program
//! does when it closes the store, is told apart.

use clap::Parser;
use futures_lite::future::block_on;
use postlode_benches::figures::{mb, median, rate, spread};
use postlode_benches::{BenchError, machine, place, stores};
use postlode_ingest::{LoadEvent, LoadRequest, Loader, Parsers};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Measures loads.
#[derive(Parser)]
struct Arguments {
    /// Runs of each set of archives; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Messages of the made-up archive; 0 leaves it out.
    #[arg(long, default_value_t = 9_000)]
    messages: u64,
    /// Folder for throw-away stores (default: the target folder).
    #[arg(long)]
    within: Option<PathBuf>,
    /// Archives to load instead.
    archives: Vec<PathBuf>,
    /// One run, told as JSON: what this program calls itself for.
    #[arg(long, hide = true, requires = "archives")]
    once: Option<PathBuf>,
}

/// What one run gave.
#[derive(Serialize, Deserialize)]
struct Run {
    runtime: String,
    mails: u64,
    seconds: f64,
    seal_seconds: f64,
    cpu_seconds: f64,
    /// Stages of the load and the seconds they took, archives together.
    stages: Vec<(String, f64)>,
    /// Group commits, and the seconds that their fdatasyncs took, shards together.
    commits: u64,
    sync_seconds: f64,
    peak_rss: u64,
    disk_bytes: u64,
    source_bytes: u64,
}

/// The command by which this program becomes a parser, as `postlode` itself does.
const PARSER_COMMAND: &str = "parse-for-loader";

fn main() -> Result<(), BenchError> {
    if std::env::args_os().nth(1).is_some_and(|command| command == PARSER_COMMAND) {
        std::process::exit(postlode_ingest::parser_main().into());
    }
    let arguments = Arguments::parse();
    if let Some(data) = &arguments.once {
        println!("{}", serde_json::to_string(&once(data, &arguments.archives)?)?);
        return Ok(());
    }
    println!("load: {}", machine::told());
    let scratch = place::throw_away(arguments.within.as_deref())?;
    let mut sets: Vec<(String, Vec<PathBuf>)> = Vec::new();
    if arguments.archives.is_empty() {
        match place::real_archives() {
            Some(archives) => sets.push(("lists-dev archives, real mail".to_owned(), archives)),
            None => println!("no lists-dev archives here ({} names their folder)", place::CORPUS),
        }
        if arguments.messages > 0 {
            let path = scratch.path().join("made-up.pst");
            pstgen::generate(&pstgen::Options::new(&path, arguments.messages))?;
            sets.push((format!("{} made-up items", arguments.messages), vec![path]));
        }
    } else {
        sets.push(("archives as given".to_owned(), arguments.archives.clone()));
    }
    // Sets take turns, so that what else the machine does meets all of them.
    let mut runs: Vec<Vec<Run>> = sets.iter().map(|_| Vec::new()).collect();
    for _ in 0..arguments.runs.max(1) {
        for ((_, archives), runs) in sets.iter().zip(&mut runs) {
            let data = tempfile::tempdir_in(scratch.path()).map_err(BenchError::io("a folder"))?;
            runs.push(child(&data.path().join("store"), archives)?);
        }
    }
    for ((name, _), runs) in sets.iter().zip(&runs) {
        tell(name, runs);
    }
    Ok(())
}

/// Runs this program once more for one load.
fn child(data: &Path, archives: &[PathBuf]) -> Result<Run, BenchError> {
    let own = std::env::current_exe().map_err(BenchError::io("this program"))?;
    let output = Command::new(own).arg("--once").arg(data).args(archives).output();
    let output = output.map_err(BenchError::io("a run"))?;
    if !output.status.success() {
        return Err(BenchError::Other(format!(
            "a run failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn once(data: &Path, archives: &[PathBuf]) -> Result<Run, BenchError> {
    let mut paths = Vec::new();
    for path in archives {
        paths.push(std::path::absolute(path).map_err(BenchError::io(path.display().to_string()))?);
    }
    let (runtime, _) = postlode_runtime::choose(None);
    let store = stores::open(data, runtime, stores::options(), stores::cpu_pool()?)?;
    let parsers =
        Parsers::Processes { program: "/proc/self/exe".into(), arguments: vec![PARSER_COMMAND.into()] };
    let load = Loader::new(store.clone(), parsers).start(LoadRequest { paths, ..LoadRequest::default() })?;
    let mut stages = Stages::default();
    let memory = machine::FamilyMemory::watch();
    let report = loop {
        match block_on(load.next()) {
            Some(LoadEvent::Progress(progress)) => stages.enter(&progress.stage, progress.seconds),
            Some(LoadEvent::Archive(_)) => {}
            Some(LoadEvent::Done(report)) => break report,
            Some(LoadEvent::Failed { error }) => return Err(BenchError::Other(error)),
            None => return Err(BenchError::Other("the load told no end".to_owned())),
        }
    };
    stages.enter("", report.seconds);
    stores::whole(&report)?;
    let shards = block_on(store.stats())?.shards;
    let start = Instant::now();
    block_on(store.close())?;
    let mut source_bytes = 0u64;
    for archive in &report.archives {
        source_bytes = source_bytes.saturating_add(archive.bytes);
    }
    Ok(Run {
        runtime: runtime.name().to_owned(),
        mails: report.found,
        seconds: report.seconds,
        seal_seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: machine::cpu_seconds(),
        stages: stages.done,
        commits: shards.iter().map(|shard| shard.commits).sum(),
        sync_seconds: shards.iter().map(|shard| shard.sync_micros as f64 / 1e6).sum(),
        peak_rss: memory.peak().max(machine::peak_rss()),
        disk_bytes: place::bytes_in(data)?,
        source_bytes,
    })
}

/// Which stage ran how long, from the load's progress.
#[derive(Default)]
struct Stages {
    done: Vec<(String, f64)>,
    now: Option<(String, f64)>,
}

impl Stages {
    /// At `seconds` the load is in this stage.
    fn enter(&mut self, stage: &str, seconds: f64) {
        if self.now.as_ref().is_some_and(|(now, _)| now == stage) {
            return;
        }
        if let Some((last, since)) = self.now.replace((stage.to_owned(), seconds)) {
            let time = seconds - since;
            match self.done.iter_mut().find(|(name, _)| *name == last) {
                Some((_, sum)) => *sum += time,
                None => self.done.push((last, time)),
            }
        }
    }
}

fn tell(name: &str, runs: &[Run]) {
    let of = |figure: fn(&Run) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
    let Some(first) = runs.first() else { return };
    let rates: Vec<f64> = runs.iter().map(|run| rate(run.mails, run.seconds) * 60.0).collect();
    let sealed: Vec<f64> =
        runs.iter().map(|run| rate(run.mails, run.seconds + run.seal_seconds) * 60.0).collect();
    println!("\n{name}: {} mails, {:.1} MB, {}", first.mails, mb(first.source_bytes), first.runtime);
    println!("  mails a minute               {}", spread(&rates));
    println!("  the same, sealing included   {}", spread(&sealed));
    print!("  seconds                      {:.2} =", of(|run| run.seconds));
    for (stage, _) in &first.stages {
        let times = runs.iter().filter_map(|run| run.stages.iter().find(|(name, _)| name == stage));
        print!(" {stage} {:.2}", median(&times.map(|(_, time)| *time).collect::<Vec<_>>()));
    }
    println!("; then sealing {:.2}", of(|run| run.seal_seconds));
    println!("  processor seconds            {:.2}", of(|run| run.cpu_seconds));
    println!(
        "  group commits                {:.0}, {:.2} s in fdatasync",
        of(|r| r.commits as f64),
        of(|r| r.sync_seconds)
    );
    println!("  peak memory, all processes   {:.0} MB", of(|run| run.peak_rss as f64) / 1e6);
    println!(
        "  bytes on disk a mail         {:.0}",
        of(|run| run.disk_bytes as f64 / run.mails.max(1) as f64)
    );
}
