//! Whole records, of which the seeds are made.

use bytes::Bytes;
use postlode_format::FormatError;
use postlode_format::id::{ID_SCHEME, Id, ThreadRoot, archive_id, thread_key};
use postlode_format::manifest::{Addon, LogStream, Manifest, SegmentEntry, SegmentKind};
use postlode_format::near::Signature;
use postlode_format::row::*;
use postlode_format::segment::{Directory, Section, SectionKind};

/// The id of sample `n`.
#[must_use]
pub fn id(n: u32) -> Id {
    archive_id("sample", &n.to_le_bytes())
}

fn address(name: &str) -> Address {
    Address { name: name.to_owned(), address: format!("{}@example.org", name.to_lowercase()) }
}

/// The text that samples are signed by.
const SIGNED: &str = "a text of some more words than are needed for a signature of its own";

/// Email `n`.
#[must_use]
pub fn email(n: u32) -> Email {
    let date = i64::from(n).wrapping_mul(86_400_000_000);
    let attachment = Attachment {
        n: 0,
        name: "report.pdf".into(),
        mime: "application/pdf".into(),
        content_id: "x@y".into(),
        inline: false,
        kind: AttachmentKind::Data,
        size: 12_345,
        sha256: [0x44; 32],
        child: None,
    };
    let mut email = Email {
        id: id(n),
        id_scheme: ID_SCHEME,
        parent: None,
        thread: thread_key(ThreadRoot::MessageId("<a@example.org>")),
        kind: ItemKind::Mail,
        class: "IPM.Note".into(),
        message_id: format!("<{n}@example.org>"),
        in_reply_to: vec!["<a@example.org>".into()],
        references: vec!["<a@example.org>".into()],
        subject: format!("Re: budget {n} Größe 大きさ"),
        topic: format!("budget {n} Größe 大きさ"),
        from: Some(address("Ann")),
        sender: None,
        to: vec![address("Bob"), address("Cem")],
        cc: vec![address("Dee")],
        bcc: vec![],
        sent: Some(Stamp { unix_micros: date, offset_minutes: Some(-90) }),
        received: Some(Stamp { unix_micros: date, offset_minutes: None }),
        date,
        size: 2_000,
        importance: 1,
        sensitivity: 0,
        flags: flag::READ,
        codepage: 1252,
        language: "eng".into(),
        attachments: Vec::new(),
        partial: Vec::new(),
        extra: vec![Signature::extra(Signature::of([SIGNED]).as_ref())],
    };
    if n.is_multiple_of(3) {
        email.flags |= flag::HAS_ATTACHMENT;
        email.attachments.push(attachment);
        email.partial.push(PartialNote { code: "corrupt".into(), stage: "rtf".into(), reason: "cut".into() });
        email.extra.push(Extra { number: 65_000, bytes: vec![1, 2] });
    }
    email
}

/// The body of email `n`.
#[must_use]
pub fn body(n: u32) -> Body {
    let text = format!("The quarterly budget number {n} is due. Lunch at noon, Größe 大きさ.\r\n").repeat(3);
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Body {
        plain: Some(Raw::keep(0x1f, &utf16)),
        html: Some(Raw::keep(0x102, b"<p>h\xe9llo</p>")),
        rtf: None,
        headers: Some(Raw::keep(0x1e, b"Subject: x\r\n")),
        original: None,
        text: text.replace("\r\n", "\n"),
        text_source: TextSource::Plain,
        props: vec![Prop {
            id: 0x8001,
            name: Some(PropName { guid: [0x55; 16], lid: Some(0x8503), name: String::new() }),
            value: Raw::keep(0x0b, &[1, 0]),
        }],
        extra: Vec::new(),
    }
}

