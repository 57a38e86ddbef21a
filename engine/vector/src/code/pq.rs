//! Product quantisation: a byte for each eight values (Jégou, Douze, Schmid, "Product quantization for nearest neighbor
//! search", 2011), with a rotation before where one was learnt (Ge, He, Ke, Sun, "Optimized product quantization", 2013).
//!
//! A vector is cut into parts of eight values; a byte says which of 256 centroids a part is nearest to. A query has a table of
//! its products with all centroids, so a score is a sum of one number a part. What always holds: codes mean something only
//! beside the codebook that they were made with.

mod train;

use super::{Codes, MOST_DIMENSIONS};
use crate::error::VectorError;
use crate::kernel::row;
use crate::memory::{Array, prefetch};
use crate::threads::Parallel;
use std::sync::Arc;

/// Values of a part.
const PART: usize = 8;
/// Centroids of a part.
const CENTROIDS: usize = 256;
/// Larger than any value of a codebook.
const LARGEST: f32 = 4.0;
/// Rows ahead that are asked for.
const AHEAD: usize = 8;

type Centroid = [f32; PART];

/// What codes stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Codebook {
    dimensions: usize,
    /// By rows: what comes out of a value; nothing where vectors are not turned.
    rotation: Vec<f32>,
    /// Of each part as many as there may be.
    centroids: Vec<Centroid>,
}

impl Codebook {
    /// Learns one from a sample of vectors of `dimensions` values, which lie one after another.
    ///
    /// # Errors
    /// [`VectorError::TooManyDimensions`].
    pub fn fit(
        sample: &[f32],
        dimensions: usize,
        rotated: bool,
        parallel: &dyn Parallel,
    ) -> Result<Self, VectorError> {
        if dimensions == 0 || dimensions > MOST_DIMENSIONS {
            return Err(VectorError::TooManyDimensions(dimensions));
        }
        let (rotation, centroids) = train::train(sample, dimensions, rotated, parallel);
        Ok(Self { dimensions, rotation, centroids })
    }

    /// Are vectors turned before they are cut?
    #[must_use]
    pub fn is_rotated(&self) -> bool {
        !self.rotation.is_empty()
    }

    /// Parts of a vector.
    fn parts(&self) -> usize {
        self.dimensions.div_ceil(PART)
    }

    fn of_part(&self, part: usize) -> &[Centroid] {
        let from = part.saturating_mul(CENTROIDS);
        self.centroids.get(from..from.saturating_add(CENTROIDS)).unwrap_or(&[])
    }

    /// A vector, turned and cut.
    fn cut(&self, vector: &[f32]) -> Vec<Centroid> {
        train::cut(&train::turned(&self.rotation, vector, self.dimensions), self.dimensions)
    }

    /// Its bytes: is there a rotation (u32, 0 or 1), then that, then the centroids, all floats.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = u32::from(!self.rotation.is_empty()).to_le_bytes().to_vec();
        let floats = self.rotation.iter().chain(self.centroids.as_flattened());
        out.extend(floats.flat_map(|float| float.to_le_bytes()));
        out
    }

    /// Reads one from the front; gives what follows.
    fn from_bytes(bytes: &[u8], dimensions: usize) -> Result<(Self, &[u8]), VectorError> {
        let damaged = |what: &str| VectorError::Damaged(what.to_owned());
        let (rotated, rest) =
            bytes.split_first_chunk::<4>().ok_or_else(|| damaged("its codebook is cut off"))?;
        let turned = match u32::from_le_bytes(*rotated) {
            0 => 0,
            1 => dimensions.saturating_mul(dimensions),
            _ => return Err(damaged("its codebook is of another kind")),
        };
        let count = dimensions.div_ceil(PART).saturating_mul(CENTROIDS);
        let floats = turned.saturating_add(count.saturating_mul(PART));
        let (own, rest) = rest
            .split_at_checked(floats.saturating_mul(4))
            .ok_or_else(|| damaged("its codebook is cut off"))?;
        let mut floats = own.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let rotation: Vec<f32> = floats.by_ref().take(turned).collect();
        let centroids: Vec<f32> = floats.collect();
        // Vectors have length one, and so have rotations of them.
        if rotation.iter().chain(&centroids).any(|float| !(-LARGEST..=LARGEST).contains(float)) {
            return Err(damaged("its codebook has what no vector has"));
        }
        let centroids = centroids.as_chunks::<PART>().0.to_vec();
        Ok((Self { dimensions, rotation, centroids }, rest))
    }
}

/// Codes of a byte for each eight values.
pub struct Pq {
    book: Arc<Codebook>,
    parts: usize,
    nodes: u32,
    codes: Array<u8>,
}

/// The products of a vector with all centroids, part by part.
pub struct PqQuery(Vec<f32>);

impl Pq {
    /// Room for so many codes.
    ///
    /// # Errors
    /// [`VectorError::Memory`].
    pub fn zeroed(nodes: u32, book: Arc<Codebook>) -> Result<Self, VectorError> {
        let parts = book.parts();
        Ok(Self { parts, nodes, codes: Array::zeroed((nodes as usize).saturating_mul(parts))?, book })
    }

