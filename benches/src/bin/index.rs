//! An index of vectors from inside: each kind of code, filters, merging. `postlode bench vectors` measures anybody's vectors as
//! peers do; this is what peers have no figures of.

use clap::{Parser, ValueEnum};
use postlode_benches::figures::{Times, median};
use postlode_benches::mails::Chance;
use postlode_benches::vectors::{NEAREST, VectorArguments, Vectors, nearest, threads};
use postlode_benches::{BenchError, machine};
use postlode_vector::code::{Codes, Floats};
use postlode_vector::graph::{Graph, GraphOptions, Scratch};
use postlode_vector::{CodeKind, Filter, Index, IndexOptions, MergePart, Search, Searcher, VectorError};
use std::time::Instant;

/// Measures an index.
#[derive(Parser)]
struct Arguments {
    /// What is measured.
    what: What,
    /// Of which vectors.
    #[command(flatten)]
    vectors: VectorArguments,
    /// Rounds, which are interleaved; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Nodes that a walk keeps in sight.
    #[arg(long, value_delimiter = ',', default_value = "16,24,32,48,64,96,128,192")]
    ef: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Recall, speed and memory of each kind of code.
    Codes,
    /// Recall and latency where some of the vectors are wanted.
    Filters,
    /// Two halves that become one, beside building it anew.
    Merging,
}

/// Recall that is asked for.
const TARGETS: [f64; 2] = [0.95, 0.99];
/// Kinds of codes, but for those of 32 bits.
const KINDS: [CodeKind; 5] = [CodeKind::F16, CodeKind::Sq8, CodeKind::B4, CodeKind::Pq, CodeKind::Opq];
/// Parts of the vectors that a filter leaves.
const PARTS: [f64; 4] = [0.5, 0.1, 0.02, 0.005];
/// Nodes in sight of a walk that is filtered.
const EF: usize = 64;

fn main() -> Result<(), BenchError> {
    let arguments = Arguments::parse();
    println!("index: {}", machine::told());
    let vectors = arguments.vectors.vectors()?;
    let dimensions = vectors.base.first().map_or(0, Vec::len);
    println!("  {} vectors of {dimensions}, {} questions", vectors.base.len(), vectors.queries.len());
    match arguments.what {
        What::Codes => codes(&arguments, &vectors, dimensions),
        What::Filters => filters(&arguments, &vectors, dimensions),
        What::Merging => merging(&arguments, &vectors, dimensions),
    }
    .map_err(|error| BenchError::Other(error.to_string()))
}

fn flat(rows: &[Vec<f32>]) -> Vec<f32> {
    rows.iter().flatten().copied().collect()
}

/// The part of the true nearest that was found.
fn recall<'a>(found: impl Iterator<Item = Vec<u32>>, truth: impl Iterator<Item = &'a Vec<u32>>) -> f64 {
    let (mut right, mut all) = (0, 0);
    for (found, truth) in found.zip(truth) {
        right += truth.iter().filter(|row| found.contains(row)).count();
        all += truth.len();
    }
    right as f64 / all.max(1) as f64
}

/// Asks all questions, and gives rows and times of each.
fn asked(
    queries: &[Vec<f32>],
    mut ask: impl FnMut(&[f32]) -> Result<Vec<u32>, VectorError>,
) -> Result<(Vec<Vec<u32>>, Times), VectorError> {
    let (mut found, mut times) = (Vec::with_capacity(queries.len()), Times::default());
    for query in queries {
        let since = Instant::now();
        let rows = ask(query)?;
        times.add(since.elapsed());
        found.push(rows);
    }
    Ok((found, times))
}

fn rows_of(
    index: &Index,
    query: &[f32],
    search: Search<'_>,
    searcher: &mut Searcher,
) -> Result<Vec<u32>, VectorError> {
    Ok(index.search(query, search, searcher)?.iter().map(|hit| hit.row).collect())
}

/// An index whatever its codes are.
enum Built {
    Index(Box<Index>),
    /// There is no kind of 32 bits: halves find the same in half the memory, which this shows.
    Floats(Floats, Graph),
}

impl Built {
    fn ask(
        &self,
        query: &[f32],
        ef: usize,
        (searcher, scratch): (&mut Searcher, &mut Scratch),
    ) -> Result<Vec<u32>, VectorError> {
        match self {
            Self::Index(index) => rows_of(index, query, Search { k: NEAREST, ef, only: None }, searcher),
            Self::Floats(codes, graph) => {
                let found = graph.search(codes, &codes.query(query), ef.max(NEAREST), scratch);
                Ok(found.iter().take(NEAREST).map(|candidate| candidate.node).collect())
            }
        }
    }

