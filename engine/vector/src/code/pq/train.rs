//! Learning a codebook: k-means for each part, and the rotation under which parts say most.
//!
//! What always holds: the same sample gives the same codebook, on any number of threads.

use super::{CENTROIDS, Centroid, PART};
use crate::threads::Parallel;
use std::sync::Mutex;

/// Vectors of a sample that are looked at.
const SAMPLE: usize = 16_384;
/// Rounds of k-means.
const ROUNDS: usize = 12;
/// Times that the rotation is mended, and rounds of k-means between.
const TURNS: usize = 12;
const ROUNDS_A_TURN: usize = 2;
/// Steps towards an orthogonal matrix, at most: each makes small singular values half as large again.
const STEPS: usize = 48;
/// It is one, where the product with its transpose is no farther from doing nothing.
const ORTHOGONAL: f32 = 1e-3;
/// The weight of the rotation before.
const LAST: f32 = 1e-3;

/// The inner product.
pub fn product(a: &Centroid, b: &Centroid) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The number of the nearest centroid.
pub fn nearest(centroids: &[Centroid], values: &Centroid) -> usize {
    // |v - c|^2 = |v|^2 + |c|^2 - 2 v c, and the first is the same for all.
    let near = |centroid: &Centroid| 2.0 * product(values, centroid) - product(centroid, centroid);
    let mut best = (f32::NEG_INFINITY, 0);
    for (number, centroid) in centroids.iter().enumerate() {
        let score = near(centroid);
        if score > best.0 {
            best = (score, number);
        }
    }
    best.1
}

/// A vector by a matrix; as it is where there is none.
pub fn turned(rotation: &[f32], vector: &[f32], dimensions: usize) -> Vec<f32> {
    let mut out = vec![0.0; dimensions];
    if rotation.is_empty() {
        out.iter_mut().zip(vector).for_each(|(to, from)| *to = *from);
        return out;
    }
    for (value, row) in vector.iter().zip(rotation.chunks_exact(dimensions.max(1))) {
        out.iter_mut().zip(row).for_each(|(to, weight)| *to += value * weight);
    }
    out
}

/// A vector in parts, the last filled up with zeros.
pub fn cut(vector: &[f32], dimensions: usize) -> Vec<Centroid> {
    let mut parts = vec![[0.0; PART]; dimensions.div_ceil(PART)];
    let slots = parts.as_flattened_mut();
    slots.iter_mut().zip(vector.iter().take(dimensions)).for_each(|(to, from)| *to = *from);
    parts
}

/// Some of the sample's vectors, evenly over all.
fn some(sample: &[f32], dimensions: usize) -> Vec<&[f32]> {
    let all = sample.len() / dimensions.max(1);
    let every = all.div_ceil(SAMPLE).max(1);
    sample.chunks_exact(dimensions.max(1)).step_by(every).collect()
}

/// Rotation and centroids.
pub fn train(
    sample: &[f32],
    dimensions: usize,
    rotated: bool,
    parallel: &dyn Parallel,
) -> (Vec<f32>, Vec<Centroid>) {
    let vectors = some(sample, dimensions);
    let parts = dimensions.div_ceil(PART);
    let mut centroids = vec![[0.0; PART]; parts * CENTROIDS];
    let mut rotation = Vec::new();
    if rotated && !vectors.is_empty() {
        // Begin with one that spreads what few values say: parts that say nothing would stay so.
        rotation = begin(dimensions);
        let mut all = turn_all(&rotation, &vectors, dimensions);
        begin_with(&mut centroids, &all);
        for _ in 0..TURNS {
            improve(&mut centroids, &all, ROUNDS_A_TURN, parallel);
            rotation = towards(&rotation, &vectors, &meant(&centroids, &all), parallel);
            all = turn_all(&rotation, &vectors, dimensions);
        }
        improve(&mut centroids, &all, ROUNDS, parallel);
    } else {
        let all = turn_all(&[], &vectors, dimensions);
        begin_with(&mut centroids, &all);
        improve(&mut centroids, &all, ROUNDS, parallel);
    }
    (rotation, centroids)
}

fn begin(dimensions: usize) -> Vec<f32> {
    let rotation = crate::code::Rotation::new(dimensions);
    let mut out = Vec::with_capacity(dimensions * dimensions);
    for at in 0..dimensions {
        let mut row = vec![0.0; dimensions];
        row.iter_mut().skip(at).take(1).for_each(|one| *one = 1.0);
        rotation.turn(&mut row);
        out.extend(row);
    }
    out
}

fn turn_all(rotation: &[f32], vectors: &[&[f32]], dimensions: usize) -> Vec<Vec<Centroid>> {
    vectors.iter().map(|vector| cut(&turned(rotation, vector, dimensions), dimensions)).collect()
}

/// The first centroids are vectors of the sample, evenly over all.
fn begin_with(centroids: &mut [Centroid], all: &[Vec<Centroid>]) {
    for (part, own) in centroids.chunks_exact_mut(CENTROIDS).enumerate() {
        for (number, centroid) in own.iter_mut().enumerate() {
            let at = number * all.len() / CENTROIDS;
            *centroid = all.get(at).and_then(|parts| parts.get(part)).copied().unwrap_or_default();
        }
    }
}

