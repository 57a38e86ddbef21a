//! Requests and answers, with the JSON names that users rely on.
//!
//! Plain values that own all they hold. Times are RFC 3339: `date` in UTC with `Z`, `sent` and `received` with
//! the offset they were written with. Ids and hashes are lower-case hex.

use crate::facets::Facet;
use crate::group::Group;
use crate::lang::{from_json, print};
use crate::mix::Fusion;
use postlode_store::Missing;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How hits are found and ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By words.
    Keyword,
    /// By meaning.
    Semantic,
    /// By both.
    #[default]
    Hybrid,
}

/// The order of hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// Best first; equal ones newest first.
    Relevance,
    /// Newest first.
    Date,
    /// Largest first; equal ones newest first.
    Size,
    /// By the address of the sender; those of one newest first, those without one last.
    Sender,
}

/// Most hits of one answer.
pub const MAX_LIMIT: usize = 1000;

/// A search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchRequest {
    /// The query; empty finds everything. In JSON a tree as of [`crate::lang::to_json`] does as well.
    #[serde(deserialize_with = "text_or_tree")]
    pub q: String,
    /// Default: [`Mode::Hybrid`].
    pub mode: Mode,
    /// Hits wanted, 1 to [`MAX_LIMIT`]; default 20.
    pub limit: usize,
    /// `next_cursor` of the answer before; the other fields must be as they were (`limit` may differ).
    pub cursor: Option<String>,
    /// Default: relevance where the query has words, else date.
    pub sort: Option<Sort>,
    /// What hits are shown as one, in orders by relevance and date; totals are of emails all the same.
    pub group: Group,
    /// How words and meaning come to one score.
    pub fusion: Fusion,
    /// How much of a score, from 0 to 1, newer emails keep and older ones lose; 0, the default: none.
    pub recency: f32,
    /// Time zone of day boundaries: an IANA name, `UTC` or an offset like `+02:00`; default UTC.
    pub tz: Option<String>,
    /// What is to be counted over all that the query finds.
    pub facets: Vec<Facet>,
    /// Show the best passage of each hit, for which its text is read; default yes. Without, `snippet` is empty.
    pub snippets: bool,
    /// Tell how the answer was found.
    pub explain: bool,
}

/// A query as text, or its tree as JSON.
pub(crate) fn text_or_tree<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(text),
        tree => from_json(&tree).map(|tree| print(&tree)).map_err(serde::de::Error::custom),
    }
}

impl Default for SearchRequest {
    fn default() -> Self {
        Self {
            q: String::new(),
            mode: Mode::default(),
            limit: 20,
            cursor: None,
            sort: None,
            group: Group::None,
            fusion: Fusion::Mix,
            recency: 0.0,
            tz: None,
            facets: Vec::new(),
            snippets: true,
            explain: false,
        }
    }
}

/// A name and an address, either of which may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Address {
    /// Display name.
    pub name: String,
    /// Address.
    pub address: String,
}

/// One attachment, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentInfo {
    /// Its number in the message.
    pub n: u32,
    /// File name as the source has it: not safe to use as a path.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// MIME type.
    #[serde(rename = "type")]
    pub mime: String,
    /// SHA-256 of its bytes; null where there are none.
    pub sha256: Option<String>,
    /// Shown inside the body.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inline: bool,
    /// Id of the embedded message that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
}

/// Something in an attachment whose text could not be read, and is not searched therefore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadInfo {
    /// Number of the attachment.
    pub n: u32,
    /// Failure code.
    pub code: String,
    /// What it is: the attachment, or a file in it.
    pub what: String,
    /// The reason.
    pub reason: String,
}

/// Hashes by which others know an email.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes {
    /// SHA-256, in hex.
    pub sha256: String,
    /// MD5, in hex.
    pub md5: String,
    /// What both are of: `original`, the bytes it came as, or `properties`, its list of raw properties.
    pub of: String,
    /// The EDRM message identification hash, in hex; null without a Message-ID.
    pub edrm_mih: Option<String>,
}

