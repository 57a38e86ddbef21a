//! Golden files: the bytes of every layout that has landed. A change that makes one of these fail is a change of
//! the format, and needs a new version beside the old one, never instead of it.
//!
//! `POSTLODE_WRITE_GOLDEN=1` writes files that are missing; it never overwrites one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use bytes::{Bytes, BytesMut};
use postlode_format::id::*;
use postlode_format::limits::PAGE;
use postlode_format::log::{FrameType, PageHeader, decode_page, encode_frame};
use postlode_format::manifest::*;
use postlode_format::row::*;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

fn golden(name: &str, now: &[u8]) {
    let path = path(name);
    if !path.exists() && std::env::var_os("POSTLODE_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, now).unwrap();
    }
    let was = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(was == now, "{name} is not what it was: the format has changed");
}

fn address(name: &str, address: &str) -> Address {
    Address { name: name.into(), address: address.into() }
}

fn email() -> Email {
    Email {
        extra: vec![Extra { number: 65_000, bytes: vec![1, 2] }],
        id: [0x11; 16],
        id_scheme: ID_SCHEME,
        parent: Some([0x22; 16]),
        thread: [0x33; 16],
        kind: ItemKind::Report,
        class: "REPORT.IPM.Note.NDR".into(),
        message_id: "<a@example.org>".into(),
        in_reply_to: vec!["<b@example.org>".into()],
        references: vec!["<c@example.org>".into(), "<b@example.org>".into()],
        subject: "Re: Größe 大きさ".into(),
        topic: "Größe 大きさ".into(),
        from: Some(address("Ann", "ann@example.org")),
        sender: None,
        to: vec![address("Bob", "bob@example.org"), address("", "c@example.org")],
        cc: vec![address("Dee", "")],
        bcc: vec![],
        sent: Some(Stamp { unix_micros: 1_488_296_340_000_000, offset_minutes: Some(-90) }),
        received: Some(Stamp { unix_micros: -1, offset_minutes: None }),
        date: 1_488_296_340_000_000,
        size: 1 << 40,
        importance: 2,
        sensitivity: 3,
        flags: flag::READ | flag::HAS_ATTACHMENT,
        codepage: 1252,
        language: "deu".into(),
        attachments: vec![Attachment {
            n: 7,
            name: "report.pdf".into(),
            mime: "application/pdf".into(),
            content_id: "x@y".into(),
            inline: true,
            kind: AttachmentKind::Data,
            size: 12_345,
            sha256: [0x44; 32],
            child: None,
        }],
        partial: vec![PartialNote { code: "corrupt".into(), stage: "rtf".into(), reason: "cut".into() }],
    }
}

fn body() -> Body {
    Body {
        extra: vec![Extra { number: 65_000, bytes: vec![1, 2] }],
        plain: Some(Raw::keep(
            0x1f,
            &"héllo\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
        )),
        html: Some(Raw::keep(0x102, b"<p>h\xe9llo</p>")),
        rtf: Some(Raw::keep(0x102, b"{\\rtf1 hello}")),
        headers: Some(Raw::keep(0x1e, b"Subject: x\r\n")),
        original: None,
        text: "héllo\n".into(),
        text_source: TextSource::Plain,
        props: vec![Prop {
            id: 0x8001,
            name: Some(PropName { guid: [0x55; 16], lid: Some(0x8503), name: String::new() }),
            value: Raw::keep(0x0b, &[1, 0]),
        }],
    }
}

