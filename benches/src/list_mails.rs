//! Mails of a file of JSON lines, as mailing lists keep them.

use crate::BenchError;
use postlode_mail::parts::{PartKind, split};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// A mail.
#[derive(Deserialize)]
pub struct Mail {
    /// Its Message-ID.
    pub id: String,
    /// The mail that it answers, and all that it names.
    pub irt: String,
    /// See `irt`.
    pub refs: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// When it was sent, as text that sorts.
    pub date: String,
    /// All of its text.
    pub body: String,
}

/// All of a file (.jsonl, .jsonl.zst).
///
/// # Errors
/// Where it cannot be read, or a line is no mail.
pub fn read(path: &Path) -> Result<Vec<Mail>, BenchError> {
    let file = std::fs::File::open(path).map_err(BenchError::io(path.display().to_string()))?;
    let plain: Box<dyn Read> = match path.extension().is_some_and(|end| end == "zst") {
        true => Box::new(zstd::Decoder::new(file).map_err(BenchError::io(path.display().to_string()))?),
        false => Box::new(file),
    };
    let lines = BufReader::new(plain).lines();
    lines
        .map(|line| Ok(serde_json::from_str(&line.map_err(BenchError::io(path.display().to_string()))?)?))
        .collect()
}

/// What the writer wrote, without quotes, signatures and footers.
#[must_use]
pub fn new_text(body: &str) -> String {
    let parts = split(body);
    parts.iter().filter(|part| part.kind == PartKind::New).map(|part| part.of(body)).collect()
}
