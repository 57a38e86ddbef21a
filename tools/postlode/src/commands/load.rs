//! `load`: archives in.

use crate::arguments::Load;
use crate::error::{Failure, LOST};
use crate::hold::Plan;
use crate::loader::StoreLoader;
use crate::output::{Cell, Console, Style, clean};
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_ingest::{LoadEvent, LoadProgress, LoadReport, LoadRequest};
use postlode_server::Client;
use postlode_server::Shutdown;
use std::io::Write;
use std::sync::Arc;

/// Failures that are listed for people; the rest is counted.
const LISTED: usize = 20;

/// Loads.
pub async fn run(load: Load, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let mut paths = Vec::with_capacity(load.paths.len());
    for path in load.paths {
        let absolute = std::path::absolute(&path);
        paths.push(absolute.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?);
    }
    let request = LoadRequest {
        paths,
        custodian: load.custodian.or_else(|| settings.file.custodian.clone()).unwrap_or_default(),
        jobs: load.jobs.or(settings.file.jobs).map(usize::from),
    };
    let plan = Plan { shards: settings.file.shards, memory: settings.file.memory };
    let signals = Shutdown::on_signals().map_err(|error| Failure::Done(format!("no signals: {error}")))?;
    let session = Session::write(settings, plan, console).await?;
    let loader = session.hold.as_ref().and_then(crate::hold::Hold::loader);
    let ended = follow(&session.client, &request, loader, &signals, console).await;
    progress_line(console, "sealing");
    let closed = session.close().await;
    clear_line(console);
    let report = ended?;
    closed?;
    match report {
        Some(report) => tell(&report, console),
        None => {
            console.note("stopped; what was acknowledged is stored, and the same command goes on from there");
            Ok(LOST)
        }
    }
}

/// Starts the load and follows its events to the report; `None` where it was stopped before there was one.
async fn follow(
    client: &Client,
    request: &LoadRequest,
    loader: Option<Arc<StoreLoader>>,
    signals: &Shutdown,
    console: &Console,
) -> Result<Option<LoadReport>, Failure> {
    let answer = client.post("/local/load", request).await?.ok().await?;
    let mut lines = answer.lines();
    let mut stopping = false;
    loop {
        let line = tokio::select! {
            line = lines.next_raw() => line?,
            () = signals.triggered(), if !stopping => {
                stopping = true;
                match &loader {
                    // Its report will say how far it came.
                    Some(loader) => loader.stop(),
                    // The process that loads learns by the closed connection.
                    None => return Ok(None),
                }
                continue;
            }
        };
        let Some(line) = line else {
            return Err(Failure::Done("the load's answer ended early; load again to go on".to_owned()));
        };
        let event = serde_json::from_slice(&line)
            .map_err(|error| Failure::Unusable(format!("the load's answer cannot be read: {error}")))?;
        match event {
            LoadEvent::Progress(progress) => progress_line(console, &progress_text(&progress)),
            LoadEvent::Archive(archive) => {
                tracing::info!(
                    path = archive.path,
                    found = archive.found,
                    stored = archive.stored,
                    "archive done"
                );
            }
            LoadEvent::Done(report) => return Ok(Some(report)),
            LoadEvent::Failed { error } => return Err(Failure::Unusable(error)),
        }
    }
}

fn progress_text(progress: &LoadProgress) -> String {
    let name = progress.archive.rsplit('/').next().unwrap_or_default();
    let rate = if progress.seconds > 0.5 { progress.found as f64 / progress.seconds * 60.0 } else { 0.0 };
    let failed = if progress.failed > 0 { format!(", {} failed", progress.failed) } else { String::new() };
    format!(
        "[{}/{}] {} {name} {}: {} of {} items{failed}, {} a minute",
        progress.number,
        progress.archives,
        progress.stage,
        progress.folder,
        sizes::number(progress.found),
        sizes::number(progress.expected),
        // A rate for people; whole numbers will do.
        sizes::number(rate as u64),
    )
}

/// Replaces the line of progress, on a terminal.
fn progress_line(console: &Console, text: &str) {
    if console.progress {
        let columns =
            rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col));
        let text: String = clean(text).chars().take(columns.saturating_sub(1).max(20)).collect();
        // If stderr is closed there is nobody to be told.
        let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
    }
}

fn clear_line(console: &Console) {
    if console.progress {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}

/// Writes the report, and gives the exit code that it means.
fn tell(report: &LoadReport, console: &Console) -> Result<u8, Failure> {
    if console.json {
        console.json(report)?;
    } else {
        table(report, console)?;
    }
    console.flush()?;
    for archive in report.archives.iter() {
        if let Some(reason) = &archive.refused {
            console.note(&format!("refused: {}: {reason}", archive.path));
        }
    }
    for failure in report.failures.iter().take(LISTED) {
        console.note(&format!(
            "failed: {} {} node {}: {} at {}: {}",
            failure.archive, failure.folder, failure.node, failure.code, failure.stage, failure.reason
        ));
    }
    if report.failures.len() > LISTED {
        let more = report.failures.len() - LISTED;
        console.note(&format!("and {more} more: postlode stats --failures lists all"));
    }
    if report.archives.is_empty() && !report.interrupted {
        console.note("no PST or OST archive was found there");
    }
    if report.interrupted {
        console.note("stopped; what is counted is stored, and the same command goes on from there");
    }
    Ok(if report.clean() { 0 } else { LOST })
}

fn table(report: &LoadReport, console: &Console) -> Result<(), Failure> {
    let titles =
        ["archive", "found", "stored", "duplicate", "failed", "partial", "attachments", "size", "seconds"];
    let seconds = |seconds: f64| Cell::Number(format!("{seconds:.1}"));
    let mut rows = Vec::new();
    for archive in report.archives.iter().filter(|archive| archive.refused.is_none()) {
        rows.push(vec![
            Cell::text_of(&archive.path),
            Cell::count(archive.found),
            Cell::count(archive.stored),
            Cell::count(archive.duplicate),
            Cell::count(archive.failed),
            Cell::count(archive.partial),
            Cell::count(archive.attachments),
            Cell::bytes(archive.bytes),
            seconds(archive.seconds),
        ]);
    }
    if !rows.is_empty() {
        console.table(&titles, &rows)?;
    }
    let rate = if report.seconds > 0.0 { report.found as f64 / report.seconds * 60.0 } else { 0.0 };
    let total = format!(
        "{} found = {} stored + {} duplicate + {} failed, in {:.1} s ({} a minute)",
        sizes::number(report.found),
        sizes::number(report.stored),
        sizes::number(report.duplicate),
        sizes::number(report.failed),
        report.seconds,
        sizes::number(rate as u64),
    );
    console.line(&console.styled(Style::Bold, &total))
}