fn rows() -> Vec<(RowKind, Vec<u8>, Bytes)> {
    let (id, archive, version) = ([0x11; 16], [0x66; 16], [0x77; 16]);
    let counts = Counts { found: 6, stored: 3, duplicate: 2, failed: 1, partial: 1, attachments: 4 };
    let place = Place {
        extra: vec![Extra { number: 65_000, bytes: vec![1, 2] }],
        archive,
        version,
        custodian: "Ann".into(),
        folder: "/Top of Outlook data file/Inbox".into(),
        node: 0x1_0020_0024,
        recovered: true,
        date: 1_488_296_340_000_000,
    };
    let mark = Mark {
        tags: vec!["hot".into()],
        note: "look".into(),
        holds: vec!["case 7".into()],
        deleted: false,
        revision: 9,
        date: -5,
    };
    let version_row = ArchiveVersion {
        extra: vec![Extra { number: 65_000, bytes: vec![1, 2] }],
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
    vec![
        (RowKind::Email, id.to_vec(), to_bytes(&email()).unwrap()),
        (RowKind::Body, id.to_vec(), to_bytes(&body()).unwrap()),
        (RowKind::Place, place_key(&id, &archive, place.node), to_bytes(&place).unwrap()),
        (RowKind::Mark, id.to_vec(), to_bytes(&mark).unwrap()),
        (RowKind::ThreadAlias, vec![0x33; 16], to_bytes(&ThreadAlias { to: [0x34; 16] }).unwrap()),
        (RowKind::BlobChunk, blob_key(&[0x44; 32], 2), Bytes::from_static(b"chunk")),
        (RowKind::Archive, archive_key(&archive, &version), to_bytes(&version_row).unwrap()),
        (RowKind::Failure, failure_key(&archive, &version, 2_097_188), to_bytes(&failure).unwrap()),
        (RowKind::Watermark, watermark_key(1 << 63, &[0x99; 16], 5), to_bytes(&watermark).unwrap()),
        (RowKind::Doc, doc_key("tasks", "t1"), to_bytes(&doc).unwrap()),
    ]
}

#[test]
fn rows_of_every_kind() {
    let mut out = BytesMut::new();
    for (kind, key, value) in rows() {
        Row { kind, key: key.into(), value }.encode(&mut out).unwrap();
    }
    golden("v1/rows.bin", &out);
    let read: Vec<Row> = Rows::new(out.freeze()).collect::<Result<_, _>>().unwrap();
    // Those that came later have files of their own.
    assert_eq!(read.len(), RowKind::ALL.len() - 3);
    let archived = access::<ArchivedEmail>(&read[0].value).unwrap();
    let back = rkyv::deserialize::<Email, rkyv::rancor::Error>(archived).unwrap();
    assert_eq!(back, email());
    let archived = access::<ArchivedBody>(&read[1].value).unwrap();
    assert_eq!(rkyv::deserialize::<Body, rkyv::rancor::Error>(archived).unwrap(), body());
}

#[test]
fn a_thread_edge() {
    let mut out = BytesMut::new();
    let key = [[0x33; 16], [0x34; 16]].concat();
    Row { kind: RowKind::ThreadEdge, key: key.into(), value: Bytes::new() }.encode(&mut out).unwrap();
    golden("v1/thread-edge.bin", &out);
    let read: Vec<Row> = Rows::new(out.freeze()).collect::<Result<_, _>>().unwrap();
    assert_eq!((read[0].kind, read[0].key.len(), read[0].value.len()), (RowKind::ThreadEdge, 32, 0));
}

#[test]
fn rows_of_version_2() {
    let counts = Counts { found: 9, stored: 5, duplicate: 3, failed: 1, partial: 1, attachments: 4 };
    let holdings = Holdings { recipients: 21, unreadable: 1, unsearched: 2 };
    let watermark = Watermark2 { high: u64::MAX, batches: 3, counts, holdings };
    let exception = Exception {
        path: "/mail/a.pst".into(),
        custodian: "Ann".into(),
        folder: "/Inbox".into(),
        code: "corrupt".into(),
        stage: "body".into(),
        reason: "a block's checksum".into(),
        resolved: false,
    };
    let key = ExceptionKey {
        archive: [0x66; 16],
        version: [0x77; 16],
        custodian: ExceptionKey::custodian("Ann"),
        node: 2_097_188,
        grade: Grade::Part,
        number: 1,
    };
    let rows = [
        (RowKind::Watermark2, watermark_key(1 << 63, &[0x99; 16], 5), to_bytes(&watermark).unwrap()),
        (RowKind::Exception, key.to_bytes(), to_bytes(&exception).unwrap()),
    ];
    let mut out = BytesMut::new();
    for (kind, key, value) in rows {
        Row { kind, key: key.into(), value }.encode(&mut out).unwrap();
    }
    golden("v2/rows.bin", &out);
    let read: Vec<Row> = Rows::new(out.freeze()).collect::<Result<_, _>>().unwrap();
    let archived = access::<ArchivedWatermark2>(&read[0].value).unwrap();
    assert_eq!((Counts::from(&archived.counts), Holdings::from(&archived.holdings)), (counts, holdings));
    let archived = access::<ArchivedException>(&read[1].value).unwrap();
    assert_eq!(rkyv::deserialize::<Exception, rkyv::rancor::Error>(archived).unwrap(), exception);
    assert_eq!(ExceptionKey::from_bytes(&read[1].key).unwrap(), key);
}

#[test]
fn a_log_page() {
    let mut page = vec![0u8; PAGE];
    let header = PageHeader {
        frame_type: FrameType::Rows,
        used: 5,
        stream: 0x0123_4567_89ab_cdef,
        generation: 3,
        page: 0,
        first_seq: 42,
        durable_seq: 41,
        frame_len: 5,
        frame_page: 0,
    };
    encode_frame(header, b"hello", &mut page).unwrap();
    golden("v1/log-page.bin", &page);
    assert_eq!(decode_page(&page).unwrap(), (header, b"hello".as_slice()));
}

#[test]
fn a_manifest() {
    let manifest = Manifest {
        store: [0xaa; 16],
        number: 42,
        epoch: 7,
        segments: vec![SegmentEntry {
            id: 3,
            salt: 0x0102_0304_0506_0708,
            kind: SegmentKind::Blobs,
            low: 0,
            high: u64::MAX,
            bytes: 1 << 20,
            emails: 0,
            rows: 9,
            min_date: i64::MAX,
            max_date: i64::MIN,
            max_seq: 99,
            addons: vec![Addon {
                id: 8,
                salt: 0x1112_1314_1516_1718,
                bytes: 77,
                model: "static/1/256".into(),
                pending: 6,
            }],
        }],
        logs: vec![LogStream { stream: 5, epoch: 7, low: 0, high: u64::MAX, first_file: 2, floor: 100 }],
        next_seq: 100,
        next_segment: 4,
        lost: vec![(1, 2, 3)],
        active: "static/1/256".into(),
    };
    let bytes = manifest.encode().unwrap();
    golden("v7/manifest.bin", &bytes);
    assert_eq!(Manifest::decode(42, &bytes).unwrap(), manifest);
    assert_eq!(Manifest::decode(42, &std::fs::read(path("v6/manifest.bin")).unwrap()).unwrap(), manifest);
    // Versions before 6 had neither add-ons nor an active model.
    let mut earlier = Manifest { active: String::new(), ..manifest };
    earlier.segments.iter_mut().for_each(|segment| segment.addons.clear());
    for old in 1..6 {
        let bytes = std::fs::read(path(&format!("v{old}/manifest.bin"))).unwrap();
        assert_eq!(Manifest::decode(42, &bytes).unwrap(), earlier);
    }
}

#[test]
fn identities() {
    let utf16 = |s: &str| s.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let mut mail = IdBuilder::mail();
    mail.field(Field::Class, 0x1f, &utf16("IPM.Note"))
        .field(Field::MessageId, 0x1f, &utf16("<a@example.org>"))
        .field(Field::SenderAddress, 0x1f, &utf16("ann@example.org"))
        .field(Field::SentTime, 0x40, &131_330_221_400_000_000u64.to_le_bytes())
        .field(Field::Subject, 0x1f, &utf16("Hello"))
        .parts(Field::To, 0, &[b"SMTP", b"bob@example.org", b"Bob"])
        .field(Field::PlainBody, 0x1f, &utf16("Body\r\n"))
        .parts(Field::Attachment, 0, &[b"report.pdf", &[0x44; 32]]);
    let mut item = IdBuilder::item();
    item.field(Field::Class, 0x1f, &utf16("IPM.Contact")).parts(
        Field::Property,
        0x1f,
        &[b"3001", &utf16("Bob")],
    );
    let vectors = [
        ("empty mail", IdBuilder::mail().finish()),
        ("empty item", IdBuilder::item().finish()),
        ("mail", mail.finish()),
        ("item", item.finish()),
        ("partial item", item.finish_partial(&[0x66; 16], 2_097_188)),
        ("child", child_id(&mail.finish(), 1, &item.finish())),
        ("thread by message-id", thread_key(ThreadRoot::MessageId("<a@example.org>"))),
        ("thread by conversation index", thread_key(ThreadRoot::ConversationIndex(&[9; 27]))),
        ("thread by topic", thread_key(ThreadRoot::Topic("IPM.Note", "hello"))),
        ("archive", archive_id("pst", &[0x66; 16])),
    ];
    let text: String = vectors.iter().map(|(name, id)| format!("{name}\t{}\n", to_hex(id))).collect();
    golden("v1/ids.tsv", text.as_bytes());
}