    /// Codes, links, rows; and exact values beside them.
    fn bytes(&self) -> (usize, usize) {
        match self {
            Self::Index(index) => index.bytes(),
            Self::Floats(codes, graph) => (codes.bytes() + graph.bytes(), 0),
        }
    }
}

fn codes(arguments: &Arguments, vectors: &Vectors, dimensions: usize) -> Result<(), VectorError> {
    let mut kinds: Vec<(&str, Built, f64)> = Vec::new();
    let cpu = machine::cpu_seconds();
    let mut floats = Floats::zeroed(vectors.base.len() as u32, dimensions)?;
    (0u32..).zip(&vectors.base).for_each(|(number, row)| floats.set(number, row));
    let graph = Graph::build(&floats, GraphOptions::default(), &threads())?;
    kinds.push(("f32", Built::Floats(floats, graph), machine::cpu_seconds() - cpu));
    let values = flat(&vectors.base);
    for codes in KINDS {
        let cpu = machine::cpu_seconds();
        let turned = arguments.vectors.turned;
        let options = IndexOptions { codes, turned, ..IndexOptions::default() };
        let index = Index::build(dimensions, &values, options, &threads())?;
        kinds.push((codes.name(), Built::Index(Box::new(index)), machine::cpu_seconds() - cpu));
    }
    drop(values);
    // Of each kind and each number of nodes in sight: recall, and of each round queries a second and p99 by p50.
    let mut points = vec![vec![(0.0, Vec::new(), Vec::new()); arguments.ef.len()]; kinds.len()];
    let (mut searcher, mut scratch) = (Searcher::default(), Scratch::default());
    for _ in 0..arguments.rounds {
        for ((_, built, _), points) in kinds.iter().zip(&mut points) {
            for (ef, (recall_of, rates, tails)) in arguments.ef.iter().zip(points) {
                let mut ask = |query: &[f32]| built.ask(query, *ef, (&mut searcher, &mut scratch));
                for query in vectors.queries.iter().take(50) {
                    ask(query)?;
                }
                let since = Instant::now();
                let (found, times) = asked(&vectors.queries, ask)?;
                rates.push(vectors.queries.len() as f64 / since.elapsed().as_secs_f64());
                tails.push(times.percentile(99) / times.percentile(50));
                *recall_of = recall(found.into_iter(), vectors.truth.iter());
            }
        }
    }
    let head = format!("{:>9}{:>8}{:>12}", "recall", "ef", "queries/s");
    println!("  {:>5}{:>11}{:>10}{:>11}{head}{head}{:>9}", "codes", "build cpu", "MB", "exact MB", "p99/p50");
    for ((name, built, cpu), points) in kinds.iter().zip(&points) {
        let (bytes, exact) = built.bytes();
        let mut line =
            format!("  {name:>5}{cpu:>9.1} s{:>10.1}{:>11.1}", bytes as f64 / 1e6, exact as f64 / 1e6);
        let mut tail = f64::NAN;
        for target in TARGETS {
            match arguments.ef.iter().zip(points).find(|(_, (recall, ..))| *recall >= target) {
                Some((ef, (recall, rates, tails))) => {
                    line.push_str(&format!("{recall:>9.4}{ef:>8}{:>12.0}", median(rates)));
                    tail = median(tails);
                }
                None => {
                    let most = points.iter().map(|(recall, ..)| *recall).fold(0.0, f64::max);
                    line.push_str(&format!("{most:>9.4}{:>8}{:>12}", "-", "never"));
                }
            }
        }
        println!("{line}{tail:>9.2}");
    }
    Ok(())
}

/// Rows that a filter leaves: any, or those that are nearest to one of them.
fn left(vectors: &Vectors, part: f64, clustered: bool) -> Filter {
    let count = vectors.base.len();
    let wanted = ((count as f64 * part) as usize).max(1);
    let mut chance = Chance::new(7);
    let mut order: Vec<u32> = (0..count as u32).collect();
    if clustered {
        let kernels = postlode_vector::kernel::best();
        let centre = &vectors.base[chance.below(count as u64) as usize];
        let near: Vec<f32> = vectors.base.iter().map(|row| kernels.dot_f32(centre, row)).collect();
        order.sort_by(|a, b| near[*b as usize].total_cmp(&near[*a as usize]));
    } else {
        (1..count).rev().for_each(|at| order.swap(at, chance.below(at as u64 + 1) as usize));
    }
    let mut filter = Filter::none(count as u32);
    order.into_iter().take(wanted).for_each(|row| filter.add(row));
    filter
}

