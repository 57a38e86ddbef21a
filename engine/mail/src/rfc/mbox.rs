//! Mbox files: where their messages are, and one of them at a time.
//!
//! A message begins with a line `From `, at the start of the file or after an empty line, that looks like one a mailbox
//! writes: a time of day or a sender in it, and a header behind it. What is quoted is unquoted by the reader of the
//! message. `Content-Length` is not believed: whoever writes a mail could hide the mails after it by a number of his
//! own. In a mailbox of the mboxcl2 kind, which quotes nothing, a body that quotes a whole mail with its `From ` line
//! is therefore cut there.
//!
//! What always holds: the entries of a list lie one after the other without gaps, from the start of the file to its
//! end; memory is one piece of the file and the list; time is linear.

use super::error::RfcError;
use super::file::fill;
use super::head::{field_name, next_line};
use super::limits::{LOOK_AHEAD, MAX_MESSAGE, MAX_MESSAGES, READ_CHUNK};
use super::read::{Source, read};
use crate::family::Family;
use memchr::memmem;
use postlode_format::id::Id;
use sha2::{Digest, Sha256};
use std::fs::File;

/// Bytes before a line that tell whether it comes after an empty one.
const LOOK_BACK: usize = 2;
/// Bytes of a message that name the mailbox it is the first of.
const KEY_BYTES: u64 = 64 << 10;

/// An mbox file.
#[derive(Debug, Clone, Copy)]
pub struct Mbox<'f> {
    file: &'f File,
    size: u64,
}

/// Where a message of an mbox file is, with its `From ` line and the empty line behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins; its node in the archive.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

impl<'f> Mbox<'f> {
    /// An mbox file as long as it is now.
    ///
    /// # Errors
    /// [`RfcError::Io`] where its length is not known.
    pub fn new(file: &'f File) -> Result<Self, RfcError> {
        Ok(Self { file, size: file.metadata()?.len() })
    }

    /// Finds all messages, in the order of the file.
    ///
    /// # Errors
    /// [`RfcError::Io`] where the file cannot be read, [`RfcError::Limit`] for more messages than any real one has.
    pub fn list(&self) -> Result<Vec<Entry>, RfcError> {
        let mut scan = Scan::default();
        let mut window = Vec::with_capacity(READ_CHUNK);
        let mut base = 0u64;
        loop {
            let length = self.size.saturating_sub(base).min(READ_CHUNK as u64);
            fill(self.file, &mut window, base, length)?;
            let last = base.saturating_add(length) >= self.size;
            scan.window(&window, base, last)?;
            if last {
                break;
            }
            let step = READ_CHUNK.saturating_sub(LOOK_AHEAD).saturating_sub(LOOK_BACK);
            base = base.saturating_add(step as u64);
        }
        let ends = scan.starts.iter().skip(1).copied().chain([self.size]);
        let entry = |(offset, end): (&u64, u64)| Entry { offset: *offset, len: end.saturating_sub(*offset) };
        Ok(scan.starts.iter().zip(ends).map(entry).collect())
    }

    /// The bytes of a message as they stand in the file, without its `From ` line and the empty line behind it.
    ///
    /// # Errors
    /// [`RfcError::Limit`] for a message that is larger than any real one, [`RfcError::Io`] where it cannot be read.
    pub fn read(&self, entry: Entry) -> Result<Vec<u8>, RfcError> {
        let limit = MAX_MESSAGE.saturating_add(LOOK_AHEAD as u64);
        if entry.len > limit {
            return Err(RfcError::Limit { what: "size of the message", have: entry.len, limit });
        }
        let mut bytes = Vec::new();
        fill(self.file, &mut bytes, entry.offset, entry.len)?;
        let start = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let rest = bytes.get(start..).unwrap_or_default();
        let head = if rest.starts_with(b"From ") { next_line(rest).1 } else { 0 };
        // The last line's own end stays; an empty line behind it is the mailbox's.
        for end in [&b"\r\n"[..], b"\n"] {
            if let Some(kept) = bytes.strip_suffix(end).filter(|kept| kept.ends_with(b"\n")) {
                bytes.truncate(kept.len());
                break;
            }
        }
        bytes.drain(..start.saturating_add(head).min(bytes.len()));
        Ok(bytes)
    }

    /// Reads a message with everything in it.
    ///
    /// # Errors
    /// As [`Mbox::read`] and [`read`].
    pub fn family(&self, entry: Entry, archive: &Id) -> Result<Family, RfcError> {
        read(&self.read(entry)?, &Source { archive, node: entry.offset, quoted: true })
    }

