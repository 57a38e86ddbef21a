//! Inputs to start from: what was really written, and small documents with a little of everything.
//!
//! Golden files of the format come first, where they are; the rest is built here. What always holds: the order is
//! the same on every machine, so that a case is found again by its number.

use crate::samples;
use crate::text::EMAILS;
use bytes::BytesMut;
use postlode_embed::{BuiltIn, Embed};
use postlode_format::FormatError;
use postlode_format::block::{self, BlockPlace};
use postlode_format::btree::TreeBuilder;
use postlode_format::column::{NumberColumn, TextColumnBuilder};
use postlode_format::index::{IndexId, entries};
use postlode_format::limits::PAGE;
use postlode_format::log::{FrameType, PageHeader, encode_frame, pages_for};
use postlode_format::row::{ENVELOPE, RowKind, to_bytes};
use postlode_format::segment::{
    DIRECTORY_BLOCK, Directory, Identity, Location, Ordinal, Section, SectionKind, VERSION, VectorPart,
    directory_block, header_page, read_trailer, trailer_page,
};
use postlode_semantic::VectorIndex;
use postlode_store::{NewVectors, TextBuilder, TextDoc, VectorBuilder};
use postlode_text::TextIndex;
use postlode_vector::{CodeKind, Index, IndexOptions, Sequential};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why there are no seeds.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A golden file cannot be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Something could not be encoded, or a golden file not be decoded.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The text index could not be built.
    #[error("the text index cannot be built: {0}")]
    Text(String),
}

type Seeds = Result<Vec<Vec<u8>>, SeedError>;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../format-spec/golden/v1")
}

fn read(path: &Path) -> Result<Vec<u8>, SeedError> {
    std::fs::read(path).map_err(|reason| SeedError::File { path: path.to_owned(), reason })
}

/// A golden file, where it is.
fn golden_file(name: &str) -> Seeds {
    let path = golden().join(name);
    if path.exists() { Ok(vec![read(&path)?]) } else { Ok(Vec::new()) }
}

/// The files of a folder of the golden store, sorted by name; none where there is no such folder.
fn golden_store(folder: &str) -> Result<Vec<(PathBuf, Vec<u8>)>, SeedError> {
    let folder = golden().join("store").join(folder);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let listed = |reason| SeedError::File { path: folder.clone(), reason };
    let mut paths = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).map_err(listed)? {
        paths.insert(entry.map_err(listed)?.path());
    }
    paths.into_iter().map(|path| Ok((path.clone(), read(&path)?))).collect()
}

/// A segment of the golden store, taken apart.
struct GoldenSegment {
    own: Identity,
    file: Vec<u8>,
    directory: Vec<u8>,
    sections: Vec<Section>,
}

impl GoldenSegment {
    fn all() -> Result<Vec<Self>, SeedError> {
        golden_store("segments")?.into_iter().map(|(path, file)| Self::of(&path, file)).collect()
    }

    fn of(path: &Path, file: Vec<u8>) -> Result<Self, SeedError> {
        let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or_default();
        let id = u64::from_str_radix(name, 16).unwrap_or(0);
        let salt = file.get(24..).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| u64::from_le_bytes(*b));
        let own = Identity { id, salt };
        let bytes = file.len() as u64;
        let last = file.get(file.len().saturating_sub(PAGE)..).unwrap_or_default();
        let (at, len) = read_trailer(own, bytes, last)?;
        let mut directory = Vec::new();
        let blocks = file.get(offset(at)..).unwrap_or_default().chunks_exact(DIRECTORY_BLOCK);
        for (n, one) in (0u32..).zip(blocks).take(offset(block::count(len, DIRECTORY_BLOCK))) {
            directory.extend_from_slice(block::open(directory_block(own, n), one)?);
        }
        directory.truncate(offset(len));
        let sections = Directory::decode(&directory, own, VERSION, bytes)?.sections;
        Ok(Self { own, file, directory, sections })
    }

    /// The blocks of a section, as they lie in the file, with their places.
    fn blocks(&self, number: usize, section: &Section) -> impl Iterator<Item = (BlockPlace, &[u8])> {
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        let start = self.file.get(offset(section.offset)..).unwrap_or_default();
        let blocks = start.chunks_exact(section.block_size.max(1) as usize).take(offset(section.blocks()));
        (0u32..).zip(blocks).map(move |(n, one)| {
            (BlockPlace { segment: self.own.id, salt: self.own.salt, section: number, block: n }, one)
        })
    }

    /// A section's content.
    fn content(&self, number: usize, section: &Section) -> Result<Vec<u8>, SeedError> {
        let mut out = Vec::new();
        for (place, one) in self.blocks(number, section) {
            out.extend_from_slice(block::open(place, one)?);
        }
        out.truncate(offset(section.bytes));
        Ok(out)
    }

    fn of_kind(&self, kind: SectionKind) -> impl Iterator<Item = (usize, &Section)> {
        self.sections.iter().enumerate().filter(move |(_, s)| s.kind == kind as u16)
    }
}

