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
    let told =
        if stats.failures { failures(&session, console).await } else { counts(&session, console).await };
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
            pair("on disk", Cell::bytes(stats.bytes_on_disk)),
            pair("memory", Cell::bytes(stats.memory.resident_bytes)),
            pair("memory at most", Cell::bytes(stats.memory.peak_bytes)),
            pair("manifest", Cell::count(stats.manifest)),
        ];
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
    let mut lost = tell_partial(stats.partial.as_ref(), console);
    for gone in &stats.lost {
        console.note(&format!("lost: rows {} to {} of log {:016x}", gone.first, gone.last, gone.stream));
        lost = true;
    }
    Ok(lost)
}

async fn failures(session: &Session, console: &Console) -> Result<bool, Failure> {
    let mut lines = session.client.get("/local/failures").await?.ok().await?.lines();
    let mut rows = Vec::new();
    let mut lost = false;
    while let Some(line) = lines.next().await? {
        match line {
            Line::Item(item) if console.json => {
                console.bytes(&item)?;
                console.bytes(b"\n")?;
            }
            Line::Item(item) => {
                let failure: FailureReport = serde_json::from_slice(&item)
                    .map_err(|error| Failure::Done(format!("the answer cannot be read: {error}")))?;
                let FailureReport { archive, folder, node, code, stage, reason } = failure;
                let text = |text: &str| Cell::text_of(text);
                let node = Cell::Number(node.to_string());
                rows.push(vec![
                    text(&archive),
                    text(&folder),
                    node,
                    text(&code),
                    text(&stage),
                    text(&reason),
                ]);
            }
            Line::End(end) => lost = tell_partial(end.partial.as_ref(), console),
        }
    }
    if !console.json {
        if rows.is_empty() {
            console.line("everything could be read")?;
        } else {
            console.table(&["archive", "folder", "node", "code", "stage", "reason"], &rows)?;
        }
    }
    console.flush()?;
    Ok(lost)
}
