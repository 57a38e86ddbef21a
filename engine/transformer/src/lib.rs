//! A transformer that runs inside the program: a folder with a BERT-like model becomes vectors of text.
//!
//! * [`Transformer`] is the model, as [`postlode_embed::Embed`] wants one.
//! * `bert` reads the folder, and says what its network does.
//! * `onnx` writes that down in the form that ONNX Runtime takes, with weights of one byte.
//! * `runtime` is the only place that knows ONNX Runtime, which is a library that is loaded when it is wanted: a program that
//!   embeds by its own table, or asks an endpoint, needs none.
//!
//! What always holds: sizes that a folder states are checked before they are believed; a text costs time and memory bounded by
//! the pieces that the model takes; a vector has length one, or there is none; models that differ in a weight, a word or a
//! prefix differ in [`postlode_embed::Model::version`], and their vectors are never compared.

#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "tests may panic"))]

mod batches;
mod bert;
mod model;
mod onnx;
mod runtime;

pub use model::{Transformer, TransformerOptions};
