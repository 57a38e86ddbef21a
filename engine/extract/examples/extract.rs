//! Extracts the text of the files that are named, and says how long that took.

use postlode_extract::{Limits, extract};
use std::time::Instant;

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let start = Instant::now();
        let found = extract(&bytes, &path, "", &Limits::default());
        let time = start.elapsed();
        let format = found.format.map_or("-", postlode_extract::Format::as_str);
        println!("{path}: {format}, {} bytes, {} of text, {time:?}", bytes.len(), found.text.len());
        for note in &found.notes {
            println!("  {}: {}: {}", note.code, note.what, note.reason);
        }
        if std::env::var_os("SHOW").is_some() {
            println!("{}", found.text);
        }
    }
    Ok(())
}
