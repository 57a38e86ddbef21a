//! Text out of attachments, to be searched: added to the bodies of the mails that hold them.
//!
//! What always holds: a mail is never lost for its attachments. What cannot be read of one is said in the mail's body row;
//! time and text of one item are bounded, whatever it holds.

use postlode_extract::{Extracted, Limits, extract};
use postlode_format::row::{AttachmentKind, Unread, attachment_text, attachment_unread, extra};
use postlode_mail::family::{Blob, BlobContent, Family};
use postlode_mail::pst::{Reader, Which};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Bytes of text out of all attachments of one item.
const ITEM_TEXT: usize = 4 << 20;
/// Time for all attachments of one item.
const ITEM_TIME: Duration = Duration::from_secs(15);
/// Bytes of texts that are kept for the next mail with the same attachment.
const KEPT: usize = 16 << 20;
/// Things that could not be read which are named of one attachment.
const NAMED: usize = 20;

/// Takes texts out of attachments, and remembers the last ones: what was sent to many is read once.
#[derive(Default)]
pub(super) struct Texts {
    known: HashMap<[u8; 32], Rc<Extracted>>,
    bytes: usize,
}

impl Texts {
    /// Adds the texts of all attachments of an item. `from` is where large ones are.
    pub(super) fn add(&mut self, family: &mut Family, from: Option<(&Reader, Which)>) {
        let until = Instant::now().checked_add(ITEM_TIME);
        let mut left = ITEM_TEXT;
        let blobs: HashMap<[u8; 32], &Blob> = family.blobs.iter().map(|blob| (blob.sha256, blob)).collect();
        for member in &mut family.members {
            for attachment in &member.email.attachments {
                let blob = blobs.get(&attachment.sha256);
                let Some(blob) = blob.filter(|_| is_looked_into(attachment.kind)) else { continue };
                let time = until.map_or(ITEM_TIME, |until| until.saturating_duration_since(Instant::now()));
                let limits = Limits { text: left.min(Limits::default().text), ..Limits::default() };
                let limits = Limits { time: time.min(limits.time), ..limits };
                let found = self.of(blob, &attachment.name, &attachment.mime, &limits, from);
                let text = cut(&found.text, left);
                left = left.saturating_sub(text.len());
                if text.len() < found.text.len() {
                    let reason =
                        format!("the attachments of one item have more than {ITEM_TEXT} bytes of text");
                    let what = attachment.name.as_str();
                    let unread = Unread { n: attachment.n, code: "refused", what, reason: &reason };
                    member.body.extra.push(attachment_unread(&unread));
                }
                if !text.trim_ascii().is_empty() {
                    member.body.extra.push(attachment_text(attachment.n, text));
                }
                for note in found.notes.iter().take(NAMED) {
                    let (code, what, reason) = (note.code, note.what.as_str(), note.reason.as_str());
                    let unread = Unread { n: attachment.n, code, what, reason };
                    member.body.extra.push(attachment_unread(&unread));
                }
            }
        }
    }

    /// Says of all attachments that their texts are not there, and why.
    pub(super) fn leave(family: &mut Family, code: &str, reason: &str) {
        for member in &mut family.members {
            let of_attachments = [extra::ATTACHMENT_TEXT, extra::ATTACHMENT_UNREAD];
            member.body.extra.retain(|kept| !of_attachments.contains(&kept.number));
            for attachment in member.email.attachments.iter().filter(|a| is_looked_into(a.kind)) {
                let unread = Unread { n: attachment.n, code, what: &attachment.name, reason };
                member.body.extra.push(attachment_unread(&unread));
            }
        }
    }

    fn of(
        &mut self,
        blob: &Blob,
        name: &str,
        mime: &str,
        limits: &Limits,
        from: Option<(&Reader, Which)>,
    ) -> Rc<Extracted> {
        if let Some(known) = self.known.get(&blob.sha256) {
            return Rc::clone(known);
        }
        let since = Instant::now();
        let found = Rc::new(match bytes_of(blob, mime, limits, from) {
            Ok(Some(bytes)) => extract(&bytes, name, mime, limits),
            Ok(None) => Extracted::default(),
            Err(note) => Extracted {
                notes: vec![postlode_extract::Note { what: name.to_owned(), ..note }],
                ..Extracted::default()
            },
        });
        // What was cut for want of time or room is read anew where there is more of both.
        let whole = limits.text == Limits::default().text && since.elapsed() < limits.time;
        if whole {
            if self.bytes > KEPT {
                self.known.clear();
                self.bytes = 0;
            }
            self.bytes = self.bytes.saturating_add(found.text.len()).saturating_add(256);
            self.known.insert(blob.sha256, Rc::clone(&found));
        }
        found
    }
}

/// Whether there may be text in it. An object of OLE is named for what it is, at least.
fn is_looked_into(kind: AttachmentKind) -> bool {
    matches!(kind, AttachmentKind::Data | AttachmentKind::Ole)
}

/// The bytes of an attachment; `None` where there is no text in anything of its kind.
fn bytes_of<'b>(
    blob: &'b Blob,
    mime: &str,
    limits: &Limits,
    from: Option<(&Reader, Which)>,
) -> Result<Option<std::borrow::Cow<'b, [u8]>>, postlode_extract::Note> {
    let note = |code, reason| postlode_extract::Note { code, what: String::new(), reason };
    let (path, reader, which) = match (&blob.content, from) {
        (BlobContent::Whole(bytes), _) => return Ok(Some(bytes.into())),
        (BlobContent::Stream(path), Some((reader, which))) => (path, reader, which),
        (BlobContent::Stream(_), None) => return Ok(None),
    };
    if ["image/", "audio/", "video/"].iter().any(|kind| mime.starts_with(kind)) {
        return Ok(None);
    }
    if blob.size > limits.input {
        let reason = format!("it has {} bytes; text is taken out of at most {}", blob.size, limits.input);
        return Err(note("refused", reason));
    }
    let read = reader.attachment(which, path, |from| {
        let mut bytes = Vec::with_capacity(usize::try_from(blob.size).unwrap_or(0));
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from.next(&mut buffer)? {
                0 => return Ok(bytes),
                count => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
            if bytes.len() as u64 > limits.input {
                return Ok(bytes);
            }
        }
    });
    match read.and_then(|bytes| bytes) {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(error) => Err(note(error.code(), error.to_string())),
    }
}

/// The beginning of a text.
fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
