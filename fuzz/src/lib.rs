//! Fuzz targets: what reads bytes that others wrote, fed with any bytes.
//!
//! A target is a plain function that takes bytes and must come back. It may refuse them; what it accepts must keep
//! the promises of the code under test, which the target asserts. What always holds:
//!
//! * a target keeps no state between two calls that could change its verdict: the same bytes, the same end;
//! * where a checksum guards a structure, the target also tries the bytes with that checksum made right, because
//!   otherwise hardly any changed byte would get past it;
//! * this crate reads nothing but the golden files of the format, and only for its seeds.
//!
//! The tests run each target over its seeds and thousands of seeded changes of them; with the feature `libfuzzer`
//! the same functions are targets of `cargo fuzz`.

pub mod attachment;
pub mod block;
pub mod btree;
pub mod columns;
pub mod headers;
pub mod html;
pub mod log;
pub mod mail;
pub mod manifest;
pub mod mutate;
pub mod operations;
pub mod query;
pub mod rows;
pub mod rtf;
pub mod samples;
pub mod seeds;
pub mod segment;
pub mod text;
pub mod vectors;

/// Bytes of which a target looks at no more: larger inputs only cost time.
pub const MAX_INPUT: usize = 1 << 20;

/// One target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of its module and of its entry in `fuzz_targets`.
    pub name: &'static str,
    /// Runs it. A panic is a finding.
    pub run: fn(&[u8]),
    /// Inputs to start from, in an order that does not change.
    pub seeds: fn() -> Result<Vec<Vec<u8>>, seeds::SeedError>,
}

/// All targets, by name.
pub const TARGETS: [Target; 16] = [
    Target { name: "attachment", run: attachment::target, seeds: seeds::attachments },
    Target { name: "block", run: block::target, seeds: seeds::blocks },
    Target { name: "btree", run: btree::target, seeds: seeds::trees },
    Target { name: "columns", run: columns::target, seeds: seeds::columns },
    Target { name: "headers", run: headers::target, seeds: seeds::headers },
    Target { name: "html", run: html::target, seeds: seeds::html },
    Target { name: "log", run: log::target, seeds: seeds::logs },
    Target { name: "mail", run: mail::target, seeds: seeds::mails },
    Target { name: "manifest", run: manifest::target, seeds: seeds::manifests },
    Target { name: "operations", run: operations::target, seeds: seeds::operations },
    Target { name: "query", run: query::target, seeds: seeds::queries },
    Target { name: "rows", run: rows::target, seeds: seeds::rows },
    Target { name: "rtf", run: rtf::target, seeds: seeds::rtf },
    Target { name: "segment", run: segment::target, seeds: seeds::segments },
    Target { name: "text", run: text::target, seeds: seeds::texts },
    Target { name: "vectors", run: vectors::target, seeds: seeds::vectors },
];
