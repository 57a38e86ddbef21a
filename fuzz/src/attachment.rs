//! An attachment of any kind: its text taken out, within its limits.

use crate::MAX_INPUT;
use postlode_extract::{Limits, extract};
use std::time::Duration;

/// Names by which formats are told that do not tell themselves.
const NAMES: [&str; 8] = ["a.txt", "a.html", "a.docx", "a.xlsx", "a.pdf", "a.zip", "winmail.dat", "a"];

/// The first byte chooses a name, the rest is the attachment.
///
/// # Panics
/// Where more comes out than may.
pub fn target(bytes: &[u8]) {
    let bytes = bytes.get(..MAX_INPUT).unwrap_or(bytes);
    let (choice, bytes) = bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest));
    let name = NAMES.get(choice % NAMES.len()).copied().unwrap_or("a");
    let limits = Limits {
        text: 64 << 10,
        unpacked: 8 << 20,
        entries: 500,
        time: Duration::from_secs(5),
        ..Limits::default()
    };
    let found = extract(bytes, name, "", &limits);
    assert!(found.text.len() <= limits.text, "more text than may come out");
    assert!(found.notes.len() <= 100, "more notes than anybody reads");
}
