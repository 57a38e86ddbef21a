//! The first table: principal axes of what the transformer says of each piece alone.

use crate::teacher::Said;
use faer::{Mat, Side};
use postlode_embed::Vocabulary;
use std::error::Error;

/// SIF's constant: a piece that is so much of all text counts half.
const SIF: f64 = 1e-4;
/// Pieces before this one are marks of the model; from here on they are single characters; words begin at the third, and
/// come in the order of how often they are.
pub const CHARACTERS: usize = 999;
const WORDS: usize = 1996;
/// Of all text the part that is made up of single characters, and how many pieces the guess from the order weighs as much as.
const OF_CHARACTERS: f64 = 0.05;
const GUESS: f64 = 2_000.0;

/// A row of `dimensions` values for each piece.
pub fn table(
    tokens: &Said,
    texts: &[Vec<u32>],
    vocabulary: &Vocabulary,
    dimensions: usize,
) -> Result<Vec<f32>, Box<dyn Error>> {
    let (pieces, width) = (vocabulary.pieces() as usize, tokens.dimensions);
    if vocabulary.piece("the") != Some(WORDS as u32) {
        return Err("the words of this vocabulary do not begin where those of BERT do".into());
    }
    let mut mean = vec![0.0f64; width];
    for piece in 0..pieces {
        mean.iter_mut().zip(tokens.row(piece)).for_each(|(mean, x)| *mean += f64::from(*x) / pieces as f64);
    }
    let centred = Mat::from_fn(pieces, width, |piece, at| f64::from(tokens.row(piece)[at]) - mean[at]);
    let covariance = centred.transpose() * &centred;
    let eigen = covariance
        .self_adjoint_eigen(Side::Lower)
        .map_err(|error| format!("no principal axes: {error:?}"))?;
    let (values, axes) = (eigen.S(), eigen.U());
    // Ascending, so the largest are last. Half-whitened: an axis of much variance still counts more, but less so.
    let turn = Mat::from_fn(width, dimensions, |row, column| {
        let axis = width - 1 - column;
        axes[(row, axis)] / values[axis].max(1e-12).powf(0.25)
    });
    let projected = &centred * &turn;

    let weights = weights(texts, pieces);
    let mut rows: Vec<f32> = Vec::with_capacity(pieces * dimensions);
    for piece in 0..pieces {
        rows.extend((0..dimensions).map(|at| (projected[(piece, at)] * weights[piece]) as f32));
    }
    let length = |row: &[f32]| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let words = pieces - WORDS;
    let mean: f64 = rows.chunks(dimensions).skip(WORDS).map(length).sum::<f64>() / words as f64;
    rows.iter_mut().for_each(|x| *x = (f64::from(*x) / mean) as f32);
    Ok(rows)
}

/// How much each piece counts: less the more often it comes, as far as that is known from the texts and the vocabulary's
/// order (Zipf).
fn weights(texts: &[Vec<u32>], pieces: usize) -> Vec<f64> {
    let mut counts = vec![0.0f64; pieces];
    let mut total = 0.0;
    for piece in texts.iter().flatten() {
        counts[*piece as usize] += 1.0;
        total += 1.0;
    }
    let rank = |piece: usize| if piece < WORDS { OF_CHARACTERS } else { 1.0 / (piece - WORDS + 1) as f64 };
    let all: f64 = (0..pieces).map(rank).sum();
    (0..pieces)
        .map(|piece| {
            let part = (counts[piece] + GUESS * rank(piece) / all) / (total + GUESS);
            if piece < CHARACTERS { 0.0 } else { SIF / (SIF + part) }
        })
        .collect()
}
