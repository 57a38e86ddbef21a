//! How long an inner product takes: each kind of code, each way that this machine has, from the cache and from memory.

use clap::Parser;
use postlode_benches::machine;
use postlode_vector::kernel::{Kernels, all, to_half};
use std::hint::black_box;
use std::time::Instant;

/// Measures inner products.
#[derive(Parser)]
struct Arguments {
    /// Bytes of vectors in memory, more than any cache has.
    #[arg(long, default_value_t = 1 << 30)]
    memory: usize,
    /// Products of each run.
    #[arg(long, default_value_t = 100_000)]
    products: usize,
}

/// Runs, of which the median counts.
const RUNS: usize = 7;
/// Vectors that fit into the nearest cache.
const HOT: usize = 8;
/// Rows asked for at once, as in a step of a walk.
const STEP: usize = 16;

/// Random numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 32
    }

    fn float(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 31) as f32 - 1.0
    }
}

/// Nanoseconds of one of `count`, the median of the runs.
fn nanoseconds(count: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let since = Instant::now();
            run();
            since.elapsed().as_secs_f64() * 1e9 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

/// One after another from vectors that are in the cache, and at random places of many.
fn measure<T>(
    rows: &[T],
    dimensions: usize,
    products: usize,
    random: &[u32],
    dot: impl Fn(&[T]),
) -> (f64, f64) {
    let row = |at: usize| &rows[at * dimensions..][..dimensions];
    let hot = nanoseconds(products, || (0..products).for_each(|n| dot(row(n % HOT))));
    let cold = nanoseconds(random.len(), || random.iter().for_each(|at| dot(row(*at as usize))));
    (hot, cold)
}

fn main() {
    let arguments = Arguments::parse();
    println!("kernels: {}; nanoseconds a product", machine::told());
    println!("  {:>10} {:>12}{:>14}{:>12}{:>12}", "dimensions", "values", "way", "cache", "memory");
    let mut random = Random(7);
    for dimensions in [256, 384, 768, 1536] {
        let rows = arguments.memory / dimensions / 4;
        let places: Vec<u32> =
            (0..arguments.products).map(|_| (random.next() % rows as u64) as u32).collect();
        let query: Vec<f32> = (0..dimensions).map(|_| random.float()).collect();
        let show = |kind: &str, way: &dyn Kernels, (hot, cold): (f64, f64)| {
            println!("  {dimensions:>10} {kind:>12}{:>14}{hot:>12.1}{cold:>12.1}", way.name());
        };

        let floats: Vec<f32> = (0..rows * dimensions).map(|_| random.float()).collect();
        for way in all() {
            let dot = |row: &[f32]| {
                black_box(way.dot_f32(&query, row));
            };
            show("f32", way, measure(&floats, dimensions, arguments.products, &places, dot));
        }
        drop(floats);
        let halves: Vec<u16> = (0..rows * dimensions).map(|_| to_half(random.float())).collect();
        // The one way of AVX-512 VNNI has no other for halves than the one before it.
        for way in all().into_iter().take(2) {
            let dot = |row: &[u16]| {
                black_box(way.dot_half(&query, row));
            };
            show("f16", way, measure(&halves, dimensions, arguments.products, &places, dot));
        }
        drop(halves);
        let bytes: Vec<i8> = (0..rows * dimensions * 4).map(|_| random.next() as u8 as i8).collect();
        let places: Vec<u32> = places.iter().map(|at| at * 4).collect();
        let query: Vec<i8> = query.iter().map(|x| (x * 127.0) as i8).collect();
        for way in all() {
            let dot = |row: &[i8]| {
                black_box(way.dot_i8(&query, row));
            };
            show("i8", way, measure(&bytes, dimensions, arguments.products, &places, dot));
            let mut scores = Vec::with_capacity(STEP);
            let cold = nanoseconds(places.len(), || {
                for step in places.chunks(STEP) {
                    scores.clear();
                    way.dots_i8(&query, &bytes, step, 1.0, &mut scores);
                    black_box(&scores);
                }
            });
            let hot = nanoseconds(arguments.products, || {
                for n in 0..arguments.products / STEP {
                    scores.clear();
                    let nodes: [u32; STEP] = std::array::from_fn(|at| ((n + at) % HOT) as u32);
                    way.dots_i8(&query, &bytes, &nodes, 1.0, &mut scores);
                    black_box(&scores);
                }
            });
            show("i8, sixteen", way, (hot, cold));
        }
    }
}
