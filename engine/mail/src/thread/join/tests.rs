//! Threads over edges against a union-find over all that messages name.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

/// A message as its header tells it.
#[derive(Debug, Clone, Default)]
struct Mail {
    message_id: String,
    references: Vec<String>,
    in_reply_to: Vec<String>,
    conversation: Vec<u8>,
}

impl Mail {
    fn new(message_id: &str, references: &[&str], in_reply_to: &[&str]) -> Self {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Self {
            message_id: message_id.to_owned(),
            references: owned(references),
            in_reply_to: owned(in_reply_to),
            ..Self::default()
        }
    }

    fn proof(&self, n: usize) -> Proof {
        let evidence = Evidence {
            references: &self.references,
            in_reply_to: &self.in_reply_to,
            message_id: &self.message_id,
            conversation_index: &self.conversation,
            ..Evidence::default()
        };
        proof(&evidence, &[n as u8 + 1; 16])
    }

    /// All that it names.
    fn names(&self, n: usize) -> Vec<String> {
        let ids = self.references.iter().chain(&self.in_reply_to).chain([&self.message_id]);
        let mut names: Vec<String> = ids.filter(|id| !id.is_empty()).cloned().collect();
        names.extend(
            (self.conversation.len() >= 22).then(|| format!("conversation {:?}", &self.conversation[..22])),
        );
        if names.is_empty() {
            names.push(format!("alone {n}"));
        }
        names
    }
}

/// Rows as shards hold them.
#[derive(Default)]
struct Store {
    shards: [BTreeSet<[u8; 32]>; 3],
}

impl Store {
    fn put(&mut self, edge: &Edge) {
        for row in edge.rows() {
            self.shards[usize::from(row[0]) % 3].insert(row);
        }
    }

    fn thread(&self, key: Id, limit: usize) -> Component {
        let read = |from: &Id, most: usize, out: &mut Vec<Id>| {
            let rows =
                self.shards[usize::from(from[0]) % 3].range(row(from, &[0; 16])..=row(from, &[0xff; 16]));
            out.extend(rows.take(most).map(|row| ends_of_row(row).unwrap().1));
            Ok::<(), Infallible>(())
        };
        let Ok(component) = walk(key, limit, read);
        component
    }
}

/// For each message the first message of its thread, over edges.
fn over_edges(mails: &[Mail], order: &[usize]) -> Vec<usize> {
    let proofs: Vec<Proof> = mails.iter().enumerate().map(|(n, mail)| mail.proof(n)).collect();
    let mut store = Store::default();
    for n in order {
        proofs[*n].edges.iter().for_each(|edge| store.put(edge));
    }
    let mut first = HashMap::new();
    let thread = |proof: &Proof| store.thread(proof.key, usize::MAX).name();
    proofs.iter().enumerate().map(|(n, proof)| *first.entry(thread(proof)).or_insert(n)).collect()
}

/// The same by union-find over names.
fn by_union(mails: &[Mail]) -> Vec<usize> {
    let mut roots: BTreeMap<String, String> = BTreeMap::new();
    fn find(roots: &BTreeMap<String, String>, name: &str) -> String {
        match roots.get(name) {
            Some(next) if next != name => find(roots, next),
            _ => name.to_owned(),
        }
    }
    for (n, mail) in mails.iter().enumerate() {
        let names = mail.names(n);
        for name in &names {
            let (a, b) = (find(&roots, name), find(&roots, &names[0]));
            roots.insert(a, b);
        }
    }
    let mut first = HashMap::new();
    mails
        .iter()
        .enumerate()
        .map(|(n, mail)| *first.entry(find(&roots, &mail.names(n)[0])).or_insert(n))
        .collect()
}

#[test]
fn cut_references_and_late_messages_are_one_thread() {
    let mails = [
        Mail::new("<a@x>", &[], &[]),
        Mail::new("<b@x>", &["<a@x>"], &["<a@x>"]),
        Mail::new("<c@x>", &["<a@x>", "<b@x>"], &[]),
        // Names its parent only, and another cuts what is before it.
        Mail::new("<d@x>", &[], &["<c@x>"]),
        Mail::new("<f@x>", &["<d@x>", "<e@x>"], &[]),
        Mail::new("<other@x>", &[], &[]),
    ];
    assert_eq!(over_edges(&mails, &[0, 1, 2, 3, 4, 5]), [0, 0, 0, 0, 0, 5]);
    assert_eq!(over_edges(&mails, &[5, 4, 3, 2, 1, 0]), [0, 0, 0, 0, 0, 5]);
    // Without `d`, which answers `c`, nothing tells that what names `d` belongs here.
    assert_eq!(over_edges(&mails, &[0, 1, 2, 4, 5]), [0, 0, 0, 0, 4, 5]);
}

#[test]
fn a_message_writes_only_edges_from_its_key() {
    let count = |mail: &Mail| mail.proof(0).edges.len();
    assert_eq!(count(&Mail::new("<a@x>", &[], &[])), 0);
    assert_eq!(count(&Mail::new("<b@x>", &["<a@x>"], &["<a@x>"])), 1);
    assert_eq!(count(&Mail::new("<c@x>", &["<a@x>", "<b@x>"], &["<b@x>"])), 2);
    assert_eq!(count(&Mail::new("", &["<a@x>"], &[])), 0);
    assert_eq!(count(&Mail::new("<a@x>", &["<a@x>", " a@x "], &[""])), 0);
    assert_eq!(count(&Mail::new("", &[], &[])), 0);
}

