//! Which thread a message belongs to.

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

/// The key of a message's thread, from the best evidence there is. A message that tells nothing at all is a thread
/// of its own, named by its id.
#[must_use]
pub fn key(evidence: &Evidence<'_>, id: &Id) -> Id {
    let usable = |id: &&str| !bare_message_id(id).is_empty();
    let answered = evidence.references.first().or(evidence.in_reply_to.first()).map(String::as_str);
    if let Some(root) = answered.filter(usable).or(Some(evidence.message_id).filter(usable)) {
        return thread_key(ThreadRoot::MessageId(root));
    }
    if evidence.conversation_index.len() >= 22 {
        return thread_key(ThreadRoot::ConversationIndex(evidence.conversation_index));
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
        let index = [7u8; 27];
        evidence.conversation_index = &index;
        assert_eq!(key(&evidence, &[0; 16]), thread_key(ThreadRoot::ConversationIndex(&[7; 22])));
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
