//! What `/local/inspect` and `/local/dump` answer: one segment from inside, and its rows.

use crate::stats::{SegmentRow, kind_name};
use postlode_format::id::to_hex;
use postlode_format::row::{
    ArchivedArchiveVersion, ArchivedEmail, ArchivedException, ArchivedMark, ArchivedPlace, RowKind, access,
};
use postlode_query::{GraphInside, VectorsInside};
use postlode_store::{Dumped, Inside, Inspected, Missing, Shape};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A segment from inside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SegmentInside {
    /// Its id.
    pub id: String,
    /// Rows by kind.
    pub rows: BTreeMap<String, u64>,
    /// Its sections, as they lie in the file.
    pub sections: Vec<SectionInside>,
    /// Its vectors, where it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<VectorsOfSegment>,
}

/// The vectors of a segment from inside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VectorsOfSegment {
    /// Name of the model.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// Values of a vector.
    pub dimensions: u32,
    /// Vectors: one for each passage.
    pub vectors: u64,
    /// Different ones among them.
    pub distinct: u64,
    /// Emails that have some.
    pub emails: u64,
    /// Emails that have none, as the model does not know their language.
    pub foreign: u64,
    /// What is compared: `sq8`, `f16`.
    pub codes: String,
    /// Bytes of codes, links and rows.
    pub bytes: u64,
    /// Bytes of exact values.
    pub exact_bytes: u64,
    /// The graph; without one, vectors are compared one by one.
    pub graph: Option<GraphOfSegment>,
}

/// The graph over the vectors of a segment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GraphOfSegment {
    /// Nodes of each layer, the bottom first.
    pub layers: Vec<u32>,
    /// Nodes of the bottom by how many links they have: none, one …
    pub degrees: Vec<u64>,
    /// Links of a node of the bottom, on average.
    pub mean_degree: f64,
    /// Nodes that paths lead to.
    pub reachable: u64,
    /// Nodes that none leads to: each search looks at them one by one.
    pub strays: u64,
}

impl From<VectorsInside> for VectorsOfSegment {
    fn from(inside: VectorsInside) -> Self {
        Self {
            model: inside.model.name,
            version: inside.model.version,
            dimensions: inside.model.dimensions,
            vectors: inside.vectors.0.into(),
            distinct: inside.vectors.1.into(),
            emails: inside.emails.0,
            foreign: inside.emails.1,
            codes: inside.codes.to_owned(),
            bytes: inside.bytes.0,
            exact_bytes: inside.bytes.1,
            graph: inside.graph.map(GraphOfSegment::from),
        }
    }
}

impl From<GraphInside> for GraphOfSegment {
    fn from(inside: GraphInside) -> Self {
        let (nodes, links) = (0u64..)
            .zip(&inside.degrees)
            .fold((0u64, 0u64), |(nodes, links), (degree, count)| (nodes + count, links + degree * count));
        Self {
            layers: inside.layers,
            mean_degree: links as f64 / nodes.max(1) as f64,
            degrees: inside.degrees,
            reachable: inside.reachable,
            strays: inside.strays,
        }
    }
}

impl SegmentInside {
    /// Notes damage that was found outside the sections' own checks.
    pub fn note_damage(&mut self, missing: &Missing) {
        let named = |section: &&mut SectionInside| section.name.starts_with(&missing.section);
        if let Some(section) = self.sections.iter_mut().find(named) {
            section.damage.get_or_insert_with(|| missing.reason.clone());
        }
    }
}

/// A section from inside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SectionInside {
    /// `bodies`, `index:sender` …
    pub name: String,
    /// Bytes of content.
    pub bytes: u64,
    /// Bytes on disk.
    pub bytes_on_disk: u64,
    /// Blocks.
    pub blocks: u64,
    /// Bytes of a block.
    pub block_bytes: u32,
    /// Records or entries.
    pub entries: u64,
    /// Of a B+tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeInside>,
    /// Of compressed records: frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// Of compressed records: bytes of all, decompressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decompressed_bytes: Option<u64>,
    /// Of a filter: which part of its bits is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_set: Option<f64>,
    /// Why it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// A B+tree from inside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TreeInside {
    /// Levels.
    pub height: u8,
    /// Pages with entries.
    pub leaves: u64,
    /// Pages that lead to them.
    pub inner: u64,
    /// Leaves that are full to 10 %, 20 % … 100 %.
    pub filled: Vec<u64>,
    /// First key: text as it is, other bytes as `\xnn`.
    pub first_key: String,
    /// Last key.
    pub last_key: String,
    /// Different senders, folders …; 0 where keys have no such part.
    pub parts: u64,
}