/// A row of every kind.
///
/// # Errors
/// Where a record cannot be serialised.
pub fn rows() -> Result<Vec<Row>, FormatError> {
    let (id, archive, version) = (id(1), [0x66; 16], [0x77; 16]);
    let counts = Counts { found: 6, stored: 3, duplicate: 2, failed: 1, partial: 1, attachments: 4 };
    let place = Place {
        archive,
        version,
        custodian: "Ann".into(),
        folder: "/Top of Outlook data file/Inbox".into(),
        node: 0x1_0020_0024,
        recovered: true,
        date: 1_488_296_340_000_000,
        extra: Vec::new(),
    };
    let mark =
        Mark { tags: vec!["hot".into()], note: "look".into(), revision: 9, date: -5, ..Mark::default() };
    let loaded = ArchiveVersion {
        path: "/mail/a.pst".into(),
        kind: "pst-unicode".into(),
        sha256: [0x88; 32],
        bytes: 271_360,
        folders: 9,
        custodian: "Ann".into(),
        loaded_at: 1_700_000_000_000_000,
        complete: true,
        counts,
        password: true,
        extra: Vec::new(),
    };
    let failure = Failure {
        folder: "/Inbox".into(),
        node: 2_097_188,
        code: "corrupt".into(),
        stage: "body".into(),
        reason: "a block's checksum".into(),
        resolved: false,
    };
    let watermark = Watermark { high: u64::MAX, batches: 3, counts };
    let doc = Doc { json: "{\"a\":1}".into(), removed: false };
    let row = |kind, key: Vec<u8>, value: Bytes| Row { kind, key: key.into(), value };
    Ok(vec![
        row(RowKind::Email, id.to_vec(), to_bytes(&email(3))?),
        row(RowKind::Body, id.to_vec(), to_bytes(&body(3))?),
        row(RowKind::Place, place_key(&id, &archive, place.node), to_bytes(&place)?),
        row(RowKind::Mark, id.to_vec(), to_bytes(&mark)?),
        row(RowKind::ThreadAlias, vec![0x33; 16], to_bytes(&ThreadAlias { to: [0x34; 16] })?),
        row(RowKind::BlobChunk, blob_key(&[0x44; 32], 2), Bytes::from_static(b"chunk")),
        row(RowKind::Archive, archive_key(&archive, &version), to_bytes(&loaded)?),
        row(RowKind::Failure, failure_key(&archive, &version, 2_097_188), to_bytes(&failure)?),
        row(RowKind::Watermark, watermark_key(1 << 63, &[0x99; 16], 5), to_bytes(&watermark)?),
        row(RowKind::Doc, doc_key("tasks", "t1"), to_bytes(&doc)?),
    ])
}

/// A manifest that lists two segments.
#[must_use]
pub fn manifest() -> Manifest {
    let entry = |id, kind| SegmentEntry {
        id,
        salt: 0x5a17,
        kind,
        low: 0,
        high: u64::MAX,
        bytes: 1 << 20,
        emails: 5,
        rows: 9,
        min_date: -5,
        max_date: 5,
        max_seq: 99,
        addons: vec![Addon {
            id: id.wrapping_add(5),
            salt: 7,
            bytes: 77,
            model: "m/1/256".into(),
            pending: 2,
        }],
    };
    Manifest {
        store: [0xaa; 16],
        number: 42,
        epoch: 7,
        segments: vec![entry(3, SegmentKind::Mail), entry(4, SegmentKind::Blobs)],
        logs: vec![LogStream { stream: 5, epoch: 7, low: 0, high: u64::MAX, first_file: 2, floor: 100 }],
        next_seq: 100,
        next_segment: 5,
        lost: vec![(1, 2, 3)],
        active: "m/1/256".into(),
    }
}

/// The directory of a segment with a section of every kind.
#[must_use]
pub fn directory() -> Directory {
    let mut sections = Vec::new();
    for (n, kind) in (1u64..).zip(SectionKind::ALL) {
        sections.push(Section {
            kind: kind as u16,
            index: u16::from(kind == SectionKind::Index),
            offset: n.saturating_mul(65_536),
            bytes: 10_000,
            block_size: 4096,
            root: 2,
            height: 2,
            entries: 50,
        });
    }
    Directory {
        id: 3,
        salt: 0x5a17,
        kind: SegmentKind::Mail,
        low: 0,
        high: u64::MAX,
        sections,
        rows: vec![(1, 5), (2, 5)],
        min_date: -5,
        max_date: 5,
        max_seq: 99,
        version: postlode_format::segment::VERSION,
    }
}
