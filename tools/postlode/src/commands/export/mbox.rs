//! mbox, as "mboxrd" has it: each message behind a line `From sender date`, lines that could be taken for one with a `>`
//! before them, line ends of Unix.
//!
//! What always holds: taking one `>` away from each line that begins with `>`s and `From ` gives the message back, but for its
//! line ends.

use super::Piece;
use super::families::Message;
use super::manifest::{self, Entry};
use super::output::Kept;
use super::target::{Target, hex};
use crate::error::Failure;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

const FROM: &[u8] = b"From ";

/// An mbox file on its way, and its manifest.
pub struct Mbox {
    file: Target,
    manifest: Target,
    name: String,
    manifest_path: PathBuf,
    now: Option<Now>,
}

/// The message that is being written.
struct Now {
    offset: u64,
    hash: Sha256,
    lines: Lines,
    /// It is gathered as long as it may turn out not to be whole.
    bytes: Vec<u8>,
    /// More of it than is gathered was written: it can only be said that it is not whole.
    written: bool,
}

/// Letters of a sender in the line before a message: readers look for its end near by.
const SENDER: usize = 200;
/// Bytes of a message that are held back until it is whole.
const HELD: usize = 64 << 20;

impl Mbox {
    /// Begins it.
    ///
    /// # Errors
    /// Where it or its manifest is there, or cannot be made.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let manifest_path = path.with_file_name(format!("{name}.manifest.csv"));
        let file = Target::create(path)?;
        let mut manifest = Target::create(&manifest_path)?;
        manifest.write(&manifest::titles()?)?;
        Ok(Self { file, manifest, name, manifest_path, now: None })
    }

    /// Begins a message.
    pub fn begin(&mut self, message: &Message) {
        let sender: String = message.sender.chars().filter(|c| c.is_ascii_graphic()).take(SENDER).collect();
        let sender = if sender.is_empty() { "MAILER-DAEMON" } else { &sender };
        let bytes = format!("From {sender} {}\n", asctime(message.date.as_deref())).into_bytes();
        let offset = self.file.written();
        let (hash, lines) = (Sha256::new(), Lines::default());
        self.now = Some(Now { offset, hash, lines, bytes, written: false });
    }

    /// Goes on with it.
    pub fn piece(&mut self, piece: &Piece) -> Result<(), Failure> {
        let Some(now) = &mut self.now else { return Ok(()) };
        now.hash.update(piece);
        now.lines.quote(piece, &mut now.bytes);
        if now.bytes.len() > HELD {
            now.written = true;
            self.file.write(&std::mem::take(&mut now.bytes))?;
        }
        Ok(())
    }

    /// Ends it; of one that is not whole nothing is kept, or if it is very large, its beginning.
    pub fn end(&mut self, message: &Message, error: Option<&str>) -> Result<(), Failure> {
        let mut entry = message.entry(error);
        if let Some(mut now) = self.now.take()
            && (error.is_none() || now.written)
        {
            now.lines.end(&mut now.bytes);
            self.file.write(&now.bytes)?;
            let bytes = self.file.written().saturating_sub(now.offset);
            entry =
                Entry { file: self.name.clone(), offset: now.offset, bytes, sha256: hex(now.hash), ..entry };
        }
        self.manifest.write(&entry.row()?)
    }

    /// Gives both their names.
    pub fn keep(self) -> Result<Kept, Failure> {
        // First what tells of the other: a file of messages without it would be half an export.
        self.manifest.keep()?;
        match self.file.keep() {
            Ok(sha256) => Ok(Kept { sha256: Some(sha256), manifest: Some(self.manifest_path) }),
            Err(error) => {
                // It is ours, made a moment ago; what happened is told in any case.
                let _ = std::fs::remove_file(&self.manifest_path);
                Err(error)
            }
        }
    }
}

