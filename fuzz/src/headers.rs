//! Transport headers.

use postlode_mail::headers::{Headers, message_ids};
use postlode_mail::mime::declared;
use postlode_mail::subject::{topic, without_mapi_mark};

/// Most entries of any list that is taken from headers.
const MAX_LIST: usize = 10_000;

/// Reads the bytes as a header block, and as one header's text.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default();
    let text = String::from_utf8_lossy(data);
    let headers = Headers::parse(&text);
    for list in [&headers.from, &headers.sender, &headers.to, &headers.cc, &headers.bcc] {
        assert!(list.len() <= MAX_LIST);
        assert!(list.iter().all(|a| !(a.name.is_empty() && a.address.is_empty())), "an address of nothing");
    }
    let ids = message_ids(&text);
    for list in [&ids, &headers.in_reply_to, &headers.references] {
        assert!(list.iter().all(|id| id.len() > 2 && id.starts_with('<') && id.ends_with('>')), "{list:?}");
    }
    assert!(ids.len() <= MAX_LIST);
    assert!(
        text.contains(topic(&text)) && text.contains(without_mapi_mark(&text)),
        "a subject out of nothing"
    );
    drop(declared(&text));
}
