//! How long reading takes, with the engine in this process: one email, a sender's newest, a count, a search.
//!
//! The store holds made-up mail and is sealed; its blocks are in the cache, as those of a store in use are.

use clap::Parser;
use futures_lite::future::block_on;
use postlode_benches::figures::Times;
use postlode_benches::{BenchError, machine, place, stores};
use postlode_format::id::Id;
use postlode_format::index::{IndexId, Position};
use postlode_query::{Engine, Facet, Mode, SearchRequest, Sort};
use postlode_store::{KeyRange, Scan, Store};
use std::future::Future;
use std::path::PathBuf;
use std::time::Instant;

/// Measures reads.
#[derive(Parser)]
struct Arguments {
    /// Mails in the store.
    #[arg(long, default_value_t = 30_000)]
    messages: u64,
    /// Times that each question is asked.
    #[arg(long, default_value_t = 2_000)]
    times: usize,
    /// Folder for throw-away stores (default: the target folder).
    #[arg(long)]
    within: Option<PathBuf>,
}

/// Words that made-up mail has, rare and common, alone and together.
const WORDS: [&str; 6] =
    ["meeting", "budget", "invoice report", "project schedule", "please review", "contract"];

fn main() -> Result<(), BenchError> {
    let arguments = Arguments::parse();
    println!("read: {}", machine::told());
    let scratch = place::throw_away(arguments.within.as_deref())?;
    let (runtime, _) = postlode_runtime::choose(None);
    let (store, cpu, report) = stores::of_made_up(scratch.path(), arguments.messages, runtime)?;
    let emails = block_on(store.stats())?.emails;
    println!(
        "{} items loaded in {:.1} s, {emails} emails, {}\n",
        report.found,
        report.seconds,
        runtime.name()
    );
    let positions = block_on(all(&store))?;
    let engine = Engine::new(store.clone(), cpu);
    measure(&engine, &positions, arguments.times)?;
    drop(engine);
    block_on(store.close())?;
    Ok(())
}

/// All emails by date.
async fn all(store: &Store) -> Result<Vec<Position>, BenchError> {
    let mut out: Vec<Position> = Vec::new();
    let mut range = KeyRange::prefix(&[]);
    loop {
        let scan = Scan { index: IndexId::Date, range: range.clone(), descending: false, limit: 1000 };
        let page = store.scan(scan).await?;
        out.extend(page.keys.iter().filter_map(|key| Position::of_key(key)));
        match page.keys.last() {
            Some(last) if !page.done => range.low = [last.as_ref(), &[0]].concat(),
            _ => return Ok(out),
        }
    }
}

fn measure(engine: &Engine, positions: &[Position], times: usize) -> Result<(), BenchError> {
    let store = engine.store();
    // Every seventh, so that neighbours in one block do not follow each other.
    let ids: Vec<Id> = positions.iter().cycle().step_by(7).take(times).map(|p| p.id).collect();
    told("one email from the store, cached", &ids, times, |id| async move {
        Ok(store.emails(&[id]).await?.len() as u64)
    })?;
    told("one email, all metadata", &ids, times, |id| async move {
        Ok(u64::from(engine.email(id).await?.is_some()))
    })?;
    let senders = block_on(store.parts(IndexId::Sender, b"", 200))?;
    let senders: Vec<String> = senders.into_iter().map(|(sender, _)| format!("from:{sender}")).collect();
    told("newest 50 of a sender", &senders, times, |query| search(engine, query, Sort::Date, 50))?;
    let ranges: Vec<(Position, Position)> = (0..100usize)
        .filter_map(|n| {
            let (from, to) = (positions.len() * n / 200, positions.len() * (n + 100) / 200);
            Some((*positions.get(from)?, *positions.get(to.saturating_sub(1))?))
        })
        .collect();
    told("count of half the mails by date", &ranges, times, |(from, to)| async move {
        Ok(store.count(IndexId::Date, KeyRange::positions(&[], from, to)).await?)
    })?;
    let words: Vec<String> = WORDS.iter().map(|words| (*words).to_owned()).collect();
    told("keyword, best 20", &words, times / 4, |query| search(engine, query, Sort::Relevance, 20))?;
    for (what, sort) in [("largest 50 of all", Sort::Size), ("first 50 of all by sender", Sort::Sender)] {
        told(what, &[String::new()], times / 40, |query| search(engine, query, sort, 50))?;
    }
    facets(engine, &senders, positions, times / 40)
}

/// Facets of all mail, of half of it, of what a condition and what a word find.
fn facets(
    engine: &Engine,
    senders: &[String],
    positions: &[Position],
    times: usize,
) -> Result<(), BenchError> {
    let middle = positions.get(positions.len() / 2).map_or(0, |p| p.date);
    let middle = jiff::Timestamp::from_microsecond(middle).map_err(|e| BenchError::Other(e.to_string()))?;
    let half = format!("before:{}", middle.strftime("%Y-%m-%d"));
    let cases = [
        ("all mail", vec![String::new()]),
        ("half of it by date", vec![half.clone()]),
        ("a word in many", vec![WORDS[0].to_owned()]),
        ("a sender", senders.to_vec()),
    ];
    for (of, questions) in cases {
        for (named, facets) in [("sender", vec![Facet::Sender]), ("all", Facet::ALL.to_vec())] {
            let what = format!("facets ({named}) of {of}");
            told(&what, &questions, times, |query| counted(engine, query, facets.clone()))?;
        }
    }
    Ok(())
}

/// How many different values there are.
async fn counted(engine: &Engine, q: String, facets: Vec<Facet>) -> Result<u64, BenchError> {
    let request = SearchRequest { q, mode: Mode::Keyword, limit: 1, facets, ..SearchRequest::default() };
    let answer = engine.search(SearchRequest { sort: Some(Sort::Date), ..request }).await?;
    if let Some(partial) = answer.partial {
        return Err(BenchError::Other(format!("an answer is partial: {partial:?}")));
    }
    Ok(answer.facets.unwrap_or_default().values().map(|counts| counts.distinct).sum())
}

async fn search(engine: &Engine, q: String, sort: Sort, limit: usize) -> Result<u64, BenchError> {
    let request =
        SearchRequest { q, mode: Mode::Keyword, limit, sort: Some(sort), ..SearchRequest::default() };
    let answer = engine.search(request).await?;
    if let Some(partial) = answer.partial {
        return Err(BenchError::Other(format!("an answer is partial: {partial:?}")));
    }
    Ok(answer.hits.len() as u64)
}

/// Asks each question in turn, once to warm the caches, then so many times.
fn told<Q: Clone, F: Future<Output = Result<u64, BenchError>>>(
    what: &str,
    questions: &[Q],
    times: usize,
    ask: impl Fn(Q) -> F,
) -> Result<(), BenchError> {
    for question in questions {
        block_on(ask(question.clone()))?;
    }
    let mut taken = Times::default();
    let mut found = 0;
    for question in questions.iter().cycle().take(times) {
        let start = Instant::now();
        found += block_on(ask(question.clone()))?;
        taken.add(start.elapsed());
    }
    println!("  {what:<34} {}  {:.0} found each", taken.told(), found as f64 / taken.len().max(1) as f64);
    Ok(())
}