    /// What the codes stand for.
    #[must_use]
    pub fn book(&self) -> &Arc<Codebook> {
        &self.book
    }

    /// Writes the code of one vector. One that is not there is not written.
    pub fn set(&mut self, node: u32, vector: &[f32]) {
        let cut = self.book.cut(vector);
        let nearest =
            |(part, values): (usize, &Centroid)| train::nearest(self.book.of_part(part), values) as u8;
        let code: Vec<u8> = cut.iter().enumerate().map(nearest).collect();
        self.write(node, &code);
    }

    /// Takes over the code of one vector from codes of the same codebook.
    pub fn copy(&mut self, node: u32, from: &Self, other: u32) {
        if let Some(code) = row(from.codes.as_slice(), from.parts, other) {
            self.write(node, code);
        }
    }

    fn write(&mut self, node: u32, code: &[u8]) {
        let from = (node as usize).saturating_mul(self.parts);
        let row = self.codes.as_mut_slice().get_mut(from..from.saturating_add(self.parts));
        if let Some(row) = row.filter(|row| row.len() == code.len()) {
            row.copy_from_slice(code);
        }
    }

    /// All of it as bytes: the codebook, then the codes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.book.to_bytes();
        out.extend_from_slice(self.codes.as_slice());
        out
    }

    /// So many codes and their codebook, which these bytes are.
    ///
    /// # Errors
    /// [`VectorError::Damaged`] where they are not; [`VectorError::Memory`].
    pub(crate) fn from_bytes(bytes: &[u8], nodes: u32, dimensions: usize) -> Result<Self, VectorError> {
        let (book, codes) = Codebook::from_bytes(bytes, dimensions)?;
        if Some(codes.len()) != (nodes as usize).checked_mul(book.parts()) {
            return Err(VectorError::Damaged("there are not as many codes as it says".to_owned()));
        }
        let mut out = Self::zeroed(nodes, Arc::new(book))?;
        out.codes.as_mut_slice().copy_from_slice(codes);
        Ok(out)
    }

    fn ready(&self, cut: &[Centroid]) -> PqQuery {
        let products = |(part, values): (usize, &Centroid)| -> Vec<f32> {
            self.book.of_part(part).iter().map(|centroid| train::product(centroid, values)).collect()
        };
        PqQuery(cut.iter().enumerate().flat_map(products).collect())
    }

    /// What the code of a node stands for.
    fn meant(&self, node: u32) -> Vec<Centroid> {
        let code = row(self.codes.as_slice(), self.parts, node).unwrap_or(&[]);
        let of = |(part, byte): (usize, &u8)| {
            self.book.of_part(part).get(usize::from(*byte)).copied().unwrap_or_default()
        };
        code.iter().enumerate().map(of).collect()
    }
}

impl Codes for Pq {
    type Query = PqQuery;

    fn nodes(&self) -> u32 {
        self.nodes
    }

    fn query(&self, vector: &[f32]) -> PqQuery {
        self.ready(&self.book.cut(vector))
    }

    fn query_of(&self, node: u32) -> PqQuery {
        self.ready(&self.meant(node))
    }

    fn scores(&self, query: &PqQuery, nodes: &[u32], out: &mut Vec<f32>) {
        let codes = self.codes.as_slice();
        let fetch = |node: &u32| prefetch(codes, (*node as usize).saturating_mul(self.parts));
        nodes.iter().take(AHEAD).for_each(fetch);
        let tables = query.0.as_chunks::<CENTROIDS>().0;
        for (at, node) in nodes.iter().enumerate() {
            nodes.get(at.saturating_add(AHEAD)).into_iter().for_each(fetch);
            out.push(match row(codes, self.parts, *node) {
                Some(code) => sum(tables, code),
                None => f32::NEG_INFINITY,
            });
        }
    }

    fn between(&self, a: u32, b: u32) -> f32 {
        if a.max(b) >= self.nodes {
            return f32::NEG_INFINITY;
        }
        self.meant(a).iter().zip(&self.meant(b)).map(|(a, b)| train::product(a, b)).sum()
    }

    fn bytes(&self) -> usize {
        let book = self.book.rotation.len() + self.book.centroids.len() * PART;
        self.codes.bytes() + book * size_of::<f32>()
    }
}

/// Four sums beside each other, so that no addition waits for the one before.
fn sum(tables: &[[f32; CENTROIDS]], code: &[u8]) -> f32 {
    let of = |table: &[f32; CENTROIDS], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(0.0);
    let (tables, last_tables) = tables.as_chunks::<4>();
    let (codes, last_codes) = code.as_chunks::<4>();
    let mut sums = [0.0f32; 4];
    for ([ta, tb, tc, td], [a, b, c, d]) in tables.iter().zip(codes) {
        let [sa, sb, sc, sd] = &mut sums;
        *sa += of(ta, *a);
        *sb += of(tb, *b);
        *sc += of(tc, *c);
        *sd += of(td, *d);
    }
    let rest: f32 = last_tables.iter().zip(last_codes).map(|(table, byte)| of(table, *byte)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests;
