//! `bench query`: questions a second, and how long each takes, of many clients at once in one process.
//!
//! What always holds: the questions are drawn from the store's own mail and are the same for a seed and a store; an answer
//! that fails counts as an error and not as a fast one; what others are asked for comparison is what was asked here.

mod ask;
mod draw;

use crate::arguments::{BenchQuery, QueryKind};
use crate::error::Failure;
use crate::hold::{Hold, Plan};
use crate::output::{Cell, Console};
use crate::settings::Settings;
use ask::{Load, Timed};
use draw::Question;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const KINDS: [QueryKind; 6] = [
    QueryKind::Point,
    QueryKind::Sender,
    QueryKind::Keyword,
    QueryKind::Semantic,
    QueryKind::Hybrid,
    QueryKind::Facets,
];

/// What one kind gave. Times are in milliseconds.
#[derive(Serialize)]
struct Figures {
    kind: QueryKind,
    clients: u32,
    /// Questions a second that were to be asked; null where each client waits for its answer.
    rate: Option<u32>,
    seconds: f64,
    queries: u64,
    qps: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Of this process, for each question.
    cpu_us: f64,
    /// Hits of all answers together.
    hits: u64,
    /// Answers that something was missing from, and questions without an answer.
    partial: u64,
    errors: u64,
}

/// Asks the store.
pub async fn run(bench: BenchQuery, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let memory = bench.memory.or(settings.file.memory);
    // Beside a writer too, if there is one.
    let hold = Hold::follow(&settings.data, Plan { memory, ..Plan::of(&settings.file) }, console).await?;
    let done = ask_all(&bench, &hold, settings, console).await;
    hold.close().await?;
    done
}

async fn ask_all(
    bench: &BenchQuery,
    hold: &Hold,
    settings: &Settings,
    console: &Console,
) -> Result<u8, Failure> {
    let app = hold.app();
    let engine = app.engine().clone();
    let mails = draw::sample(&engine, bench.seed).await?;
    if mails.is_empty() {
        return Err(Failure::Usage(format!(
            "the store in {} is empty: load some mail first",
            settings.data.display()
        )));
    }
    let kinds = if bench.kind.is_empty() { KINDS.to_vec() } else { bench.kind.clone() };
    let questions: Vec<(QueryKind, Arc<[Question]>)> = kinds
        .into_iter()
        .map(|kind| (kind, draw::questions(kind, &mails, bench.seed, bench.snippets).into()))
        .collect();
    if let Some(path) = &bench.write {
        write(path, &questions)?;
    }
    let load =
        Load { clients: bench.clients, rate: bench.rate, time: Duration::from_secs(bench.seconds.into()) };
    let (mut all, mut failed) = (Vec::new(), false);
    for (kind, questions) in questions {
        if questions.is_empty() {
            console.note(&format!("no mail of the store has what {} is asked by", name(kind)));
            continue;
        }
        let timed = ask::ask(&engine, &questions, load).await;
        let figures = figures(kind, bench, &timed);
        failed |= figures.errors > 0;
        if let Some(error) = &timed.error {
            console.note(&format!("{}: {error}", name(kind)));
        }
        if console.json {
            console.json(&figures)?;
        }
        all.push(figures);
    }
    if !console.json {
        tell(&all, console)?;
    }
    console.flush()?;
    Ok(u8::from(failed))
}

fn figures(kind: QueryKind, bench: &BenchQuery, timed: &Timed) -> Figures {
    let at = |part: f64| {
        let last = timed.micros.len().saturating_sub(1);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length")]
        let place = (last as f64 * part).round() as usize;
        timed.micros.get(place).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    };
    let queries = timed.micros.len() as u64;
    Figures {
        kind,
        clients: bench.clients,
        rate: bench.rate,
        seconds: timed.seconds,
        queries,
        qps: queries as f64 / timed.seconds.max(1e-9),
        p50_ms: at(0.5),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        cpu_us: timed.cpu_seconds * 1e6 / (queries.max(1) as f64),
        hits: timed.hits,
        partial: timed.partial,
        errors: timed.errors,
    }
}

fn name(kind: QueryKind) -> &'static str {
    match kind {
        QueryKind::Point => "point",
        QueryKind::Sender => "sender",
        QueryKind::Keyword => "keyword",
        QueryKind::Semantic => "semantic",
        QueryKind::Hybrid => "hybrid",
        QueryKind::Facets => "facets",
    }
}

fn tell(all: &[Figures], console: &Console) -> Result<(), Failure> {
    let rows = all.iter().map(|figures| {
        let time = |ms: f64| Cell::Number(format!("{ms:.2}"));
        vec![
            Cell::text_of(name(figures.kind)),
            Cell::count(figures.queries),
            Cell::Number(format!("{:.0}", figures.qps)),
            time(figures.p50_ms),
            time(figures.p95_ms),
            time(figures.p99_ms),
            time(figures.max_ms),
            Cell::Number(format!("{:.0}", figures.cpu_us)),
            Cell::Number(format!("{:.1}", figures.hits as f64 / figures.queries.max(1) as f64)),
            Cell::count(figures.partial),
            Cell::count(figures.errors),
        ]
    });
    let titles = [
        "", "queries", "a second", "p50 ms", "p95 ms", "p99 ms", "max ms", "CPU us", "hits", "partial",
        "errors",
    ];
    console.table(&titles, &rows.collect::<Vec<_>>())
}

/// Writes the questions for others to be asked.
fn write(path: &Path, questions: &[(QueryKind, Arc<[Question]>)]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Done(format!("{}: {error}", path.display()));
    let mut file = std::io::BufWriter::new(std::fs::File::create_new(path).map_err(failed)?);
    for (kind, questions) in questions {
        for question in questions.iter() {
            serde_json::to_writer(&mut file, &question.told(*kind)).map_err(|error| failed(error.into()))?;
            file.write_all(b"\n").map_err(failed)?;
        }
    }
    file.flush().map_err(failed)
}
