//! `stats`: counts, sizes, memory; what could not be read.

use super::tell_partial;
use crate::arguments;
use crate::error::{Failure, LOST};
use crate::output::{Cell, Console};
use crate::session::Session;
use crate::settings::Settings;
use postlode_ingest::FailureReport;
use postlode_server::lines::Line;
use postlode_server::stats::Stats;

/// Shows them.
pub async fn run(stats: arguments::Stats, settings: &Settings, console: &Console) -> Result<u8, Failure> {
    let session = Session::read(settings).await?;
    let told = if stats.failures {
        failures(&session, &stats, console).await
    } else {
        counts(&session, console).await
    };
    let closed = session.close().await;
    let lost = told?;
    closed?;
    Ok(if lost { LOST } else { 0 })
}

async fn counts(session: &Session, console: &Console) -> Result<bool, Failure> {
    let stats: Stats = session.client.get("/local/stats").await?.json().await?;
    if console.json {
        console.json(&stats)?;
    } else {
        let pair = |name: &str, cell: Cell| vec![Cell::text_of(name), cell];
        let mut rows = vec![
            pair("emails", Cell::count(stats.emails)),
            pair("emails not sealed yet", Cell::count(stats.unsealed.emails)),
            pair("segments", Cell::count(stats.segments)),
            pair("segments to be merged", Cell::count(stats.compaction.waiting)),
            pair("merges since opening", Cell::count(stats.compaction.merges)),
            pair("on disk", Cell::bytes(stats.bytes_on_disk)),
            pair("searched by meaning with", Cell::text_of(&stats.vectors.answers)),
            pair("memory", Cell::bytes(stats.memory.resident_bytes)),
            pair("memory at most", Cell::bytes(stats.memory.peak_bytes)),
            pair("manifest", Cell::count(stats.manifest)),
        ];
        if let Some(embedding) = &stats.vectors.embedding {
            let name = embedding.model.as_deref().unwrap_or("a model that did not answer yet");
            rows.push(pair("being embedded with", Cell::text_of(name)));
            rows.push(pair("emails to be embedded", Cell::count(embedding.pending)));
        }
        rows.extend(
            stats.rows.iter().map(|(kind, count)| pair(&format!("rows: {kind}"), Cell::count(*count))),
        );
        console.table(&["", "total"], &rows)?;
        console.line("")?;
        let rows: Vec<Vec<Cell>> = (0u64..)
            .zip(&stats.shards)
            .map(|(number, shard)| {
                vec![
                    Cell::count(number),
                    Cell::count(shard.memtable_emails),
                    Cell::bytes(shard.memtable_bytes),
                    Cell::bytes(shard.log_bytes),
                    Cell::count(shard.commits),
                    Cell::bytes(shard.cache_bytes),
                    Cell::count(shard.cache_hits),
                    Cell::count(shard.cache_misses),
                ]
            })
            .collect();
        console
            .table(&["shard", "unsealed", "memtable", "log", "commits", "cache", "hits", "misses"], &rows)?;
    }
    console.flush()?;
    if let Some(error) = stats.vectors.embedding.as_ref().and_then(|embedding| embedding.error.as_ref()) {
        console.note(&format!("embedding waits: {error}"));
    }
    let mut lost = tell_partial(stats.partial.as_ref(), console);
    for gone in &stats.lost {
        console.note(&format!("lost: rows {} to {} of log {:016x}", gone.first, gone.last, gone.stream));
        lost = true;
    }
    Ok(lost)
}

async fn failures(session: &Session, asked: &arguments::Stats, console: &Console) -> Result<bool, Failure> {
    let mut lines = session.client.get("/local/failures").await?.ok().await?.lines();
    let titles = ["archive", "folder", "node", "lost", "code", "stage", "reason"];
    let mut rows = Vec::new();
    let mut lost = false;
    if asked.csv {
        console.bytes(&csv_line(&titles)?)?;
    }
    while let Some(line) = lines.next().await? {
        let item = match line {
            Line::Item(item) => item,
            Line::End(end) => {
                lost = tell_partial(end.partial.as_ref(), console);
                continue;
            }
        };
        let failure: FailureReport = serde_json::from_slice(&item)
            .map_err(|error| Failure::Done(format!("the answer cannot be read: {error}")))?;
        let FailureReport { archive, folder, node, code, stage, reason, lost: what } = failure;
        let node = node.to_string();
        let fields = [&*archive, &*folder, &*node, &*what, &*code, &*stage, &*reason];
        let matching = |wanted: &String| {
            fields.iter().any(|field| field.to_lowercase().contains(&wanted.to_lowercase()))
        };
        if !asked.matching.as_ref().is_none_or(matching) {
            continue;
        }
        if asked.csv {
            console.bytes(&csv_line(&fields)?)?;
        } else if console.json {
            console.bytes(&item)?;
            console.bytes(b"\n")?;
        } else {
            let number = |(at, field): (usize, &&str)| match titles.get(at) {
                Some(&"node") => Cell::Number((*field).to_owned()),
                _ => Cell::text_of(field),
            };
            rows.push(fields.iter().enumerate().map(number).collect());
        }
    }
    if !console.json && !asked.csv {
        match (rows.is_empty(), &asked.matching) {
            (true, None) => console.line("everything could be read")?,
            (true, Some(_)) => console.line("no failure has that in it")?,
            (false, _) => console.table(&titles, &rows)?,
        }
    }
    console.flush()?;
    Ok(lost)
}

/// A line of CSV as RFC 4180 has it. Names come out of archives: one that a spreadsheet would take for a formula gets an
/// apostrophe before it.
fn csv_line(fields: &[&str]) -> Result<Vec<u8>, Failure> {
    let harmless = |field: &&str| match field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{field}"),
        false => (*field).to_owned(),
    };
    let failed = |error: &dyn std::fmt::Display| Failure::Done(format!("no CSV could be written: {error}"));
    let mut line = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    line.write_record(fields.iter().map(harmless)).map_err(|error| failed(&error))?;
    line.into_inner().map_err(|error| failed(&error))
}