/// Rounds of k-means (Lloyd 1982), parts beside each other.
fn improve(centroids: &mut [Centroid], all: &[Vec<Centroid>], rounds: usize, parallel: &dyn Parallel) {
    let parts: Vec<Mutex<&mut [Centroid]>> = centroids.chunks_exact_mut(CENTROIDS).map(Mutex::new).collect();
    parallel.each(parts.len(), &|part| {
        let Some(mut own) = parts.get(part).and_then(|own| own.lock().ok()) else { return };
        for _ in 0..rounds {
            round(&mut own, all, part);
        }
    });
}

fn round(centroids: &mut [Centroid], all: &[Vec<Centroid>], part: usize) {
    let mut sums = vec![([0.0f64; PART], 0u32); centroids.len()];
    let own = |parts: &Vec<Centroid>| parts.get(part).copied().unwrap_or_default();
    for parts in all {
        let values = own(parts);
        if let Some((sum, count)) = sums.get_mut(nearest(centroids, &values)) {
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
            *count += 1;
        }
    }
    let largest =
        sums.iter().enumerate().max_by_key(|(_, (_, count))| *count).map_or(0, |(number, _)| number);
    for (number, (sum, count)) in sums.iter().enumerate() {
        let Some(centroid) = centroids.get(number).copied() else { continue };
        let moved = if *count > 0 {
            sum.map(|sum| (sum / f64::from(*count)) as f32)
        } else {
            // Nobody is near it: it takes a share of the most crowded one.
            let crowded = centroids.get(largest).copied().unwrap_or(centroid);
            let nudge = 1.0 + 0.01 * (1 + number % 7) as f32;
            crowded.map(|value| value * nudge)
        };
        centroids.iter_mut().skip(number).take(1).for_each(|slot| *slot = moved);
    }
}

/// What the codes of all stand for.
fn meant(centroids: &[Centroid], all: &[Vec<Centroid>]) -> Vec<Vec<Centroid>> {
    let of = |(part, values): (usize, &Centroid)| {
        let own = centroids.chunks_exact(CENTROIDS).nth(part).unwrap_or(&[]);
        own.get(nearest(own, values)).copied().unwrap_or_default()
    };
    all.iter().map(|parts| parts.iter().enumerate().map(of).collect()).collect()
}

/// The rotation that brings vectors nearest to what their codes stand for: the orthogonal part of the sum of x yᵀ
/// (Schönemann 1966), found by Newton-Schulz steps, which are products of matrices and nothing else.
///
/// Of directions of which the sum says nothing, as there are few vectors, `last` says what becomes. Where the steps come to no
/// end, it is kept.
fn towards(last: &[f32], vectors: &[&[f32]], meant: &[Vec<Centroid>], parallel: &dyn Parallel) -> Vec<f32> {
    let dimensions = last.len().isqrt();
    let targets: Vec<&[f32]> = meant.iter().map(|parts| parts.as_flattened()).collect();
    let mut matrix = vec![0.0f32; dimensions * dimensions];
    rows_of(&mut matrix, dimensions, parallel, &|number, row| {
        for (vector, target) in vectors.iter().zip(&targets) {
            let value = vector.get(number).copied().unwrap_or(0.0);
            row.iter_mut().zip(*target).for_each(|(to, from)| *to += value * from);
        }
    });
    // Singular values at most one and a little: the steps come to an end only below the root of three.
    let length = matrix.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() as f32;
    matrix.iter_mut().zip(last).for_each(|(x, last)| *x = *x / length.max(f32::MIN_POSITIVE) + LAST * last);
    for _ in 0..STEPS {
        // X (3 - Xᵀ X) / 2
        let mut square = vec![0.0f32; dimensions * dimensions];
        rows_of(&mut square, dimensions, parallel, &|number, row| {
            for x in matrix.chunks_exact(dimensions) {
                let value = x.get(number).copied().unwrap_or(0.0);
                row.iter_mut().zip(x).for_each(|(to, from)| *to += value * from);
            }
        });
        if off(&square, dimensions) < ORTHOGONAL {
            return matrix;
        }
        let mut next = vec![0.0f32; dimensions * dimensions];
        rows_of(&mut next, dimensions, parallel, &|number, row| {
            let Some(own) = matrix.chunks_exact(dimensions).nth(number) else { return };
            row.iter_mut().zip(own).for_each(|(to, from)| *to = 1.5 * from);
            for (value, other) in own.iter().zip(square.chunks_exact(dimensions)) {
                row.iter_mut().zip(other).for_each(|(to, from)| *to -= 0.5 * value * from);
            }
        });
        matrix = next;
    }
    last.to_vec()
}

/// How far a matrix is from one that leaves all as it is.
fn off(matrix: &[f32], dimensions: usize) -> f32 {
    let rows = matrix.chunks_exact(dimensions.max(1)).enumerate();
    let wanted = |row: usize, column: usize| if row == column { 1.0 } else { 0.0 };
    rows.flat_map(|(row, values)| {
        values.iter().enumerate().map(move |(column, value)| (value - wanted(row, column)).abs())
    })
    .fold(0.0, f32::max)
}

/// Computes the rows of a matrix beside each other.
fn rows_of(
    matrix: &mut [f32],
    dimensions: usize,
    parallel: &dyn Parallel,
    row: &(dyn Fn(usize, &mut [f32]) + Sync),
) {
    let rows: Vec<Mutex<&mut [f32]>> = matrix.chunks_exact_mut(dimensions).map(Mutex::new).collect();
    parallel.each(rows.len(), &|number| {
        if let Some(mut own) = rows.get(number).and_then(|own| own.lock().ok()) {
            row(number, &mut own);
        }
    });
}