    /// What names this mailbox while it grows, for [`postlode_format::id::archive_id`]: the SHA-256 of the header of
    /// its first message with the `From ` line. A mailbox without messages has no such name.
    ///
    /// # Errors
    /// [`RfcError::Io`] where it cannot be read.
    pub fn record_key(&self) -> Result<Option<[u8; 32]>, RfcError> {
        let mut bytes = Vec::new();
        fill(self.file, &mut bytes, 0, self.size.min(KEY_BYTES))?;
        let (mut end, mut begun) = (0usize, false);
        while let Some(rest) = bytes.get(end..).filter(|rest| !rest.is_empty()) {
            let (line, length) = next_line(rest);
            if begun && line.is_empty() {
                break;
            }
            begun |= !line.is_empty();
            end = end.saturating_add(length);
        }
        Ok(begun.then(|| Sha256::digest(bytes.get(..end).unwrap_or_default()).into()))
    }
}

/// Finds where messages begin.
#[derive(Default)]
struct Scan {
    starts: Vec<u64>,
    /// Where the first byte that is no line end is.
    first: Option<u64>,
    /// Up to here every line end has been looked at.
    done: u64,
}

impl Scan {
    fn window(&mut self, window: &[u8], base: u64, last: bool) -> Result<(), RfcError> {
        let at = |index: usize| base.saturating_add(index as u64);
        if self.first.is_none() {
            let Some(index) = window.iter().position(|b| !matches!(b, b'\r' | b'\n')) else { return Ok(()) };
            self.first = Some(at(index));
            // Empty lines before it are the first message's, and so is anything before the first `From ` line.
            self.starts.push(0);
        }
        let end = if last { window.len() } else { window.len().saturating_sub(LOOK_AHEAD) };
        for index in memmem::find_iter(window, b"\nFrom ") {
            if index >= end {
                break;
            }
            let line = index.saturating_add(1);
            if at(index) < self.done || Some(at(line)) == self.first {
                continue;
            }
            let before = window.get(..index).unwrap_or_default();
            let before = before.strip_suffix(b"\r").unwrap_or(before);
            let empty = before.ends_with(b"\n") || (base == 0 && before.is_empty());
            if !empty || !begins_message(window.get(line..).unwrap_or_default()) {
                continue;
            }
            if self.starts.len() >= MAX_MESSAGES {
                let limit = MAX_MESSAGES as u64;
                let have = limit.saturating_add(1);
                return Err(RfcError::Limit { what: "number of messages", have, limit });
            }
            self.starts.push(at(line));
        }
        self.done = at(end);
        Ok(())
    }
}