fn offset(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Blocks and payloads.
pub fn blocks() -> Seeds {
    let mut out = vec![Vec::new(), b"hello".to_vec(), vec![0; PAGE]];
    let place = BlockPlace { segment: 7, salt: 5, section: 2, block: 9 };
    for size in [PAGE, 4 * PAGE] {
        let mut sealed = Vec::new();
        block::seal(place, size, b"the payload of a block", &mut sealed)?;
        out.push(sealed);
    }
    for segment in GoldenSegment::all()? {
        for (number, section) in segment.sections.iter().enumerate() {
            out.extend(segment.blocks(number, section).take(1).map(|(_, one)| one.to_vec()));
        }
    }
    Ok(out)
}

/// Pages of trees.
pub fn trees() -> Seeds {
    let mut out = Vec::new();
    for (count, width) in [(0usize, 0usize), (1, 3), (40, 8), (700, 60)] {
        let mut builder = TreeBuilder::new(4092, |page: &[u8]| {
            out.push(page.to_vec());
            Ok(())
        });
        for n in 0..count {
            builder.push(format!("key {n:>width$}").as_bytes(), &n.to_le_bytes())?;
        }
        builder.finish()?;
    }
    for segment in GoldenSegment::all()? {
        for kind in [SectionKind::Primary, SectionKind::Index] {
            for (number, section) in segment.of_kind(kind) {
                out.extend(block_payloads(&segment, number, section)?);
            }
        }
    }
    Ok(out)
}

fn block_payloads(segment: &GoldenSegment, number: usize, section: &Section) -> Seeds {
    segment
        .blocks(number, section)
        .take(2)
        .map(|(place, one)| Ok(block::open(place, one)?.to_vec()))
        .collect()
}

/// Columns: rows with no value, one, several, one as in another row; numbers of each width.
pub fn columns() -> Seeds {
    let mut out = Vec::new();
    for rows in [0u32, 1, 5, 400] {
        let mut builder = TextColumnBuilder::default();
        for row in 0..rows {
            for n in 0..row % 4 {
                let value =
                    format!("person{}@example{}.org", row.wrapping_mul(7) % 90, n.wrapping_mul(row) % 3);
                builder.add(row, value.into_bytes());
            }
        }
        out.push(builder.finish(rows, |row| row)?);
    }
    for widest in [0u64, 1, 300, 1 << 20, u64::MAX] {
        let numbers: Vec<u64> =
            (0..40u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % widest.max(1)).collect();
        out.push(NumberColumn::new(&numbers).encode()?);
    }
    Ok(out)
}

/// Log files.
pub fn logs() -> Seeds {
    let mut out = golden_file("log-page.bin")?;
    out.extend(golden_store("log")?.into_iter().map(|(_, bytes)| bytes));
    let mut file = Vec::new();
    let mut seq = 1;
    for rows in [1, 3, 200, 2] {
        let mut payload = BytesMut::new();
        for row in samples::rows()?.iter().cycle().take(rows) {
            row.encode(&mut payload)?;
        }
        let start = file.len();
        file.resize(start.saturating_add(pages_for(payload.len()).saturating_mul(PAGE)), 0);
        let at = PageHeader {
            frame_type: FrameType::Rows,
            used: 0,
            stream: 42,
            generation: 3,
            page: u32::try_from(start / PAGE).unwrap_or(0),
            first_seq: seq,
            durable_seq: seq.saturating_sub(1),
            frame_len: 0,
            frame_page: 0,
        };
        encode_frame(at, &payload, file.get_mut(start..).unwrap_or_default())?;
        seq = seq.saturating_add(rows as u64);
    }
    file.resize(file.len().saturating_add(PAGE), 0);
    out.push(file);
    Ok(out)
}

/// Manifests.
pub fn manifests() -> Seeds {
    let mut out = golden_file("manifest.bin")?;
    out.push(samples::manifest().encode()?);
    out.extend(golden_store("manifest")?.into_iter().map(|(_, bytes)| bytes));
    Ok(out)
}

/// Operations on a store.
pub fn operations() -> Seeds {
    Ok(vec![
        // Load, seal, load again, mark, compact, look.
        vec![1, 0xe7, 3, 0, 0, 0xe9, 5, 4, 0x84, 1, 0, 6, 0],
        // Delete, compact, crash, load what was deleted, restore it, load it again.
        vec![2, 0xe8, 0, 4, 0x80, 0, 0, 1, 0, 2, 1, 0xe8, 0, 4, 0, 0xe8, 0, 6, 0, 3, 2, 6, 0],
        // Many loads between crashes, with other shards each time.
        [&[3][..], &[0xe7, 9, 2, 1, 0xe8, 20, 2, 2, 0xe9, 30, 0, 0].repeat(4)].concat(),
    ])
}

/// Headers, trailers, directories, locations and ordinals.
pub fn segments() -> Seeds {
    let own = Identity { id: 3, salt: 0x5a17 };
    let location = Location { offset: 77, len: 5, seq: 9 };
    let ordinal = Ordinal {
        date: -5,
        id: samples::id(1),
        seq: 9,
        email_at: 1 << 40,
        email_len: 700,
        frame_at: 1 << 33,
        frame_len: 9_000,
        body_at: 12,
        body_len: 345,
    };
    let mut out = vec![
        header_page(own),
        trailer_page(own, 8192, 300),
        to_bytes(&samples::directory())?.to_vec(),
        location.encode().to_vec(),
        ordinal.encode().repeat(3),
    ];
    for segment in GoldenSegment::all()? {
        out.push(segment.file.get(..PAGE).unwrap_or_default().to_vec());
        out.push(segment.file.get(segment.file.len().saturating_sub(PAGE)..).unwrap_or_default().to_vec());
        out.push(segment.directory.clone());
        for (number, section) in segment.of_kind(SectionKind::Ordinals) {
            out.push(segment.content(number, section)?);
        }
    }
    Ok(out)
}

/// Rows, alone and together, and their records and index keys without an envelope.
pub fn rows() -> Seeds {
    let mut out = golden_file("rows.bin")?;
    let mut all = BytesMut::new();
    for row in samples::rows()? {
        let mut one = BytesMut::with_capacity(ENVELOPE);
        row.encode(&mut one)?;
        row.encode(&mut all)?;
        out.push(one.to_vec());
        out.push(row.value.to_vec());
        let keys = entries(row.kind, &row.key, &row.value)?;
        out.extend(keys.into_iter().filter(|(index, _)| *index == IndexId::Folder).map(|(_, key)| key));
    }
    out.push(to_bytes(&samples::email(1))?.to_vec());
    out.push(to_bytes(&samples::body(1))?.to_vec());
    out.push(all.to_vec());
    debug_assert!(out.len() > RowKind::ALL.len());
    Ok(out)
}

/// Text sections of so many emails as the target expects.
pub fn texts() -> Seeds {
    let mut out = Vec::new();
    for repeat in [1usize, 40] {
        let mut docs = Vec::new();
        for n in (0u32..).take(EMAILS) {
            let mut body = samples::body(n);
            body.text = body.text.repeat(repeat);
            docs.push(TextDoc { email: to_bytes(&samples::email(n))?, body: to_bytes(&body)? });
        }
        let mut docs = docs.into_iter();
        let mut section = Vec::new();
        TextIndex.build(&mut || docs.next(), &mut section).map_err(SeedError::Text)?;
        out.push(section);
    }
    for segment in GoldenSegment::all()? {
        for (number, section) in segment.of_kind(SectionKind::Text) {
            out.push(segment.content(number, section)?);
        }
    }
    Ok(out)
}

/// Vector sections of so many emails as the target expects: compared one by one, and with a graph and each kind of codes.
pub fn vectors() -> Seeds {
    let mut docs = Vec::new();
    for n in (0u32..).take(EMAILS) {
        docs.push(TextDoc { email: to_bytes(&samples::email(n))?, body: to_bytes(&samples::body(n))? });
    }
    let mut docs = docs.into_iter();
    let plain = VectorIndex::new(Arc::new(BuiltIn)).build(&mut || docs.next()).map_err(SeedError::Text)?;
    let model = BuiltIn.model();
    let dimensions = model.dimensions as usize;
    let mut random = 1u32;
    let mut value = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from((random >> 16) as u16) / 65_536.0 - 0.5
    };
    let vectors = 60usize;
    let values: Vec<f32> = (0..vectors * dimensions).map(|_| value()).collect();
    let mut out = vec![crate::vectors::input(&plain)];
    let kinds = [CodeKind::Sq8, CodeKind::B4, CodeKind::Pq].map(|codes| (codes, false));
    for (codes, turned) in kinds.into_iter().chain([(CodeKind::Sq8, true)]) {
        let options = IndexOptions { codes, turned, graph_from: Some(8), ..IndexOptions::default() };
        let index = Index::build(dimensions, &values, options, &Sequential);
        let index =
            index.and_then(|index| index.to_bytes()).map_err(|error| SeedError::Text(error.to_string()))?;
        // The head of the others, with the number of these vectors, and the index's own head behind the name.
        let name = u32::try_from(model.name.len()).unwrap_or(0);
        let numbers = [1, model.version, model.dimensions, 60, 0, name];
        let mut head: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        head.extend(model.name.as_bytes());
        head.extend(index.head);
        let emails: Vec<u8> = (0u32..60).flat_map(|vector| (vector / 3).to_le_bytes()).collect();
        let parts = [
            (VectorPart::Head, head),
            (VectorPart::Emails, emails),
            (VectorPart::Values, index.values),
            (VectorPart::Codes, index.codes),
            (VectorPart::Links, index.links),
            (VectorPart::Rows, index.rows),
        ];
        let parts = parts.into_iter().map(|(part, bytes)| (part, (bytes, 0))).collect();
        out.push(crate::vectors::input(&NewVectors { parts }));
    }
    Ok(out)
}