fn filters(arguments: &Arguments, vectors: &Vectors, dimensions: usize) -> Result<(), VectorError> {
    let values = flat(&vectors.base);
    let walked = Index::build(dimensions, &values, IndexOptions::default(), &threads())?;
    // The same codes without a graph: every search compares all that the filter leaves.
    let scan = IndexOptions { graph_from: Some(u32::MAX), ..IndexOptions::default() };
    let scanned = Index::build(dimensions, &values, scan, &threads())?;
    drop(values);
    println!(
        "  {:>10}{:>8}{:>9}{:>13}{:>11}{:>13}{:>11}{:>9}",
        "filter", "leaves", "recall", "p50 us", "p99 us", "scan p50 us", "p99 us", "ratio"
    );
    for clustered in [false, true] {
        for part in PARTS {
            let filter = left(vectors, part, clustered);
            let truth = nearest(&vectors.base, &vectors.queries, |row| filter.has(row));
            let search = Search { k: NEAREST, ef: EF, only: Some(&filter) };
            let mut searcher = Searcher::default();
            let mut rounds: [Vec<Times>; 2] = Default::default();
            let mut found = Vec::new();
            for _ in 0..arguments.rounds {
                for (index, rounds) in [&scanned, &walked].into_iter().zip(&mut rounds) {
                    let (rows, times) =
                        asked(&vectors.queries, |query| rows_of(index, query, search, &mut searcher))?;
                    rounds.push(times);
                    found = rows;
                }
            }
            let middle = |rounds: &[Times], percent| {
                median(&rounds.iter().map(|times| times.percentile(percent)).collect::<Vec<_>>())
            };
            let [scan, walk] = rounds.each_ref().map(|rounds| (middle(rounds, 50), middle(rounds, 99)));
            println!(
                "  {:>10}{:>6} %{:>9.4}{:>13.1}{:>11.1}{:>13.1}{:>11.1}{:>9.2}",
                if clustered { "clustered" } else { "random" },
                part * 100.0,
                recall(found.into_iter(), truth.iter()),
                walk.0,
                walk.1,
                scan.0,
                scan.1,
                walk.0 / scan.0
            );
        }
    }
    Ok(())
}

fn merging(arguments: &Arguments, vectors: &Vectors, dimensions: usize) -> Result<(), VectorError> {
    let values = flat(&vectors.base);
    let half = vectors.base.len() / 2;
    let (first, second) = values.split_at(half * dimensions);
    let options = IndexOptions::default();
    let parts = [first, second].map(|values| Index::build(dimensions, values, options, &threads()));
    let [first, second] = parts;
    let (first, second) = (first?, second?);
    let (mut merging, mut building) = (Vec::new(), Vec::new());
    let (mut merged, mut built) = (None, None);
    for _ in 0..arguments.rounds {
        let cpu = machine::cpu_seconds();
        let behind = |row: u32| row.checked_add(half as u32);
        let parts = [MergePart { index: &first, row: &Some }, MergePart { index: &second, row: &behind }];
        merged = Some(Index::merge(&parts, options, &threads())?);
        merging.push(machine::cpu_seconds() - cpu);
        let cpu = machine::cpu_seconds();
        built = Some(Index::build(dimensions, &values, options, &threads())?);
        building.push(machine::cpu_seconds() - cpu);
    }
    let (merge, build) = (median(&merging), median(&building));
    println!("  merging {merge:.1} s of processors, building {build:.1} s: {:.2}", merge / build);
    println!("  {:>5}{:>16}{:>16}", "ef", "recall, merged", "recall, built");
    let mut searcher = Searcher::default();
    for ef in &arguments.ef {
        let mut recalls = [0.0; 2];
        for (index, of) in [&merged, &built].into_iter().flatten().zip(&mut recalls) {
            let search = Search { k: NEAREST, ef: *ef, only: None };
            let (found, _) = asked(&vectors.queries, |query| rows_of(index, query, search, &mut searcher))?;
            *of = recall(found.into_iter(), vectors.truth.iter());
        }
        println!("  {ef:>5}{:>16.4}{:>16.4}", recalls[0], recalls[1]);
    }
    Ok(())
}