#[test]
fn a_conversation_joins_messages_with_and_without_ids() {
    let conversation: Vec<u8> = (0..27).collect();
    let mut sent = Mail::new("", &[], &[]);
    sent.conversation = conversation.clone();
    let mut answer = Mail::new("<b@x>", &["<a@x>"], &[]);
    answer.conversation = conversation;
    let mut empty = Mail::new("<c@x>", &[], &[]);
    empty.conversation = vec![0; 22];
    assert_eq!(over_edges(&[sent, answer, empty.clone()], &[0, 1, 2]), [0, 0, 2]);
    assert!(empty.proof(0).edges.is_empty());
}

#[test]
fn an_address_in_front_of_an_id_joins_nothing() {
    let answer = |n: &str, id: &str| Mail::new(n, &[], &["<ann@x.org>", id]);
    assert_eq!(over_edges(&[answer("<1@x>", "<a@x>"), answer("<2@x>", "<b@x>")], &[0, 1]), [0, 1]);
}

#[test]
fn a_subject_is_never_joined() {
    let proof = |references: &[String], n| {
        proof(&Evidence { references, topic: "Hello", class: "IPM.Note", ..Evidence::default() }, &[n; 16])
    };
    let (one, other) = (proof(&[String::new(), "<a@x>".into()], 1), proof(&["<>".into(), "<b@x>".into()], 2));
    assert_ne!(one.key, other.key);
    assert!(one.edges.is_empty() && other.edges.is_empty());
    assert_eq!(proof(&["<>".into()], 1), proof(&[], 2), "without ids, the subject is the thread");
}

#[test]
fn hostile_headers_and_threads_are_bounded() {
    let ids: Vec<String> = (0..100_000).map(|n| format!("<{n}@x>")).collect();
    let mail = Mail {
        message_id: "<me@x>".into(),
        references: ids,
        in_reply_to: vec!["<p@x>".into()],
        ..Mail::default()
    };
    let proof = mail.proof(0);
    assert_eq!(proof.edges.len(), MAX_EDGES - 1);
    assert_eq!(proof.key, thread_key(ThreadRoot::MessageId("0@x")));
    let mut store = Store::default();
    for n in 0..10_000u32 {
        let reply = Mail::new(&format!("<r{n}@x>"), &["<root@x>"], &[]);
        reply.proof(0).edges.iter().for_each(|edge| store.put(edge));
    }
    let root = thread_key(ThreadRoot::MessageId("root@x"));
    let all = store.thread(root, 10_001);
    assert_eq!((all.keys.len(), all.more), (10_001, false));
    let some = store.thread(root, 100);
    assert_eq!((some.keys.len(), some.more), (100, true));
}

#[test]
fn rows_lead_both_ways() {
    let edge = Edge::between([2; 16], [1; 16]).unwrap();
    assert_eq!(edge.ends(), ([1; 16], [2; 16]));
    assert_eq!(edge.rows().map(|row| ends_of_row(&row).unwrap()), [([1; 16], [2; 16]), ([2; 16], [1; 16])]);
    assert_eq!((Edge::between([1; 16], [1; 16]), ends_of_row(&[0; 31])), (None, None));
}

fn some_id() -> impl Strategy<Value = String> {
    (0u8..12).prop_map(|n| format!("<{n}@x>"))
}

prop_compose! {
    fn some_mail()(
        message_id in prop_oneof![4 => some_id(), 1 => Just(String::new())],
        references in proptest::collection::vec(some_id(), 0..4),
        in_reply_to in proptest::collection::vec(some_id(), 0..2),
        conversation in prop_oneof![4 => Just(Vec::new()), 1 => (0u8..3).prop_map(|n| (n..n + 25).collect())],
    ) -> Mail {
        Mail { message_id, references, in_reply_to, conversation }
    }
}

proptest! {
    #[test]
    fn threads_are_those_of_a_union_in_any_order(
        (mails, order) in proptest::collection::vec(some_mail(), 1..10).prop_flat_map(|mails| {
            let order = Just((0..mails.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(mails), order)
        })
    ) {
        let expected = by_union(&mails);
        prop_assert_eq!(over_edges(&mails, &order), expected.clone());
        // Again and again: what is there already changes nothing.
        let twice: Vec<usize> = order.iter().chain(&order).copied().collect();
        prop_assert_eq!(over_edges(&mails, &twice), expected);
    }

    #[test]
    fn a_thread_has_one_name_wherever_the_walk_begins(mails in proptest::collection::vec(some_mail(), 1..8)) {
        let mut store = Store::default();
        let proofs: Vec<Proof> = mails.iter().enumerate().map(|(n, mail)| mail.proof(n)).collect();
        proofs.iter().flat_map(|proof| &proof.edges).for_each(|edge| store.put(edge));
        for edge in proofs.iter().flat_map(|proof| &proof.edges) {
            let (a, b) = edge.ends();
            prop_assert_eq!(store.thread(a, usize::MAX), store.thread(b, usize::MAX));
        }
    }
}
