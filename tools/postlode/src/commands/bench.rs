//! `bench`: how fast this machine does it, measured on a throw-away store.

use super::load::follow;
use crate::arguments::BenchLoad;
use crate::error::Failure;
use crate::hold::{Hold, OpenError, Plan};
use crate::measure::{FamilyMemory, bytes_on_disk, cpu_seconds};
use crate::output::{Cell, Console, Style};
use crate::settings::Settings;
use crate::sizes;
use postlode_ingest::{LoadReport, LoadRequest, StageTime};
use postlode_server::Shutdown;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a bench of a load gave.
#[derive(Serialize)]
struct Figures {
    mails: u64,
    source_bytes: u64,
    jobs: u64,
    /// From the first byte read to the last item acknowledged.
    seconds: f64,
    mails_per_minute: f64,
    /// The same with the sealing at the end: searchable by metadata and words without the log.
    sealed_mails_per_minute: f64,
    stages: Vec<Stage>,
    /// Of this process, and of the parsers.
    cpu_seconds: f64,
    parser_cpu_seconds: f64,
    /// The most that this process and all parsers had resident together.
    peak_memory_bytes: u64,
    /// The same, while archives were loaded and sealed.
    loading_peak_memory_bytes: u64,
    disk_bytes_per_mail: f64,
    compacted_bytes_per_mail: f64,
}

/// A stage; what it would do in a minute if it were alone.
#[derive(Serialize)]
struct Stage {
    stage: String,
    seconds: f64,
    mails_per_minute: f64,
}

/// Loads archives into a store that is thrown away.
pub async fn load(bench: BenchLoad, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let mut paths = Vec::with_capacity(bench.paths.len());
    for path in bench.paths {
        let absolute = std::path::absolute(&path);
        paths.push(absolute.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?);
    }
    let jobs = bench.jobs.or(settings.file.jobs).map(usize::from);
    let request = LoadRequest { paths, jobs, ..LoadRequest::default() };
    // On the disk where the store is: figures of another one would say little.
    let within = bench.within.unwrap_or_else(|| existing(&settings.data));
    let scratch =
        tempfile::Builder::new().prefix("postlode-bench-").tempdir_in(&within).map_err(|error| {
            Failure::Usage(format!("no throw-away store can be made in {}: {error}", within.display()))
        })?;
    let data = scratch.path().join("store");
    let plan = Plan { loading: true, ..Plan::of(&settings.file) };
    let signals = Shutdown::on_signals().map_err(|error| Failure::Done(format!("no signals: {error}")))?;

    let memory = FamilyMemory::watch();
    let hold = open(&data, plan, console).await?;
    let report = follow(&hold.client(), &request, hold.loader(), &signals, console).await;
    let since = Instant::now();
    hold.close().await?;
    let sealing = since.elapsed().as_secs_f64();
    let report = match report? {
        Some(report) if report.clean() => report,
        Some(report) => return Err(lossy(&report)),
        None => return Err(Failure::Done("stopped".to_owned())),
    };
    let loaded = bytes_on_disk(&data);
    let loading_peak_memory_bytes = memory.peak();
    let hold = open(&data, plan, console).await?;
    let since = Instant::now();
    let compacted =
        async { hold.client().post("/local/compact", &json!({})).await?.ok().await?.bytes().await };
    let compacted = compacted.await;
    let compacting = since.elapsed().as_secs_f64();
    hold.close().await?;
    compacted?;
    let peak_memory_bytes = memory.peak();
    let [own, parsers] = cpu_seconds();

    let mails = report.found as f64;
    let rate = |seconds: f64| if seconds > 0.0 { mails / seconds * 60.0 } else { 0.0 };
    let later = |(stage, seconds): (&str, f64)| StageTime { stage: stage.to_owned(), seconds };
    let later = [("seal", sealing), ("compact", compacting)].map(later);
    let figures = Figures {
        mails: report.found,
        source_bytes: report.archives.iter().fold(0, |sum, archive| sum.saturating_add(archive.bytes)),
        jobs: jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)) as u64,
        seconds: report.seconds,
        mails_per_minute: rate(report.seconds),
        sealed_mails_per_minute: rate(report.seconds + sealing),
        stages: report
            .stages
            .into_iter()
            .chain(later)
            .map(|StageTime { stage, seconds }| Stage { stage, seconds, mails_per_minute: rate(seconds) })
            .collect(),
        cpu_seconds: own,
        parser_cpu_seconds: parsers,
        peak_memory_bytes,
        loading_peak_memory_bytes,
        disk_bytes_per_mail: loaded as f64 / mails.max(1.0),
        compacted_bytes_per_mail: bytes_on_disk(&data) as f64 / mails.max(1.0),
    };
    tell(&figures, console)?;
    Ok(0)
}

/// The nearest folder above the store that is there.
fn existing(data: &Path) -> PathBuf {
    let above = data.ancestors().skip(1).find(|folder| folder.is_dir());
    above.map_or_else(std::env::temp_dir, Path::to_owned)
}

async fn open(data: &Path, plan: Plan, console: &Console) -> Result<Hold, Failure> {
    Hold::write(data, plan, console).await.map_err(|error| match error {
        OpenError::Locked(failure) | OpenError::Other(failure) => failure,
    })
}

/// A figure of a load that lost something would be worth nothing.
fn lossy(report: &LoadReport) -> Failure {
    let refused = report.archives.iter().filter(|archive| archive.refused.is_some()).count();
    Failure::Done(format!(
        "of {} items {} failed, and {refused} archives were refused: such a load has no figures; load says what it is",
        report.found, report.failed
    ))
}

fn tell(figures: &Figures, console: &Console) -> Result<(), Failure> {
    if console.json {
        console.json(figures)?;
        return console.flush();
    }
    let mut rows = Vec::new();
    for Stage { stage, seconds, mails_per_minute } in &figures.stages {
        rows.push(vec![
            Cell::text_of(stage),
            Cell::Number(format!("{seconds:.2}")),
            Cell::count(*mails_per_minute as u64),
        ]);
    }
    console.table(&["stage", "seconds", "mails a minute, alone"], &rows)?;
    console.line("")?;
    let build = if cfg!(debug_assertions) { ", a DEVELOPMENT build" } else { "" };
    let total = format!(
        "{} mails ({}) in {:.2} s with {} jobs{build}: {} a minute, {} with sealing",
        sizes::number(figures.mails),
        sizes::bytes(figures.source_bytes),
        figures.seconds,
        figures.jobs,
        sizes::number(figures.mails_per_minute as u64),
        sizes::number(figures.sealed_mails_per_minute as u64),
    );
    console.line(&console.styled(Style::Bold, &total))?;
    console.line(&format!(
        "processor seconds: {:.2} here, {:.2} in parsers; peak memory of all processes: {}, {} while loading",
        figures.cpu_seconds,
        figures.parser_cpu_seconds,
        sizes::bytes(figures.peak_memory_bytes),
        sizes::bytes(figures.loading_peak_memory_bytes),
    ))?;
    console.line(&format!(
        "on disk: {:.0} bytes a mail, {:.0} after compaction",
        figures.disk_bytes_per_mail, figures.compacted_bytes_per_mail
    ))?;
    console.flush()
}