/// Whether bytes that begin with `From ` begin a message: the line is one a mailbox writes, and a header follows.
pub(super) fn begins_message(bytes: &[u8]) -> bool {
    let bytes = bytes.get(..LOOK_AHEAD).unwrap_or(bytes);
    let (line, length) = next_line(bytes);
    let Some(about) = line.strip_prefix(b"From ") else { return false };
    let (next, _) = next_line(bytes.get(length..).unwrap_or_default());
    let header = field_name(next).is_some();
    let timed = about.windows(4).any(
        |w| matches!(w, [a, b':', c, d] if a.is_ascii_digit() && c.is_ascii_digit() && d.is_ascii_digit()),
    );
    let about = about.trim_ascii();
    let mut words = about.split(u8::is_ascii_whitespace);
    let sender = words.next().unwrap_or_default();
    let named = sender.contains(&b'@')
        || (words.next().is_none()
            && !sender.is_empty()
            && !sender.ends_with(b":")
            && !sender.ends_with(b","));
    // Mail of old gateways has quoted lines of other mailboxes above its header.
    header && (timed || named) || timed && (next.is_empty() || next.starts_with(b">From "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
        let file = file(bytes);
        let mbox = Mbox::new(&file).unwrap();
        let entries = mbox.list().unwrap();
        let mut next = 0;
        for entry in &entries {
            assert_eq!(entry.offset, next);
            next += entry.len;
        }
        assert!(entries.is_empty() || next == bytes.len() as u64);
        entries.into_iter().map(|entry| mbox.read(entry).unwrap()).collect()
    }

    const FROM: &str = "From a@b Thu Jan  1 00:00:00 1970\n";

    #[test]
    fn messages_are_told_apart() {
        let two = format!("{FROM}A: b\n\nFrom here on\nno: mail\n\nFrom 10:30 on\n\n{FROM}C: d\n\ne\n");
        assert_eq!(messages(two.as_bytes()).len(), 3, "a time and an empty line begin a message");
        let two = format!("{FROM}A: b\n\nFrom here on\nno: mail\nFrom a@b 10:30\nx: y\n\n{FROM}C: d\n\ne");
        let found = messages(two.as_bytes());
        assert_eq!(found, [&b"A: b\n\nFrom here on\nno: mail\nFrom a@b 10:30\nx: y\n"[..], b"C: d\n\ne"]);
        let crlf = two.replace('\n', "\r\n");
        assert_eq!(messages(crlf.as_bytes())[1], b"C: d\r\n\r\ne");
        assert_eq!(messages(crlf.as_bytes()).len(), 2);
    }

    #[test]
    fn what_begins_without_a_from_line_is_a_message_too() {
        assert!(messages(b"").is_empty());
        assert!(messages(b"\n\r\n").is_empty());
        assert_eq!(messages(format!("\n\n{FROM}A: b\n\n").as_bytes()), [b"A: b\n"]);
        assert_eq!(
            messages(format!("A: b\n\nc\n\n{FROM}C: d\n").as_bytes()),
            [&b"A: b\n\nc\n"[..], b"C: d\n"]
        );
        assert_eq!(messages(b"From MAILER-DAEMON\nA: b\n"), [b"A: b\n"]);
    }

    #[test]
    fn a_message_that_claims_the_next_ones_does_not_get_them() {
        let two = format!("{FROM}Content-Length: 4000\n\na\n\n{FROM}C: d\n\ne\n\n");
        assert_eq!(messages(two.as_bytes()).len(), 2);
    }

    #[test]
    fn lines_across_pieces_are_seen() {
        let near = (0..40usize).flat_map(|shift| [shift, shift + LOOK_AHEAD]);
        for shift in near {
            let filler = "x".repeat(READ_CHUNK - LOOK_AHEAD - FROM.len() - 8 - 20 + shift);
            let second = format!("C: d\n\n{}\n", "e".repeat(LOOK_AHEAD * 2));
            let two = format!("{FROM}A: b\n\n{filler}\n\n{FROM}{second}");
            assert!(two.len() > READ_CHUNK, "more than one piece");
            let found = messages(two.as_bytes());
            assert_eq!(found.len(), 2, "{shift}");
            assert_eq!(found[1], second.as_bytes());
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_an_error_of_its_own() {
        let file = file(FROM.as_bytes());
        let mbox = Mbox { file: &file, size: u64::MAX };
        let entry = Entry { offset: 0, len: MAX_MESSAGE * 2 };
        assert_eq!(mbox.read(entry).unwrap_err().code(), "memory");
        assert_eq!(mbox.read(Entry { offset: 0, len: 1000 }).unwrap_err().code(), "io");
    }

    #[test]
    fn a_mailbox_keeps_its_name_while_it_grows() {
        let key = |bytes: &str| {
            let file = file(bytes.as_bytes());
            let mbox = Mbox::new(&file).unwrap();
            mbox.record_key().unwrap()
        };
        let one = format!("{FROM}A: b\n\nc\n");
        assert_eq!(key(&one), key(&format!("{one}\n{FROM}C: d\n\n")));
        assert_ne!(key(&one), key(&one.replace("A:", "B:")));
        assert_eq!(key(""), None);
    }

    proptest! {
        #[test]
        fn what_was_put_together_comes_apart(
            parts in proptest::collection::vec("([A-Z][a-z]{0,5}: [a-z]{0,5}\n){1,3}\n([a-z >F\n]{0,9}|From me\n|>From you\n){0,5}\n", 0..12),
            crlf: bool,
        ) {
            let ends = |text: String| if crlf { text.replace('\n', "\r\n") } else { text };
            let parts: Vec<String> = parts.into_iter().map(ends).collect();
            let empty = if crlf { "\r\n" } else { "\n" };
            let whole: String = parts.iter().map(|part| format!("{}{part}{empty}", ends(FROM.to_owned()))).collect();
            let found = messages(whole.as_bytes());
            prop_assert_eq!(found, parts.into_iter().map(String::into_bytes).collect::<Vec<_>>());
        }

        #[test]
        fn any_file_is_covered(text in "(From [a@: 0-9\n]{0,9}|\r?\n|[A-Z]: |[a-z]{0,3}){0,40}") {
            messages(text.as_bytes());
        }
    }
}
