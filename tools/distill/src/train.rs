//! Training: the table's own similarities are brought near to the transformer's, and spans near to their paragraphs.
//!
//! Each step takes one batch for each of two losses, and goes down their gradient by Adam, with one second moment for each
//! row of the table (rows are seldom met, and the values of one are alike):
//!
//! * relational distillation: the Kullback-Leibler divergence between the softmax of a text's similarities to the others of
//!   its batch, as the transformer says and as the table says;
//! * InfoNCE: a span of a paragraph, among the paragraphs of its batch, is to be nearest to its own, from which it was taken
//!   out; so is a heading to a paragraph under it, and a paragraph to the one behind it.

use crate::Random;
use crate::start::CHARACTERS;
use crate::teacher::Said;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use std::collections::HashMap;

const EPOCHS: usize = 10;
const TEMPERATURE: f32 = 0.05;
const TAUGHT: usize = 512;
const SPANS: usize = 1024;
/// Shortest paragraph that a span is taken of, and the spans' lengths.
const PARAGRAPH: usize = 30;
const SPAN: std::ops::Range<usize> = 6..20;
/// Of ten, one paragraph keeps the span, so that equal words still count.
const KEPT: usize = 10;
/// One of so many is a heading with its paragraph, and one a paragraph with the next, as far as there are such.
const OTHERS: usize = 3;
const HEADING: std::ops::Range<usize> = 2..24;
const RATE: f32 = 3e-3;
const LAST_RATE: f32 = 3e-5;
const MOMENTUM: f32 = 0.9;
const SECOND: f32 = 0.98;

/// Pieces and how much each counts.
type Text = Vec<(u32, f32)>;

/// As the table is used: by the logarithm of how often a piece comes.
fn weighted(pieces: &[u32]) -> Text {
    let mut counts: HashMap<u32, f32> = HashMap::new();
    // The marks of the model, that of unknown words among them, say nothing.
    for piece in pieces.iter().filter(|piece| **piece as usize >= CHARACTERS) {
        *counts.entry(*piece).or_default() += 1.0;
    }
    let mut text: Text = counts.into_iter().map(|(piece, count)| (piece, 1.0 + count.ln())).collect();
    text.sort_unstable_by_key(|(piece, _)| *piece);
    text
}

struct Table {
    dimensions: usize,
    rows: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    /// The gradient, zero but for the rows that were touched.
    gradient: Vec<f32>,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
}

/// Vectors of a batch, with length one, and the lengths that they had.
struct Batch {
    texts: Vec<Text>,
    unit: Mat<f32>,
    lengths: Vec<f32>,
}

impl Table {
    fn forward(&self, texts: Vec<Text>) -> Batch {
        let mut unit = Mat::zeros(texts.len(), self.dimensions);
        let mut lengths = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let mut sum = vec![0.0f32; self.dimensions];
            for (piece, weight) in text {
                let row = &self.rows[*piece as usize * self.dimensions..][..self.dimensions];
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
            }
            let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
            sum.iter().enumerate().for_each(|(column, x)| unit[(at, column)] = x / length);
            lengths.push(length);
        }
        Batch { texts, unit, lengths }
    }

    /// Adds the gradient of the rows, given that of the vectors.
    fn backward(&mut self, batch: &Batch, gradient: &Mat<f32>, weight: f32) {
        let mut row = vec![0.0f32; self.dimensions];
        for (at, text) in batch.texts.iter().enumerate() {
            let dot: f32 = (0..self.dimensions).map(|c| gradient[(at, c)] * batch.unit[(at, c)]).sum();
            for (column, x) in row.iter_mut().enumerate() {
                *x = weight * (gradient[(at, column)] - dot * batch.unit[(at, column)]) / batch.lengths[at];
            }
            for (piece, weight) in text {
                if !std::mem::replace(&mut self.is_touched[*piece as usize], true) {
                    self.touched.push(*piece);
                }
                let sum = &mut self.gradient[*piece as usize * self.dimensions..][..self.dimensions];
                sum.iter_mut().zip(&row).for_each(|(sum, x)| *sum += weight * x);
            }
        }
    }

    fn step(&mut self, rate: f32) {
        for piece in std::mem::take(&mut self.touched) {
            let piece = piece as usize;
            self.is_touched[piece] = false;
            let range = piece * self.dimensions..(piece + 1) * self.dimensions;
            let gradient = &mut self.gradient[range.clone()];
            let square = gradient.iter().map(|x| x * x).sum::<f32>() / self.dimensions as f32;
            self.second[piece] = SECOND * self.second[piece] + (1.0 - SECOND) * square;
            let scale = rate / (self.second[piece].sqrt() + 1e-9);
            let moments = self.first[range.clone()].iter_mut().zip(&mut self.rows[range]);
            for (x, (first, row)) in gradient.iter_mut().zip(moments) {
                *first = MOMENTUM * *first + (1.0 - MOMENTUM) * *x;
                *row -= scale * *first;
                *x = 0.0;
            }
        }
    }
}