/// Where an email was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceInfo {
    /// Path the archive was loaded from; its id where that is not known.
    pub archive: String,
    /// Id of the archive.
    pub archive_id: String,
    /// Whose mail it is, or empty.
    pub custodian: String,
    /// Folder path below the archive's root.
    pub folder: String,
    /// Node in the archive.
    pub node: u64,
    /// Found among deleted or orphaned items.
    pub recovered: bool,
}

/// Places of an email: their number in hits, all of them in details and exports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Places {
    /// How many.
    Count(u64),
    /// All of them.
    List(Vec<PlaceInfo>),
}

/// An email in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Its id.
    pub id: String,
    /// How well it fits, as far as hits of one answer compare: by words BM25, by meaning a cosine (of the query as it was
    /// turned, where the model wants that: equal texts have less than one), by both a mix of these; null where hits are not
    /// ranked.
    pub score: Option<f32>,
    /// Subject.
    pub subject: String,
    /// Who it is from.
    pub from: Option<Address>,
    /// Primary recipients.
    pub to: Vec<Address>,
    /// Carbon copies.
    pub cc: Vec<Address>,
    /// Sent, else received; null where neither is known.
    pub date: Option<String>,
    /// Folder of its first place.
    pub folder: String,
    /// Archive of its first place: the path it was loaded from.
    pub archive: String,
    /// Custodian of its first place, or empty.
    pub custodian: String,
    /// Where it was found.
    pub places: Places,
    /// Its thread.
    pub thread: String,
    /// The message it is embedded in.
    pub parent: Option<String>,
    /// Internet Message-ID as the source has it, or empty.
    pub message_id: String,
    /// Message class.
    pub class: String,
    /// Bytes.
    pub size: u64,
    /// Attachments.
    pub attachments: Vec<AttachmentInfo>,
    /// Tags.
    pub tags: Vec<String>,
    /// The other emails that match and are shown with it, where hits were grouped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Grouped>,
    /// Where the query's words were found best: `subject`, `body`, `from`, `to` or `attachments`; null without words.
    pub matched_in: Option<String>,
    /// HTML-escaped text around the best passage, with `<mark>`; where none of the words is in it, the passage that is
    /// nearest in meaning; without words the beginning of the text. Empty where none was asked for.
    pub snippet: String,
}

/// What a hit stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grouped {
    /// How many others.
    pub others: u64,
    /// Their ids, the newest first, of at most [`MAX_GROUPED`].
    pub ids: Vec<String>,
}

/// Most ids of one group.
pub const MAX_GROUPED: usize = 100;

/// How many hits there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// The number.
    pub value: u64,
    /// Exactly so many, or at least.
    pub relation: Relation,
}

/// How a total is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// Exactly.
    Eq,
    /// At least.
    Gte,
}

/// What an answer lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Partial {
    /// In words, for people.
    pub reasons: Vec<String>,
    /// Parts of the store that could not be read.
    pub missing: Vec<MissingPart>,
}

impl Partial {
    /// Nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty() && self.missing.is_empty()
    }
}

/// A part of the store that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MissingPart {
    /// The segment, 16 hex digits; null for a log.
    pub segment: Option<String>,
    /// Its section, or the log file.
    pub section: String,
    /// What is wrong with it.
    pub reason: String,
}

impl From<Missing> for MissingPart {
    fn from(missing: Missing) -> Self {
        Self {
            segment: missing.segment.map(|s| format!("{s:016x}")),
            section: missing.section,
            reason: missing.reason,
        }
    }
}

/// One facet of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FacetCounts {
    /// The values with the most emails, or all years or months in order.
    pub values: Vec<FacetValue>,
    /// How many different values there are.
    pub distinct: u64,
}

