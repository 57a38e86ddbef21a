//! Mails and sections for the tests.
#![allow(dead_code, reason = "not every test uses all of it")]

use bytes::Bytes;
use postlode_format::index::Position;
use postlode_format::row::{self, Address, Body, Email, Extra, ItemKind, Raw, TextSource};
use postlode_format::segment::Ordinal;
use postlode_store::{
    MemDoc, MemtableText, Missing, Ordinals, SectionRead, SegmentText, TextBuilder, TextDoc, TextSources,
    VectorParts,
};
use postlode_text::TextIndex;
use std::sync::Arc;

/// A mail as the tests see it.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    pub n: u32,
    pub subject: String,
    pub body: String,
    pub from: String,
    pub to: String,
    pub language: String,
    /// Of its body.
    pub extra: Vec<Extra>,
}

impl Mail {
    pub fn position(&self) -> Position {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&self.n.to_be_bytes());
        Position { date: i64::from(self.n) * 1_000_000, id }
    }

    pub fn doc(&self) -> TextDoc {
        let address = |a: &str| Address { name: String::new(), address: a.to_owned() };
        let position = self.position();
        let email = Email {
            extra: Vec::new(),
            id: position.id,
            id_scheme: 1,
            parent: None,
            thread: position.id,
            kind: ItemKind::Mail,
            class: "IPM.Note".to_owned(),
            message_id: String::new(),
            in_reply_to: vec![],
            references: vec![],
            subject: self.subject.clone(),
            topic: self.subject.clone(),
            from: Some(address(&self.from)),
            sender: None,
            to: vec![address(&self.to)],
            cc: vec![],
            bcc: vec![],
            sent: None,
            received: None,
            date: position.date,
            size: 0,
            importance: 1,
            sensitivity: 0,
            flags: 0,
            codepage: 0,
            language: self.language.clone(),
            attachments: vec![],
            partial: vec![],
        };
        let plain = Raw {
            encoding: row::RawEncoding::Verbatim,
            value_type: 0,
            bytes: self.body.clone().into_bytes(),
        };
        let body = Body {
            extra: self.extra.clone(),
            plain: Some(plain),
            html: None,
            rtf: None,
            headers: None,
            original: None,
            text: String::new(),
            text_source: TextSource::PlainAsKept,
            props: vec![],
        };
        TextDoc { email: row::to_bytes(&email).unwrap(), body: row::to_bytes(&body).unwrap() }
    }
}

/// A section in memory, of which a part may be damaged.
pub struct Section {
    pub bytes: Bytes,
    pub damaged: std::ops::Range<u64>,
}

impl SectionRead for Section {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, offset: u64, len: usize) -> Result<Bytes, Missing> {
        let end = offset + len as u64;
        if offset < self.damaged.end && end > self.damaged.start {
            return Err(Missing {
                segment: Some(7),
                section: "text".into(),
                reason: "checksum mismatch".into(),
            });
        }
        let (from, to) = (usize::try_from(offset).unwrap(), usize::try_from(end).unwrap());
        Ok(self.bytes.slice(from..to))
    }
}

pub fn section(bytes: Vec<u8>) -> Arc<dyn SectionRead> {
    Arc::new(Section { bytes: bytes.into(), damaged: 0..0 })
}

pub fn build(mails: &[Mail]) -> Vec<u8> {
    let mut rest = mails.iter();
    let mut out = Vec::new();
    TextIndex.build(&mut || rest.next().map(Mail::doc), &mut out).unwrap();
    out
}

pub fn ordinals(mails: &[Mail]) -> Vec<u8> {
    let of = |m: &Mail| {
        let Position { date, id } = m.position();
        Ordinal {
            date,
            id,
            seq: 0,
            email_at: 0,
            email_len: 0,
            frame_at: 0,
            frame_len: 0,
            body_at: 0,
            body_len: 0,
        }
        .encode()
    };
    mails.iter().flat_map(of).collect()
}

pub fn segment(id: u64, mails: &[Mail]) -> SegmentText {
    SegmentText {
        id,
        emails: mails.len() as u64,
        text: section(build(mails)),
        ordinals: Ordinals::new(section(ordinals(mails)), mails.len() as u64),
        vectors: VectorParts::new(),
        addons: Vec::new(),
    }
}

pub fn memtable(id: u64, first: usize, mails: &[Mail]) -> MemtableText {
    let docs = mails.iter().map(|m| MemDoc { position: m.position(), doc: m.doc() }).collect();
    MemtableText { memtable: id, first, docs }
}

pub fn sources(segments: Vec<SegmentText>, memtables: Vec<MemtableText>) -> TextSources {
    TextSources { segments, memtables, missing: vec![] }
}