fn owned<const N: usize>(texts: [&str; N]) -> Vec<Vec<u8>> {
    texts.into_iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Queries, cursors, zones and days.
pub fn queries() -> Seeds {
    let mut out = owned([
        "",
        "budget \"quarterly report\" -draft",
        "from:ann@example.org to:(bob OR \"Cem D\") cc:dee bcc:x subject:(a OR b) -body:\"c \\\"d\\\"\"",
        "folder:\"/Top of Outlook data file/Inbox\" in:sent* before:2020-01-31 after:2019 has:attachment",
        "participants:(alice bob@example.org) on:2017-03 older_than:2y -newer_than:7d type:pdf lang:de is:unread",
        "filename:report.pdf larger:10M smaller:2k class:IPM.Note custodian:\"Ann B\" tag:hot label:x",
        "id:667dae189055ec7e2db32cdc5c70746e thread:667dae189055ec7e2db32cdc5c70746e message-id:<a@b>",
        "(a b OR c) AND NOT (d OR -(e f)) https://x.y/z 大きさ Größe",
        "Europe/Paris before:2021-03-28 after:2020/2",
        "+02:00 after:2020-01-01T00:00:00Z",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ]);
    // Alternatives inside sequences inside alternatives.
    out.push(format!("{}z{}", "a b OR (".repeat(25), ")".repeat(25)).into_bytes());
    out.push(format!("{}z{}", "-(".repeat(30), ")".repeat(30)).into_bytes());
    out.push("from:(".repeat(20).into_bytes());
    Ok(out)
}

/// Header blocks.
pub fn headers() -> Seeds {
    Ok(owned([
        "",
        "Microsoft Mail Internet Headers Version 2.0\r\n\
         Received: from a.example ([10.0.0.1]) by b.example;\r\n\t Thu, 27 Feb 2014 10:00:05 +0100\r\n\
         From: =?utf-8?q?J=C3=B6rn?= <joern@example.org>\r\n\
         To: \"Doe, Jane\" <jane@example.org>,\r\n  bob@example.org, group: a@b, c@d;\r\n\
         Date: Thu, 27 Feb 2014 01:00:00 -0800\r\nMessage-ID: <one@example.org>\r\n\
         In-Reply-To: <zero@example.org>\r\nReferences: <root@example.org>\r\n <zero@example.org>\r\n",
        "Subject: =?iso-8859-1?B?R3L233Rl?= =?utf-8?Q?_und?=\r\nContent-Type: text/plain; charset=\"utf-8\"\r\n\
         Sender: (comment (nested)) <@route:x@y>\r\nCc: undisclosed-recipients:;\r\nDate: 1 Jan 70 0:0 GMT\r\n",
        "Re: AW: [list] Fwd: what <a@b> <c@\r\n d>",
        "text/plain; name*0*=utf-8''a%20b; name*1=c",
    ]))
}

/// HTML documents.
pub fn html() -> Seeds {
    let mut out = owned([
        "",
        "<!DOCTYPE html><html><head><meta charset=\"iso-8859-1\"><title>T</title><style>p{}</style></head>\
         <body><p>One&nbsp;two&#8211;three &amp; four</p><table><tr><td>a</td><td>b</td></tr></table>\
         <pre>x\n  y</pre><script>if (a<b) {}</script><br><br>end</body></html>",
        "<html xmlns=\"http://www.w3.org/1999/xhtml\"><title/><div>shown<div><p>nested</div>tail",
        "<p>a<![CDATA[b]]><!-- c --><!--[if mso]>d<![endif]--><![if !x]>e</p><a href='x\">f</a>&#x110000;&bogus;",
    ]);
    out.push(
        b"<meta http-equiv=Content-Type content='text/html; charset=shift_jis'>\x82\xa0\x82\xa2".to_vec(),
    );
    out.push(
        [&b"\xff\xfe"[..], &"<p>hé</p>".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()]
            .concat(),
    );
    out.push("<div>".repeat(2_000).into_bytes());
    Ok(out)
}

/// Messages: plain, of many parts, inside each other, signed, a report, and some that are broken.
///
/// # Errors
/// Never.
pub fn mails() -> Seeds {
    let head = "From: Ann <ann@example.org>\r\nTo: =?utf-8?q?J=C3=B6rn?= <j@example.org>, b@x\r\nSubject: a\r\n\
                Message-ID: <1@x>\r\nReferences: <0@x>\r\nDate: Mon, 2 Mar 2020 10:00:00 +0100\r\n";
    let part = "--b\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                <p>Gr=FC=DFe</p>\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\
                Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\nJVBERi0xLjQ=\r\n";
    let mixed = format!("{head}Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n{part}--b--\r\n");
    let inside = format!(
        "{head}Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: message/rfc822\r\n\r\n{mixed}\r\n--c--\r\n"
    );
    let report = format!(
        "{head}Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nno\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\n--b--\r\n"
    );
    let signed = format!(
        "{head}Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nwords\r\n--b\r\n\
         Content-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nMIIB\r\n--b--\r\n"
    );
    Ok(owned([
        "",
        "\r\n\r\n",
        "From ann Mon Mar  2 10:00:00 2020\n>From b\n",
        &format!("{head}\r\nwords\r\n>From here\r\n>>From there\r\n"),
        &mixed,
        &inside,
        &report,
        &signed,
        &format!("{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno end"),
        &format!("{head}Content-Transfer-Encoding: base64\r\n\r\naGVsbG8g!!!d29ybGQ="),
    ]))
}

/// Attachments, each behind the byte that chooses its name.
///
/// # Errors
/// Never.
pub fn attachments() -> Seeds {
    let tnef: &[u8] = b"\x06\x78\x9f\x3e\x22\x01\x00\x01\x04\x80\x01\x00\x02\x00\x00\x00a\x00\x61\x00\
        \x02\x02\x90\x06\x00\x00\x00\x00\x00\x00\x00\x02\x0f\x80\x06\x00\x02\x00\x00\x00hi\xd1\x00";
    let stored: &[u8] = b"\x05PK\x03\x04\x0a\0\0\0\0\0\0\0\x21\0\x82\x89\xd1\xf7\x05\0\0\0\x05\0\0\0\x05\0\0\0\
        a.txthelloPK\x01\x02\x0a\0\x0a\0\0\0\0\0\0\0\x21\0\x82\x89\xd1\xf7\x05\0\0\0\x05\0\0\0\x05\0\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0a.txtPK\x05\x06\0\0\0\0\x01\0\x01\0\x33\0\0\0\x28\0\0\0\0\0";
    let pdf: &[u8] = b"\x04%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n\
        3 0 obj <</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>> endobj\n4 0 obj <</Length 30>> stream\n\
        BT /F 12 Tf 9 9 Td (hi) Tj ET\nendstream endobj\n5 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj\n\
        trailer <</Root 1 0 R/Size 6>>\n%%EOF";
    let others: [&[u8]; 5] = [
        b"",
        b"\x00words in a file",
        b"\x01<html><p>One<table><tr><td>two</table>",
        b"\x07{\\rtf1\\ansi Gr\\'fc\\'dfe\\par}",
        b"\x07\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    ];
    Ok([tnef, stored, pdf].into_iter().chain(others).map(<[u8]>::to_vec).collect())
}

/// RTF documents, plain and compressed.
pub fn rtf() -> Seeds {
    // The examples of [MS-OXRTFCP] 4.1.
    let compressed: [&[u8]; 2] = [
        &[
            0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0, 0x0a, 0,
            0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09,
            0, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ],
        &[
            0x1a, 0, 0, 0, 0x1c, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xe2, 0xd4, 0x4b, 0x51, 0x41, 0, 4, 0x20,
            0x57, 0x58, 0x59, 0x5a, 0x0d, 0x6e, 0x7d, 1, 0x0e, 0xb0,
        ],
    ];
    let mut out = owned([
        "",
        "{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0\\fswiss\\fcharset0 Arial;}{\\f1\\fcharset204 Times;}}\
         {\\colortbl;\\red0\\green0\\blue0;}\\uc1\\pard\\f0 Hello \\b world\\b0\\par \\f1\\'cf\\'f0\\'e8\\par\
         \\u8364? \\u-10179?\\u-8704?\\tab {\\*\\generator x;}{\\pict\\bin4 abcd}\\line end}",
        "{\\rtf1\\ansi\\fromhtml1 \\deff0{\\*\\htmltag19 <html>}{\\*\\htmltag64}\\htmlrtf {\\htmlrtf0\
         {\\*\\htmltag84 <b>}\\htmlrtf\\b\\htmlrtf0 bold{\\*\\htmltag92 </b>}\\htmlrtf }\\htmlrtf0\\'e9{\\*\\htmltag27 </html>}}",
        "{\\rtf1{\\object{\\objdata 0102}{\\result r}}{\\field{\\*\\fldinst HYPERLINK \"x\"}{\\fldrslt y}}\\bin9999999999 z}",
    ]);
    out.extend(compressed.map(<[u8]>::to_vec));
    out.push([&[18, 0, 0, 0, 6, 0, 0, 0][..], b"MELA", &[0; 4], b"{\\rtf}"].concat());
    out.push("{\\b ".repeat(3_000).into_bytes());
    Ok(out)
}
