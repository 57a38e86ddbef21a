//! Sealed segments: building them, reading them.

pub mod build;
pub mod columns;
pub mod emails;
#[cfg(test)]
mod flips;
pub mod frames;
pub mod heap;
pub mod leaves;
pub mod make;
pub mod reader;
pub mod shared;
pub mod source;
pub mod tree;
pub mod writer;
