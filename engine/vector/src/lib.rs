//! Vectors: codes for them, the kernels that compare codes, and the graph that finds the nearest.
//!
//! * [`kernel`] has the inner products, each in scalar code and in the best way that the machine has.
//! * [`code`] has the quantisers: what a vector is kept as while a graph is walked.
//! * [`graph`] is HNSW: built, searched, repaired, merged.
//! * [`Index`] is all of it for one segment: codes, graph, exact values, and whose vectors they are.
//! * [`Whitening`] turns queries to what tells the vectors of a collection apart.
//!
//! What always holds: vectors have length one, so that the inner product is the cosine and larger is nearer (those that a graph for
//! turned queries is made of are turned by halves, and have any; what is compared is not); a graph is
//! the same for the same vectors whatever number of threads built it; every vector can be found, those that no link
//! leads to are looked at one by one; what was built is never changed. Everything here blocks: it runs on the CPU pool.

#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "tests may panic"))]

pub mod code;
mod error;
pub mod graph;
mod index;
pub mod kernel;
mod memory;
mod threads;
mod whitening;

pub use error::VectorError;
pub use index::{
    CodeKind, FarValues, Filter, Hit, Index, IndexBytes, IndexOptions, MergePart, Search, Searcher,
};
pub use threads::{Parallel, Sequential, Threads};
pub use whitening::Whitening;