/// a b^T
fn similarities(a: MatRef<'_, f32>, b: MatRef<'_, f32>) -> Mat<f32> {
    let mut out = Mat::zeros(a.nrows(), b.nrows());
    matmul(&mut out, Accum::Replace, a, b.transpose(), 1.0f32, Par::rayon(0));
    out
}

/// a b
fn product(a: MatRef<'_, f32>, b: MatRef<'_, f32>) -> Mat<f32> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(&mut out, Accum::Replace, a, b, 1.0f32, Par::rayon(0));
    out
}

/// The softmax of a row over the temperature, leaving out one place.
fn softmax(matrix: &Mat<f32>, row: usize, without: Option<usize>) -> Vec<f32> {
    let value =
        |at: usize| if Some(at) == without { f32::NEG_INFINITY } else { matrix[(row, at)] / TEMPERATURE };
    let most = (0..matrix.ncols()).map(value).fold(f32::NEG_INFINITY, f32::max);
    let mut out: Vec<f32> = (0..matrix.ncols()).map(|at| (value(at) - most).exp()).collect();
    let sum: f32 = out.iter().sum();
    out.iter_mut().for_each(|x| *x /= sum);
    out
}

/// The loss, and its gradient by the similarities.
fn distil(own: &Mat<f32>, taught: &Mat<f32>) -> (f32, Mat<f32>) {
    let count = own.nrows();
    let mut gradient = Mat::zeros(count, count);
    let mut loss = 0.0;
    for row in 0..count {
        let (p, q) = (softmax(own, row, Some(row)), softmax(taught, row, Some(row)));
        for at in 0..count {
            loss -= q[at] * (p[at] + 1e-12).ln() / count as f32;
            gradient[(row, at)] = (p[at] - q[at]) / TEMPERATURE / count as f32;
        }
    }
    (loss, gradient)
}

/// The same for spans and paragraphs, of which those of one number belong together: both ways.
fn contrast(own: &Mat<f32>) -> (f32, Mat<f32>) {
    let count = own.nrows();
    let mut gradient = Mat::zeros(count, count);
    let mut loss = 0.0;
    let turned = own.transpose().to_owned();
    for row in 0..count {
        let (p, q) = (softmax(own, row, None), softmax(&turned, row, None));
        loss -= (p[row] + 1e-12).ln() / count as f32;
        for at in 0..count {
            let is_own = f32::from(u8::from(at == row));
            let scale = 2.0 * TEMPERATURE * count as f32;
            gradient[(row, at)] += (p[at] - is_own) / scale;
            gradient[(at, row)] += (q[at] - is_own) / scale;
        }
    }
    (loss, gradient)
}

