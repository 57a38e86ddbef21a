//! `bench vectors`: an index of somebody's vectors, measured as he would measure any other.

mod vecs;

use crate::arguments::{BenchVectors, Codes};
use crate::error::Failure;
use crate::measure::cpu_seconds;
use crate::output::{Cell, Console, Style};
use crate::sizes;
use postlode_vector::graph::GraphOptions;
use postlode_vector::{CodeKind, Index, IndexOptions, Search, Searcher, Threads, VectorError};
use serde::Serialize;
use std::time::{Duration, Instant};
use vecs::Vecs;

/// Searches with one number of nodes in sight.
#[derive(Serialize)]
struct Point {
    ef: u32,
    /// Of the true nearest, the part that was found.
    recall: f64,
    /// Queries a second, one after another on one thread.
    qps: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Building.
#[derive(Serialize)]
struct Built {
    build_seconds: f64,
    build_cpu_seconds: f64,
    /// Codes, links, rows.
    bytes: u64,
    /// Exact values beside them.
    exact_bytes: u64,
    vectors: u64,
    dimensions: u64,
}

/// Builds and searches.
pub fn run(bench: &BenchVectors, console: &Console) -> Result<u8, Failure> {
    let base = Vecs::<f32>::read(&bench.base)?;
    let queries = Vecs::<f32>::read(&bench.query)?;
    let truth = Vecs::<u32>::read(&bench.truth)?;
    if queries.rows() == 0 || truth.rows() != queries.rows() {
        let (asked, told) = (queries.rows(), truth.rows());
        return Err(Failure::Usage(format!("there are {asked} queries and the nearest of {told}")));
    }
    let k = bench.k as usize;
    if truth.width < k {
        return Err(Failure::Usage(format!(
            "{} tells the nearest {} of each query: --k {k} is too large",
            bench.truth.display(),
            truth.width
        )));
    }
    let options = IndexOptions {
        codes: match bench.codes {
            Codes::Sq8 => CodeKind::Sq8,
            Codes::B4 => CodeKind::B4,
            Codes::Pq => CodeKind::Pq,
            Codes::Opq => CodeKind::Opq,
            Codes::F16 => CodeKind::F16,
        },
        graph: GraphOptions { m: bench.m.into(), ef_construction: bench.ef_construction.into() },
        ..IndexOptions::default()
    };
    let jobs =
        bench.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let (since, [cpu, _]) = (Instant::now(), cpu_seconds());
    let index = Index::build(base.width, &base.values, options, &Threads(jobs)).map_err(refused)?;
    let (bytes, exact_bytes) = index.bytes();
    let built = Built {
        build_seconds: since.elapsed().as_secs_f64(),
        build_cpu_seconds: cpu_seconds()[0] - cpu,
        bytes: bytes as u64,
        exact_bytes: exact_bytes as u64,
        vectors: base.rows() as u64,
        dimensions: base.width as u64,
    };
    let mut points = Vec::new();
    for ef in &bench.ef {
        let point = measure(&index, &queries, &truth, (k, *ef, bench.runs))?;
        if console.json {
            console.json(&point)?;
        }
        points.push(point);
    }
    if console.json {
        console.json(&built)?;
    } else {
        tell(&built, &points, jobs, console)?;
    }
    console.flush()?;
    Ok(0)
}

fn refused(error: VectorError) -> Failure {
    Failure::Usage(error.to_string())
}

/// The median run of several.
fn measure(
    index: &Index,
    queries: &Vecs<f32>,
    truth: &Vecs<u32>,
    (k, ef, runs): (usize, u32, u16),
) -> Result<Point, Failure> {
    let mut searcher = Searcher::default();
    let search = Search { k, ef: ef as usize, only: None };
    // The first queries find cold caches, and nobody's figure is about those.
    for query in queries.iter().take(50) {
        index.search(query, search, &mut searcher).map_err(refused)?;
    }
    let mut all: Vec<(Duration, Vec<Duration>, usize)> = Vec::new();
    for _ in 0..runs {
        let mut each = Vec::with_capacity(queries.rows());
        let mut answers = Vec::with_capacity(queries.rows());
        let whole = Instant::now();
        for query in queries.iter() {
            let since = Instant::now();
            answers.push(index.search(query, search, &mut searcher).map_err(refused)?);
            each.push(since.elapsed());
        }
        let whole = whole.elapsed();
        let found = answers.iter().zip(truth.iter()).map(|(hits, nearest)| {
            let nearest = nearest.get(..k).unwrap_or(nearest);
            hits.iter().filter(|hit| nearest.contains(&hit.row)).count()
        });
        all.push((whole, each, found.sum()));
    }
    all.sort_unstable_by_key(|(whole, ..)| *whole);
    let median = all.len() / 2;
    let (whole, mut each, found) = all.swap_remove(median);
    each.sort_unstable();
    let at = |part: f64| {
        let place = ((each.len() as f64 * part) as usize).min(each.len().saturating_sub(1));
        each.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    Ok(Point {
        ef,
        recall: found as f64 / (queries.rows() * k) as f64,
        qps: queries.rows() as f64 / whole.as_secs_f64(),
        p50_us: at(0.5),
        p99_us: at(0.99),
    })
}

fn tell(built: &Built, points: &[Point], jobs: usize, console: &Console) -> Result<(), Failure> {
    let rows: Vec<Vec<Cell>> = points
        .iter()
        .map(|point| {
            vec![
                Cell::count(point.ef.into()),
                Cell::Number(format!("{:.4}", point.recall)),
                Cell::count(point.qps as u64),
                Cell::Number(format!("{:.1}", point.p50_us)),
                Cell::Number(format!("{:.1}", point.p99_us)),
            ]
        })
        .collect();
    console.table(&["ef", "recall", "queries a second", "p50 us", "p99 us"], &rows)?;
    console.line("")?;
    let build = if cfg!(debug_assertions) { ", a DEVELOPMENT build" } else { "" };
    let line = format!(
        "{} vectors of {} values indexed in {:.2} s with {jobs} jobs{build}, {:.2} s of processors",
        sizes::number(built.vectors),
        built.dimensions,
        built.build_seconds,
        built.build_cpu_seconds
    );
    console.line(&console.styled(Style::Bold, &line))?;
    console.line(&format!(
        "memory: {} for codes and links, {} for exact values",
        sizes::bytes(built.bytes),
        sizes::bytes(built.exact_bytes)
    ))
}