/// One value of a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetValue {
    /// The value; empty for emails without a date.
    pub value: String,
    /// Emails that have it.
    pub count: u64,
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchAnswer {
    /// Hits, in order.
    pub hits: Vec<Hit>,
    /// How many there are in all.
    pub total: Total,
    /// Where to go on; null after the last.
    pub next_cursor: Option<String>,
    /// Facets; null where none were asked for.
    pub facets: Option<BTreeMap<Facet, FacetCounts>>,
    /// What the answer lacks; null where nothing.
    pub partial: Option<Partial>,
    /// How it was found, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explain>,
}

/// How an answer was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Explain {
    /// The query as it was understood.
    pub query: String,
    /// The same as a tree, see [`crate::lang::to_json`].
    pub tree: serde_json::Value,
    /// Where candidates came from, and why.
    pub driver: String,
    /// What was checked on each candidate.
    pub checked: String,
    /// The order of hits.
    pub sort: String,
    /// Keys read from indexes.
    pub keys: u64,
    /// Emails matched by text search, over all text terms.
    pub text_matches: u64,
    /// Candidates looked at.
    pub candidates: u64,
    /// Candidates that matched.
    pub matched: u64,
    /// Stages with the microseconds they took.
    pub micros: Vec<(String, u64)>,
}

/// Something of an email that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialNote {
    /// Failure code.
    pub code: String,
    /// What was being read.
    pub stage: String,
    /// The reason.
    pub reason: String,
}

/// A property of the source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Property {
    /// Property id, as `0x0037`.
    pub id: String,
    /// Name, for named ones: the property set, and its number or name in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Type of its value, as `0x001f`.
    #[serde(rename = "type")]
    pub value_type: String,
    /// Its value: text, number, boolean or time where it is one, else `{"base64":"…"}`.
    pub value: serde_json::Value,
}

/// All metadata of one email. `places` of the hit is the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmailDetail {
    /// The fields of a hit; the snippet is the beginning of the text.
    #[serde(flatten)]
    pub hit: Hit,
    /// Its hashes.
    pub hashes: Option<Hashes>,
    /// What in its attachments is not searched.
    pub unread: Vec<UnreadInfo>,
    /// When it was sent, with its original offset (`Z` where none is known).
    pub sent: Option<String>,
    /// When it was delivered, likewise.
    pub received: Option<String>,
    /// Blind copies.
    pub bcc: Vec<Address>,
    /// Who sent it, where that is not who it is from.
    pub sender: Option<Address>,
    /// Message-IDs it answers.
    pub in_reply_to: Vec<String>,
    /// Message-IDs of its thread, oldest first.
    pub references: Vec<String>,
    /// Subject without reply and forward marks.
    pub topic: String,
    /// `low`, `normal` or `high`.
    pub importance: String,
    /// `none`, `personal`, `private` or `confidential`.
    pub sensitivity: String,
    /// What the source says of it: `read`, `unsent`, `flagged`, `from-me`.
    pub flags: Vec<String>,
    /// Language as ISO 639-3, or empty.
    pub language: String,
    /// A note somebody made, or empty.
    pub note: String,
    /// Holds it is under.
    pub holds: Vec<String>,
    /// Counts up with each change of tags, note or holds; for `If-Match`.
    pub revision: u64,
    /// Emails embedded in it.
    pub children: Vec<String>,
    /// All other properties of the source.
    pub properties: Vec<Property>,
    /// What of it could not be read when it was loaded; empty where all was.
    pub partial: Vec<PartialNote>,
}

/// An email as the store has it.
#[derive(Debug, Clone)]
pub struct Record {
    /// An rkyv [`postlode_format::row::Email`].
    pub email: bytes::Bytes,
    /// An rkyv [`postlode_format::row::Body`].
    pub body: Option<bytes::Bytes>,
}

/// One line of a JSONL export. `places` of the hit is the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportItem {
    /// The fields of a hit.
    #[serde(flatten)]
    pub hit: Hit,
    /// Its hashes.
    pub hashes: Option<Hashes>,
    /// The text.
    pub body: String,
    /// Transport headers, or empty.
    pub headers: String,
}