/// A trained table.
pub fn train(
    rows: Vec<f32>,
    dimensions: usize,
    (taught, said): (&[Vec<u32>], &Said),
    (paragraphs, near): (&[Vec<u32>], &[[Vec<u32>; 2]]),
    say: &dyn Fn(&str),
) -> Vec<f32> {
    let pieces = rows.len() / dimensions;
    let mut table = Table {
        dimensions,
        first: vec![0.0; rows.len()],
        second: vec![0.0; pieces],
        gradient: vec![0.0; rows.len()],
        touched: Vec::new(),
        is_touched: vec![false; pieces],
        rows,
    };
    let long = paragraphs.iter().zip(near).filter(|(text, _)| text.len() >= PARAGRAPH);
    let long: Vec<(&Vec<u32>, &[Vec<u32>; 2])> = long.collect();
    let steps = (long.len() / SPANS).max(taught.len() / TAUGHT).max(1);
    say(&format!(
        "{} texts of the transformer, {} paragraphs, {steps} steps an epoch",
        taught.len(),
        long.len()
    ));
    let mut random = Random(2);
    let mut texts: Vec<usize> = (0..taught.len()).collect();
    let mut order: Vec<usize> = (0..long.len()).collect();
    for epoch in 0..EPOCHS {
        random.shuffle(&mut texts);
        random.shuffle(&mut order);
        let mut losses = (0.0, 0.0);
        for step in 0..steps {
            let done = (epoch * steps + step) as f32 / (EPOCHS * steps) as f32;
            let rate = RATE * 0.5 * (1.0 + (std::f32::consts::PI * done).cos()) + LAST_RATE;

            let batch: Vec<usize> =
                (0..TAUGHT.min(texts.len())).map(|n| texts[(step * TAUGHT + n) % texts.len()]).collect();
            let own = table.forward(batch.iter().map(|text| weighted(&taught[*text])).collect());
            let said = Mat::from_fn(batch.len(), said.dimensions, |row, at| said.row(batch[row])[at]);
            let theirs = similarities(said.as_ref(), said.as_ref());
            let (loss, by_similarity) = distil(&similarities(own.unit.as_ref(), own.unit.as_ref()), &theirs);
            losses.0 += loss / steps as f32;
            // A similarity depends on both texts.
            let both = &by_similarity + by_similarity.transpose();
            table.backward(&own, &product(both.as_ref(), own.unit.as_ref()), 1.0);
            table.step(rate);

            let (mut spans, mut rests) = (Vec::new(), Vec::new());
            for n in 0..SPANS.min(order.len()) {
                let (text, [heading, next]) = long[order[(step * SPANS + n) % order.len()]];
                match random.below(OTHERS) {
                    0 if HEADING.contains(&heading.len()) => {
                        spans.push(weighted(heading));
                        rests.push(weighted(text));
                        continue;
                    }
                    1 if next.len() >= PARAGRAPH => {
                        spans.push(weighted(text));
                        rests.push(weighted(next));
                        continue;
                    }
                    _ => {}
                }
                let len = SPAN.start + random.below(SPAN.end - SPAN.start);
                let from = random.below(text.len() - len);
                spans.push(weighted(&text[from..from + len]));
                let rest = if random.below(KEPT) == 0 {
                    text.clone()
                } else {
                    [&text[..from], &text[from + len..]].concat()
                };
                rests.push(weighted(&rest));
            }
            let (spans, rests) = (table.forward(spans), table.forward(rests));
            let (loss, by_similarity) = contrast(&similarities(spans.unit.as_ref(), rests.unit.as_ref()));
            losses.1 += loss / steps as f32;
            table.backward(&spans, &product(by_similarity.as_ref(), rests.unit.as_ref()), 1.0);
            table.backward(&rests, &product(by_similarity.transpose(), spans.unit.as_ref()), 1.0);
            table.step(rate);
        }
        say(&format!("epoch {epoch}: distillation {:.3}, spans {:.3}", losses.0, losses.1));
    }
    table.rows
}
