//! Where the corpus is and what it says of itself.
#![allow(clippy::unwrap_used, dead_code, reason = "tests may panic, and each uses a part of this")]

use std::path::{Path, PathBuf};

/// The corpus, or `None` with a line that says so.
pub fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let corpus = std::env::var_os("POSTLODE_CORPUS").map_or(beside, PathBuf::from);
    if corpus.join("pst/EXPECTED.tsv").is_file() {
        return Some(corpus);
    }
    println!("skipped: no corpus at {} (set POSTLODE_CORPUS)", corpus.display());
    None
}

/// A line of EXPECTED.tsv.
pub struct Expected {
    pub file: String,
    /// Folders, items and attachments; `None` for an archive that must be refused.
    pub counts: Option<(u64, u64, u64)>,
}

/// All of EXPECTED.tsv.
pub fn expected(corpus: &Path) -> Vec<Expected> {
    let table = std::fs::read_to_string(corpus.join("pst/EXPECTED.tsv")).unwrap();
    let rows = table.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let count = |n: usize| fields[n].parse().ok();
        let counts =
            count(2).zip(count(3)).zip(count(4)).map(|((folders, items), atts)| (folders, items, atts));
        Expected { file: fields[0].to_owned(), counts }
    });
    rows.collect()
}

/// The lines of an archive's truth; none for an archive without items.
pub fn truth(corpus: &Path, file: &str) -> Vec<serde_json::Value> {
    let path = corpus.join("pst/truth").join(format!("{file}.jsonl"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Microseconds since 1970 of `2014-02-26 07:51:02.330547`.
pub fn micros(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days by the civil calendar (Howard Hinnant's algorithm).
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + number(11..13) * 3600 + number(14..16) * 60 + number(17..19);
    let fraction = text.get(20..).map_or(0, |f| format!("{f:0<6}").parse().unwrap());
    seconds * 1_000_000 + fraction
}
