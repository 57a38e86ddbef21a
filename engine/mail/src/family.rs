//! Whole families, ready to be stored: an item, the messages inside it, and their attachments.
//!
//! Every reader hands out its items in this form. What always holds: members come depth first, each after the message
//! that holds it; every attachment with bytes has its blob in the same family, each content once.

use crate::thread::Evidence;
use crate::thread::join::{Edge, Proof, proof};
use crate::{language, parts};
use postlode_format::id::{Id, child_id};
use postlode_format::near::Signature;
use postlode_format::row::{Body, Email, PartKind, parts_extra};

/// An item of a folder and all messages inside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The item first, then the messages inside it, depth first.
    pub members: Vec<Member>,
    /// The bytes of all their attachments, each content once.
    pub blobs: Vec<Blob>,
    /// What its members tell of threads that are one, sorted, each once.
    pub joins: Vec<Edge>,
}

/// One item of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Node in the archive, as [`postlode_format::row::Place::node`] has it.
    pub node: u64,
    /// Its metadata.
    pub email: Email,
    /// Its bodies and properties.
    pub body: Body,
}

/// The content of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// Bytes.
    pub size: u64,
    /// The bytes, or where to get them.
    pub content: BlobContent,
}

/// The bytes of an attachment, or where to get them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobContent {
    /// All of them.
    Whole(Vec<u8>),
    /// To be streamed by [`Reader::attachment`](crate::pst::Reader::attachment) with this path: the number of the
    /// attachment in the item, then in the message that it holds, and so on.
    Stream(Vec<u32>),
}

/// A member whose id is not final, because it depends on its parent's.
pub(crate) struct Draft {
    pub(crate) node: u64,
    pub(crate) email: Email,
    pub(crate) body: Body,
    /// Conversation index, or empty.
    pub(crate) conversation_index: Vec<u8>,
    /// The id it would have by itself.
    pub(crate) content_id: Id,
    /// Messages inside it, each with its place in the list of attachments. Their depth is bounded by the reader.
    pub(crate) children: Vec<(usize, Draft)>,
}

impl Draft {
    /// Gives a draft and its children their ids, threads and parents.
    pub(crate) fn settle(self, blobs: Vec<Blob>) -> Family {
        let (mut members, mut joins) = (Vec::with_capacity(1), Vec::new());
        settle(self, None, &mut members, &mut joins);
        joins.sort_unstable();
        joins.dedup();
        Family { members, blobs, joins }
    }
}

fn settle(draft: Draft, parent: Option<(&Id, u32)>, members: &mut Vec<Member>, joins: &mut Vec<Edge>) -> Id {
    let Draft { node, mut email, mut body, conversation_index, content_id, children } = draft;
    understand(&mut email, &mut body);
    email.id = match parent {
        None => content_id,
        Some((parent, n)) => child_id(parent, n, &content_id),
    };
    let id = email.id;
    email.parent = parent.map(|(id, _)| *id);
    let Proof { key, edges } = proof_of(&email, &conversation_index);
    email.thread = key;
    joins.extend(edges);
    let place = members.len();
    members.push(Member { node, email, body });
    for (index, child) in children {
        let n = u32::try_from(index).unwrap_or(u32::MAX);
        let child = settle(child, Some((&id, n)), members, joins);
        if let Some(row) = members.get_mut(place).and_then(|m| m.email.attachments.get_mut(index)) {
            row.child = Some(child);
        }
    }
    id
}

/// What its text is made of, in which language its author wrote, and what near-duplicates are told by.
fn understand(email: &mut Email, body: &mut Body) {
    let text = body.text();
    let parts = parts::split(text);
    email.extra.push(Signature::extra(signature(text, &parts).as_ref()));
    if text.trim_ascii().is_empty() {
        return;
    }
    if let Some(language) = language::of(text, &parts, &email.subject) {
        language.clone_into(&mut email.language);
    }
    let kept = parts_extra(parts.iter().map(|part| (part.end, part.kind)));
    body.extra.extend(kept);
}

/// The signature of what its author wrote: what he quotes is another's.
fn signature(text: &str, parts: &[parts::Part]) -> Option<Signature> {
    let own = parts.iter().filter(|part| part.kind == PartKind::New);
    Signature::of(own.filter_map(|part| text.get(part.start as usize..part.end as usize)))
}

/// The thread's key and what is joined to it, once the id is known.
fn proof_of(email: &Email, conversation_index: &[u8]) -> Proof {
    let evidence = Evidence {
        references: &email.references,
        in_reply_to: &email.in_reply_to,
        message_id: &email.message_id,
        conversation_index,
        class: &email.class,
        topic: &email.topic,
    };
    proof(&evidence, &email.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer below what it answers has nothing in common with it but what it quotes.
    #[test]
    fn a_signature_is_of_what_the_author_wrote() {
        let own = "We have looked at the figures again and cannot find where the difference comes from.\n";
        let quoted =
            "> The totals of March and April are not those that the bank has told us about, as you know.\n";
        let text = format!(
            "{own}\nOn Monday Ann wrote:\n{quoted}-- \nBob Builder\nBuilder and Sons, all kinds of works\n"
        );
        let split = parts::split(&text);
        assert!(split.len() > 2);
        assert_eq!(signature(&text, &split), Signature::of([own]));
        assert_ne!(signature(&text, &split), Signature::of([text.as_str()]));
        assert_eq!(signature(quoted, &parts::split(quoted)), None);
    }
}
