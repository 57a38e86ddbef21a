//! Which thread a message belongs to.

pub mod join;

use postlode_format::id::{Id, ThreadRoot, bare_message_id, thread_key, to_hex};

/// What a message tells of its thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// References, oldest first.
    pub references: &'a [String],
    /// In-Reply-To.
    pub in_reply_to: &'a [String],
    /// Its own Message-ID, or empty.
    pub message_id: &'a str,
    /// Conversation index; its first 22 bytes are the thread's.
    pub conversation_index: &'a [u8],
    /// Message class.
    pub class: &'a str,
    /// Subject without reply marks.
    pub topic: &'a str,
}

impl Evidence<'_> {
    /// The 22 bytes of the conversation index that are the thread's, if they tell it from others: a reserved byte, a
    /// time, and a random id, which some programs leave empty.
    fn conversation(&self) -> Option<&[u8]> {
        let index = self.conversation_index.get(..22)?;
        let guid = index.get(6..)?;
        let first = guid.first()?;
        guid.iter().any(|byte| byte != first).then_some(index)
    }

    /// References that are ids.
    fn references(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.references.iter().map(String::as_str).filter(is_id)
    }

    /// The message that this one answers. Some programs put the address of its author in front of its id.
    fn parent(&self) -> Option<&str> {
        self.in_reply_to.iter().map(String::as_str).rfind(is_id)
    }

    /// The id of the message itself.
    fn own(&self) -> Option<&str> {
        Some(self.message_id).filter(is_id)
    }
}

fn is_id(id: &&str) -> bool {
    !bare_message_id(id).is_empty()
}

/// The key of a message's thread, from the best evidence there is. A message that tells nothing at all is a thread
/// of its own, named by its id.
#[must_use]
pub fn key(evidence: &Evidence<'_>, id: &Id) -> Id {
    if let Some(root) = evidence.references().next().or(evidence.parent()).or(evidence.own()) {
        return thread_key(ThreadRoot::MessageId(root));
    }
    if let Some(index) = evidence.conversation() {
        return thread_key(ThreadRoot::ConversationIndex(index));
    }
    if evidence.topic.is_empty() {
        return thread_key(ThreadRoot::MessageId(&to_hex(id)));
    }
    thread_key(ThreadRoot::Topic(evidence.class, evidence.topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_evidence_decides() {
        let root = ["<root@x>".to_owned(), "<b@x>".to_owned()];
        let parent = ["<parent@x>".to_owned()];
        let by_id = |id: &str| thread_key(ThreadRoot::MessageId(id));
        let mut evidence = Evidence { topic: "t", class: "IPM.Note", ..Evidence::default() };
        assert_eq!(key(&evidence, &[0; 16]), thread_key(ThreadRoot::Topic("IPM.Note", "t")));
        evidence.conversation_index = &[7; 27];
        assert_eq!(key(&evidence, &[0; 16]), thread_key(ThreadRoot::Topic("IPM.Note", "t")));
        let index: [u8; 27] = core::array::from_fn(|n| n as u8);
        evidence.conversation_index = &index;
        assert_eq!(key(&evidence, &[0; 16]), thread_key(ThreadRoot::ConversationIndex(&index[..22])));
        evidence.message_id = "<own@x>";
        assert_eq!(key(&evidence, &[0; 16]), by_id("own@x"));
        evidence.in_reply_to = &parent;
        assert_eq!(key(&evidence, &[0; 16]), by_id("parent@x"));
        evidence.references = &root;
        assert_eq!(key(&evidence, &[0; 16]), by_id("root@x"));
    }

    #[test]
    fn messages_that_tell_nothing_do_not_become_one_thread() {
        assert_ne!(key(&Evidence::default(), &[1; 16]), key(&Evidence::default(), &[2; 16]));
    }
}