/// What of a line was seen so far.
#[derive(Default)]
struct Lines {
    /// `>`s at its beginning, and letters of `From ` behind them, that were not written yet; `None` inside a line.
    start: Option<(usize, usize)>,
    inside: bool,
    /// A carriage return that may be that of a line end.
    carriage: bool,
    /// The last byte that was written was a line end.
    ended: bool,
}

impl Lines {
    /// Writes bytes of a message as they stand in an mbox.
    fn quote(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            if self.carriage {
                self.carriage = false;
                if *byte != b'\n' {
                    self.put(b'\r', out);
                }
            }
            if *byte == b'\r' {
                self.carriage = true;
            } else {
                self.put(*byte, out);
            }
        }
    }

    fn put(&mut self, byte: u8, out: &mut Vec<u8>) {
        if !self.inside {
            let (signs, letters) = self.start.unwrap_or_default();
            if letters == 0 && byte == b'>' {
                self.start = Some((signs.saturating_add(1), 0));
                return;
            }
            if FROM.get(letters) == Some(&byte) {
                let letters = letters.saturating_add(1);
                self.start = Some((signs, letters));
                if letters < FROM.len() {
                    return;
                }
                self.flush(true, out);
                return;
            }
            self.flush(false, out);
        }
        out.push(byte);
        self.inside = byte != b'\n';
        self.ended = byte == b'\n';
    }

    /// Writes what was held back of the beginning of a line.
    fn flush(&mut self, quoted: bool, out: &mut Vec<u8>) {
        let (signs, letters) = self.start.take().unwrap_or_default();
        out.extend(std::iter::repeat_n(b'>', signs.saturating_add(usize::from(quoted))));
        out.extend_from_slice(FROM.get(..letters).unwrap_or_default());
        self.inside = true;
        self.ended = false;
    }

    /// Ends a message: with a line end, and an empty line.
    fn end(&mut self, out: &mut Vec<u8>) {
        if self.start.is_some() {
            self.flush(false, out);
        }
        if self.carriage {
            self.ended = false;
            out.push(b'\r');
        }
        if !self.ended {
            out.push(b'\n');
        }
        out.push(b'\n');
    }
}

/// A date as `asctime` writes it, which is what such lines have: in UTC; an unknown one is the first there is.
fn asctime(date: Option<&str>) -> String {
    let at =
        date.and_then(|date| date.parse::<jiff::Timestamp>().ok()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        pieces.iter().for_each(|piece| lines.quote(piece, &mut out));
        lines.end(&mut out);
        out
    }

    proptest! {
        #[test]
        fn the_message_comes_back(pieces in prop::collection::vec("(From |>|>From |\r\n|\n|\r|Fro|m | |x){0,6}", 0..8)) {
            let whole = pieces.concat();
            let out = quoted(&pieces.iter().map(|piece| piece.as_bytes()).collect::<Vec<_>>());
            // The same however it is cut.
            prop_assert_eq!(&out, &quoted(&[whole.as_bytes()]));
            let text = String::from_utf8(out).unwrap();
            prop_assert!(!text.split('\n').any(|line| line.starts_with("From ")));
            let expected = whole.replace("\r\n", "\n");
            let expected = if expected.ends_with('\n') { expected } else { expected + "\n" };
            let back = text.strip_suffix('\n').unwrap().split('\n').map(|line| {
                let rest = line.trim_start_matches('>');
                let is_quoted = rest.starts_with("From ") && rest.len() < line.len();
                if is_quoted { &line[1..] } else { line }
            });
            prop_assert_eq!(back.collect::<Vec<_>>().join("\n"), expected);
        }
    }

    #[test]
    fn dates_as_such_lines_have_them() {
        assert_eq!(asctime(Some("2017-02-28T15:39:00Z")), "Tue Feb 28 15:39:00 2017");
        assert_eq!(asctime(Some("2017-03-01T05:09:07Z")), "Wed Mar  1 05:09:07 2017");
        assert_eq!(asctime(None), "Thu Jan  1 00:00:00 1970");
    }
}