impl From<Inspected> for SegmentInside {
    fn from(inspected: Inspected) -> Self {
        Self {
            id: format!("{:016x}", inspected.id),
            rows: inspected.rows.into_iter().map(|(kind, rows)| (kind_name(kind), rows)).collect(),
            sections: inspected.sections.into_iter().map(SectionInside::from).collect(),
            vectors: None,
        }
    }
}

impl From<Inside> for SectionInside {
    fn from(inside: Inside) -> Self {
        let (blocks, block_bytes) = inside.blocks;
        let mut out = Self {
            name: inside.name,
            bytes: inside.bytes,
            bytes_on_disk: inside.bytes_on_disk,
            blocks,
            block_bytes,
            entries: inside.entries,
            ..Self::default()
        };
        match inside.shape {
            Shape::Plain => {}
            Shape::Tree(tree) => {
                out.tree = Some(TreeInside {
                    height: tree.height,
                    leaves: tree.pages.0,
                    inner: tree.pages.1,
                    filled: tree.filled.to_vec(),
                    first_key: readable(&tree.keys.0),
                    last_key: readable(&tree.keys.1),
                    parts: tree.parts,
                });
            }
            Shape::Frames(frames, raw) => {
                (out.frames, out.decompressed_bytes) = (Some(frames), Some(raw));
            }
            Shape::Filter(bits, set) => out.bits_set = Some(set as f64 / bits.max(1) as f64),
            Shape::Damaged(missing) => out.damage = Some(missing.reason),
        }
        out
    }
}

/// Text as it is, all else as `\xnn`.
fn readable(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

/// One row, and of the kinds that people ask for, what it says.
#[must_use]
pub fn row(dumped: &Dumped) -> SegmentRow {
    SegmentRow {
        kind: kind_name(dumped.kind as u8),
        key: to_hex(&dumped.key),
        seq: dumped.seq,
        bytes: dumped.value.len() as u64,
        value: says(dumped).unwrap_or(Value::Null),
    }
}

fn says(dumped: &Dumped) -> Option<Value> {
    Some(match dumped.kind {
        RowKind::Email => {
            let email = access::<ArchivedEmail>(&dumped.value).ok()?;
            let from = email.from.as_ref().map(|from| from.address.as_str());
            json!({ "subject": email.subject.as_str(), "from": from, "unix_micros": email.date.to_native(),
                "message_id": email.message_id.as_str(), "thread": to_hex(&email.thread) })
        }
        RowKind::Place => {
            let place = access::<ArchivedPlace>(&dumped.value).ok()?;
            json!({ "folder": place.folder.as_str(), "archive": to_hex(&place.archive), "node": place.node.to_native(),
                "custodian": place.custodian.as_str() })
        }
        RowKind::Mark => {
            let mark = access::<ArchivedMark>(&dumped.value).ok()?;
            let tags: Vec<&str> = mark.tags.iter().map(|tag| tag.as_str()).collect();
            let holds: Vec<&str> = mark.holds.iter().map(|hold| hold.as_str()).collect();
            json!({ "tags": tags, "holds": holds, "note": mark.note.as_str(), "deleted": mark.deleted,
                "revision": mark.revision.to_native() })
        }
        RowKind::Archive => {
            let archive = access::<ArchivedArchiveVersion>(&dumped.value).ok()?;
            json!({ "path": archive.path.as_str(), "kind": archive.kind.as_str(), "complete": archive.complete })
        }
        RowKind::Exception => {
            let exception = access::<ArchivedException>(&dumped.value).ok()?;
            json!({ "code": exception.code.as_str(), "folder": exception.folder.as_str(),
                "reason": exception.reason.as_str(), "resolved": exception.resolved })
        }
        _ => return None,
    })
}
