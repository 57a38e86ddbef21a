//! `load`: archives in.

use crate::arguments::Load;
use crate::custodians;
use crate::error::{Failure, LOST};
use crate::hold::Plan;
use crate::loader::StoreLoader;
use crate::output::{Cell, Console, Style, clean};
use crate::session::Session;
use crate::settings::Settings;
use crate::sizes;
use postlode_ingest::{ArchiveReport, FailureReport, LoadEvent, LoadProgress, LoadReport, LoadRequest};
use postlode_server::Client;
use postlode_server::Shutdown;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

/// Failures that are listed for people; the rest is counted.
const LISTED: usize = 20;

/// Loads.
pub async fn run(load: Load, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let custodians = load.custodians.as_deref().map(custodians::read).transpose()?.unwrap_or_default();
    let mut paths = Vec::with_capacity(load.paths.len());
    for path in load.paths {
        let absolute = std::path::absolute(&path);
        paths.push(absolute.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?);
    }
    if paths.is_empty() && !load.retry_failed {
        paths.extend(custodians.iter().map(|named| named.path.clone()));
    }
    let request = LoadRequest {
        paths,
        custodian: load.custodian.or_else(|| settings.file.custodian.clone()).unwrap_or_default(),
        custodians,
        jobs: load.jobs.or(settings.file.jobs).map(usize::from),
        recover: load.recover,
        retry_failed: load.retry_failed,
    };
    let plan = Plan { loading: true, ..Plan::of(&settings.file) };
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
        Some(report) => tell(&report, request.retry_failed, console),
        None => {
            console.note("stopped; what was acknowledged is stored, and the same command goes on from there");
            Ok(LOST)
        }
    }
}

/// Starts the load and follows its events to the report; `None` where it was stopped before there was one.
pub async fn follow(
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
    let mut text = format!("[{}/{}] {} {name}", progress.number, progress.archives, progress.stage);
    // What failed comes first: a narrow terminal shows it too.
    if progress.failed > 0 {
        text.push_str(&format!(", {} FAILED", sizes::number(progress.failed)));
    }
    text.push_str(&format!(
        ": {} of {} items",
        sizes::number(progress.found),
        sizes::number(progress.expected)
    ));
    // Rates for people; whole numbers will do.
    if progress.seconds > 0.5 && progress.found > 0 {
        let items = progress.found as f64 / progress.seconds;
        text.push_str(&format!(", {} items/s", sizes::number(items as u64)));
        if progress.expected > 0 {
            let share = progress.found as f64 / progress.expected as f64;
            let bytes = progress.bytes as f64 * share / progress.seconds;
            let left = progress.expected.saturating_sub(progress.found) as f64 / items;
            text.push_str(&format!(", {}/s, {} left", sizes::bytes(bytes as u64), time(left as u64)));
        }
    }
    if !progress.folder.is_empty() {
        text.push_str(&format!(", {}", progress.folder));
    }
    text
}

/// A time as people say it.
fn time(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

/// Replaces the line of progress, on a terminal.
/// Shows a line that the next one takes the place of, where somebody watches.
pub(super) fn progress_line(console: &Console, text: &str) {
    if console.progress {
        let columns =
            rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col));
        let text: String = clean(text).chars().take(columns.saturating_sub(1).max(20)).collect();
        // If stderr is closed there is nobody to be told.
        let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
    }
}

/// Takes it away.
pub(super) fn clear_line(console: &Console) {
    if console.progress {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}

/// Writes the report, and gives the exit code that it means.
fn tell(report: &LoadReport, retry: bool, console: &Console) -> Result<u8, Failure> {
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
        let FailureReport { archive, folder, node, code, stage, reason, lost } = failure;
        console.note(&match lost.as_str() {
            "archive" => format!("{code}: {archive} {folder}: {stage}: {reason}"),
            "part" => format!("stored in part: {archive} {folder} node {node}: {code} at {stage}: {reason}"),
            _ => format!("failed: {archive} {folder} node {node}: {code} at {stage}: {reason}"),
        });
    }
    for archive in report.archives.iter().filter(|archive| archive.password) {
        console.note(&format!("{}: it has a password set; it was read without", archive.path));
    }
    let unsearched = report.archives.iter().fold(0u64, |sum, a| sum.saturating_add(a.attachments_unsearched));
    if unsearched > 0 {
        console.note(&format!(
            "{} attachments are stored, but not all their words can be searched: postlode stats --failures says why",
            sizes::number(unsearched)
        ));
    }
    if report.failures.len() > LISTED {
        let more = report.failures.len() - LISTED;
        console.note(&format!("and {more} more: postlode stats --failures lists all"));
    }
    for path in &report.custodians_without_mail {
        console.note(&format!("custodians: no mail was loaded from {path}: look at its line"));
    }
    if report.archives.is_empty() && !report.interrupted {
        console.note(if retry {
            "there is nothing that could not be read"
        } else {
            "no PST, OST, .eml or .mbox file was found there"
        });
    }
    if report.interrupted {
        console.note("stopped; what is counted is stored, and the same command goes on from there");
    }
    Ok(if report.clean() { 0 } else { LOST })
}

/// The archives that were read; files of one message each of one folder together, because there may be many.
fn together(report: &LoadReport) -> Vec<ArchiveReport> {
    let mut rows: Vec<ArchiveReport> = Vec::new();
    let mut of_folder: HashMap<&str, (usize, u64)> = HashMap::new();
    for archive in report.archives.iter().filter(|archive| archive.refused.is_none()) {
        let folder = archive.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        match of_folder.get_mut(folder).filter(|_| archive.kind == "eml") {
            Some((at, files)) => {
                *files = files.saturating_add(1);
                if let Some(row) = rows.get_mut(*at) {
                    row.path = format!("{folder}/ ({} .eml files)", sizes::number(*files));
                    row.add(archive);
                }
            }
            None => {
                if archive.kind == "eml" {
                    of_folder.insert(folder, (rows.len(), 1));
                }
                rows.push(archive.clone());
            }
        }
    }
    rows
}

fn table(report: &LoadReport, console: &Console) -> Result<(), Failure> {
    let titles =
        ["archive", "found", "stored", "duplicate", "failed", "partial", "attachments", "size", "seconds"];
    let seconds = |seconds: f64| Cell::Number(format!("{seconds:.1}"));
    let mut rows = Vec::new();
    for archive in together(report) {
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
