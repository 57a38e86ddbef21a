//! Vectors of mails and of questions, for programs that are compared: one JSON object a line in, one JSON array a line out.

use clap::Parser;
use postlode_benches::BenchError;
use postlode_benches::list_mails::new_text;
use postlode_benches::models::ModelArguments;
use postlode_embed::passages;
use serde::Deserialize;
use std::io::{BufRead, Write};

/// Texts that are embedded at a time.
const AT_ONCE: usize = 256;

/// Embeds lines of standard input.
#[derive(Parser)]
struct Arguments {
    /// The model.
    #[command(flatten)]
    model: ModelArguments,
}

/// A mail, of which the first passage is embedded, or a question, which has a subject alone.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    body: String,
}

fn main() -> Result<(), BenchError> {
    let model = Arguments::parse().model.model()?;
    let wrong = |error: serde_json::Error| BenchError::Other(error.to_string());
    let mut texts = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line: Line = serde_json::from_str(&line.map_err(BenchError::io("standard input".to_owned()))?)
            .map_err(wrong)?;
        let first = passages(&line.subject, &new_text(&line.body)).into_iter().next();
        texts.push(first.map(|passage| passage.text).unwrap_or_default());
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for some in texts.chunks(AT_ONCE) {
        for vector in model.embed(some).map_err(|error| BenchError::Other(error.to_string()))? {
            serde_json::to_writer(&mut out, &vector).map_err(wrong)?;
            out.write_all(b"\n").map_err(BenchError::io("standard output".to_owned()))?;
        }
    }
    out.flush().map_err(BenchError::io("standard output".to_owned()))
}
