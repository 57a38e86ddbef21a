//! The email row of an item: who, when, what, from its properties and, where these are silent, its transport headers.

use super::body;
use super::item::{Contents, Recipient, RecipientKind};
use super::prop::Props;
use super::tag;
use crate::headers::{Headers, message_ids};
use crate::{class, subject, time};
use postlode_format::id::ID_SCHEME;
use postlode_format::row::{Address, Attachment, Email, Stamp, flag};

/// What the columns are read from.
pub(super) struct Source<'c> {
    pub(super) contents: &'c Contents,
    pub(super) headers: &'c Headers,
    pub(super) codepage: u32,
    /// Size of what was read, where the item does not tell its own.
    pub(super) size: u64,
}

/// Makes the row, but for ids, thread, parent and notes, which are known when the whole family is.
pub(super) fn build(source: &Source<'_>, attachments: Vec<Attachment>) -> Email {
    let Source { contents, headers, codepage, .. } = *source;
    let props = &contents.props;
    let text = |id| props.text(id, codepage).unwrap_or_default();
    let class = text(tag::MESSAGE_CLASS);
    let subject = text(tag::SUBJECT);
    let subject = subject::without_mapi_mark(&subject);
    let sent = time::with_offset(props.time(tag::CLIENT_SUBMIT_TIME), headers.date);
    let received = time::with_offset(props.time(tag::MESSAGE_DELIVERY_TIME), headers.received);
    let (from, sender) = senders(source);
    let [to, cc, bcc] = recipients(source);
    let message_id = text(tag::INTERNET_MESSAGE_ID).trim().to_owned();
    let or_headers = |id: u16, headers: &[String]| {
        let found = message_ids(&text(id));
        if found.is_empty() { headers.to_vec() } else { found }
    };
    let size = props.int(tag::MESSAGE_SIZE).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
    Email {
        extra: Vec::new(),
        id: [0; 16],
        id_scheme: ID_SCHEME,
        parent: None,
        thread: [0; 16],
        kind: class::kind_of(&class),
        class,
        message_id: if message_id.is_empty() { headers.message_id.clone() } else { message_id },
        in_reply_to: or_headers(tag::IN_REPLY_TO_ID, &headers.in_reply_to),
        references: or_headers(tag::INTERNET_REFERENCES, &headers.references),
        topic: subject::topic(subject).to_owned(),
        subject: subject.to_owned(),
        from,
        sender,
        to,
        cc,
        bcc,
        sent,
        received,
        date: sent.or(received).map_or(i64::MIN, |stamp: Stamp| stamp.unix_micros),
        size: size.unwrap_or(source.size),
        importance: small(props, tag::IMPORTANCE, 2).unwrap_or(1),
        sensitivity: small(props, tag::SENSITIVITY, 3).unwrap_or(0),
        flags: flags(props, &attachments),
        codepage,
        language: String::new(),
        attachments,
        partial: Vec::new(),
    }
}

fn small(props: &Props, id: u16, most: u8) -> Option<u8> {
    props.int(id).and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= most)
}

fn flags(props: &Props, attachments: &[Attachment]) -> u32 {
    const READ: i32 = 0x01;
    const UNSENT: i32 = 0x08;
    const FROM_ME: i32 = 0x20;
    /// `PidTagFlagStatus`: flagged, not yet complete.
    const FOLLOW_UP: i32 = 2;
    let source = props.int(tag::MESSAGE_FLAGS).unwrap_or(0);
    let bit = |mask: i32, to: u32| if source & mask != 0 { to } else { 0 };
    let mut flags = bit(READ, flag::READ) | bit(UNSENT, flag::UNSENT) | bit(FROM_ME, flag::FROM_ME);
    if props.int(tag::FLAG_STATUS) == Some(FOLLOW_UP) {
        flags |= flag::FLAGGED;
    }
    if attachments.iter().any(|a| !a.inline) {
        flags |= flag::HAS_ATTACHMENT;
    }
    flags
}

/// From and, where it is somebody else, the sender.
fn senders(source: &Source<'_>) -> (Option<Address>, Option<Address>) {
    let sender = party(
        source,
        [tag::SENDER_NAME, tag::SENDER_ADDRESS_TYPE, tag::SENDER_EMAIL_ADDRESS, tag::SENDER_SMTP_ADDRESS],
        &source.headers.sender,
    );
    let from = party(
        source,
        [
            tag::SENT_REPRESENTING_NAME,
            tag::SENT_REPRESENTING_ADDRESS_TYPE,
            tag::SENT_REPRESENTING_EMAIL_ADDRESS,
            tag::SENT_REPRESENTING_SMTP_ADDRESS,
        ],
        &source.headers.from,
    );
    match (from, sender) {
        (Some(from), Some(sender)) => {
            let same = if from.address.is_empty() || sender.address.is_empty() {
                from.name == sender.name
            } else {
                from.address.eq_ignore_ascii_case(&sender.address)
            };
            // One of the two may know more of the same person.
            let from = if same && from.address.is_empty() { sender.clone() } else { from };
            (Some(from), (!same).then_some(sender))
        }
        (None, sender) => (sender.or_else(|| source.headers.from.first().cloned()), None),
        (from, None) => (from, None),
    }
}

/// A person from four properties (name, address type, address, SMTP address), or from headers.
fn party(source: &Source<'_>, ids: [u16; 4], headers: &[Address]) -> Option<Address> {
    let [name, kind, address, smtp] = ids.map(|id| {
        let text = source.contents.props.text(id, source.codepage).unwrap_or_default();
        text.trim().to_owned()
    });
    if name.is_empty() && address.is_empty() && smtp.is_empty() {
        return None;
    }
    let address = resolve(&kind, address, Some(smtp), &name, headers);
    Some(Address { name, address })
}

/// The SMTP address where one can be found, else the address as the source has it.
fn resolve(kind: &str, address: String, smtp: Option<String>, name: &str, headers: &[Address]) -> String {
    let is_smtp = kind.eq_ignore_ascii_case("SMTP") || (kind.is_empty() && address.contains('@'));
    if is_smtp && !address.is_empty() {
        return address;
    }
    if let Some(smtp) = smtp.map(|s| s.trim().to_owned()).filter(|s| s.contains('@')) {
        return smtp;
    }
    let by_name = headers.iter().find(|h| !name.is_empty() && h.name.eq_ignore_ascii_case(name));
    let only = if headers.len() == 1 { headers.first() } else { None };
    match by_name.or(only.filter(|h| name.is_empty() || h.name.is_empty())) {
        Some(header) if header.address.contains('@') => header.address.clone(),
        _ => address,
    }
}

/// To, cc and bcc: from the recipients, else from the headers, else from the names shown.
fn recipients(source: &Source<'_>) -> [Vec<Address>; 3] {
    let Source { contents, headers, codepage, .. } = *source;
    let mut lists: [Vec<Address>; 3] = Default::default();
    let [to, cc, bcc] = &mut lists;
    for recipient in &contents.recipients {
        let (list, known) = match recipient.kind() {
            RecipientKind::Originator => continue,
            RecipientKind::Cc => (&mut *cc, &headers.cc),
            RecipientKind::Bcc => (&mut *bcc, &headers.bcc),
            RecipientKind::To | RecipientKind::Other(_) => (&mut *to, &headers.to),
        };
        list.extend(address_of(recipient, codepage, known));
    }
    if contents.recipients.is_empty() {
        *to = headers.to.clone();
        *cc = headers.cc.clone();
        *bcc = headers.bcc.clone();
    }
    if lists.iter().all(Vec::is_empty) {
        lists = [tag::DISPLAY_TO, tag::DISPLAY_CC, tag::DISPLAY_BCC].map(|id| {
            let names = contents.props.text(id, codepage).unwrap_or_default();
            let names = names.split(';').map(str::trim).filter(|name| !name.is_empty());
            names.take(10_000).map(shown).collect()
        });
    }
    lists
}

/// A recipient of whom only the shown name is left, which may be an address.
fn shown(name: &str) -> Address {
    let address = if name.contains('@') && !name.contains(' ') { name } else { "" };
    Address { name: name.to_owned(), address: address.to_owned() }
}

fn address_of(recipient: &Recipient, codepage: u32, headers: &[Address]) -> Option<Address> {
    let name = recipient.name(codepage).trim().to_owned();
    let kind = recipient.address_type(codepage);
    let address = recipient.address(codepage).trim().to_owned();
    let address = resolve(&kind, address, recipient.smtp(codepage), &name, headers);
    (!name.is_empty() || !address.is_empty()).then_some(Address { name, address })
}

/// Code page and decoded headers of an item.
pub(super) fn read_headers(props: &Props, archive_codepage: u32) -> (u32, Headers) {
    let codepage = body::codepage_of(props, archive_codepage);
    let headers = props.text(tag::TRANSPORT_MESSAGE_HEADERS, codepage);
    (codepage, headers.map(|block| Headers::parse(&block)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::prop::{RawProp, kind};
    use super::*;
    use postlode_format::row::ItemKind;
    use proptest::prelude::*;

    fn text(id: u16, value: &str) -> RawProp {
        RawProp {
            id,
            kind: kind::UNICODE,
            name: None,
            value: value.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        }
    }

    fn int(id: u16, value: i32) -> RawProp {
        RawProp { id, kind: kind::I32, name: None, value: value.to_le_bytes().to_vec() }
    }

    fn recipient(number: i32, kind: &str, address: &str, name: &str, smtp: &str) -> Recipient {
        let props = vec![int(0x0c15, number), text(0x3002, kind), text(0x3003, address), text(0x3001, name)];
        let smtp = (!smtp.is_empty()).then(|| text(0x39fe, smtp));
        Recipient { props: Props(props.into_iter().chain(smtp).collect()) }
    }

    fn row(props: Vec<RawProp>, recipients: Vec<Recipient>) -> Email {
        let contents = Contents { props: Props(props), recipients, ..Contents::default() };
        let (codepage, headers) = read_headers(&contents.props, 1252);
        build(&Source { contents: &contents, headers: &headers, codepage, size: 7 }, Vec::new())
    }

    fn address(name: &str, address: &str) -> Address {
        Address { name: name.to_owned(), address: address.to_owned() }
    }

    const EX: &str = "/O=EXAMPLE/OU=FIRST/CN=RECIPIENTS/CN=JANE";

    #[test]
    fn exchange_addresses_are_resolved_where_something_tells() {
        let sender = |more: Vec<RawProp>| {
            let mut props = vec![text(0x0c1a, "Jane"), text(0x0c1e, "EX"), text(0x0c1f, EX)];
            props.extend(more);
            row(props, Vec::new()).from
        };
        assert_eq!(sender(vec![]), Some(address("Jane", EX)));
        assert_eq!(sender(vec![text(0x5d01, "jane@x.org")]), Some(address("Jane", "jane@x.org")));
        assert_eq!(
            sender(vec![text(0x007d, "Sender: Jane <j@x.org>\r\n")]),
            Some(address("Jane", "j@x.org"))
        );
        let headers = text(0x007d, "To: Bob <bob@x.org>, \"Al\" <al@x.org>\r\nCc: c@x.org\r\n");
        let email = row(
            vec![headers],
            vec![
                recipient(1, "EX", EX, "bob", ""),
                recipient(1, "EX", EX, "Nobody", ""),
                recipient(2, "EX", EX, "Cy", "cy@x.org"),
                recipient(3, "SMTP", "d@x.org", "D", ""),
                recipient(0, "SMTP", "me@x.org", "Me", ""),
            ],
        );
        assert_eq!(email.to, [address("bob", "bob@x.org"), address("Nobody", EX)]);
        assert_eq!(email.cc, [address("Cy", "cy@x.org")]);
        assert_eq!(email.bcc, [address("D", "d@x.org")]);
    }

    #[test]
    fn a_sender_is_named_only_where_it_is_somebody_else() {
        let of = |from: &str, sender: &str| {
            let party = |ids: [u16; 3], a: &str| [text(ids[0], "N"), text(ids[1], "SMTP"), text(ids[2], a)];
            let props = [party([0x42, 0x64, 0x65], from), party([0x0c1a, 0x0c1e, 0x0c1f], sender)].concat();
            let email = row(props, Vec::new());
            (email.from.map(|a| a.address), email.sender.map(|a| a.address))
        };
        assert_eq!(of("a@x", "A@X"), (Some("a@x".into()), None));
        assert_eq!(of("boss@x", "secretary@x"), (Some("boss@x".into()), Some("secretary@x".into())));
    }

    #[test]
    fn what_properties_lack_comes_from_headers() {
        let block = "Date: Thu, 27 Feb 2014 01:00:00 -0800\r\nFrom: F <f@x>\r\nTo: T <t@x>\r\nCc: c@x\r\n\
            Message-ID: <m@x>\r\nIn-Reply-To: <i@x>\r\nReferences: <r@x> <i@x>\r\n";
        let email = row(vec![text(0x7d, block), text(0x37, "\u{1}\u{5}Re: Hi ")], Vec::new());
        assert_eq!((email.subject.as_str(), email.topic.as_str()), ("Re: Hi ", "Hi"));
        assert_eq!(email.message_id, "<m@x>");
        assert_eq!(
            (email.in_reply_to, email.references),
            (vec!["<i@x>".to_owned()], vec!["<r@x>".into(), "<i@x>".into()])
        );
        assert_eq!(
            (email.from, email.to, email.cc),
            (Some(address("F", "f@x")), vec![address("T", "t@x")], vec![address("", "c@x")])
        );
        assert_eq!(
            email.sent,
            Some(Stamp { unix_micros: 1_393_491_600_000_000, offset_minutes: Some(-480) })
        );
        assert_eq!((email.date, email.size, email.importance), (1_393_491_600_000_000, 7, 1));
        assert_eq!(email.kind, ItemKind::Mail);
    }

    #[test]
    fn an_item_that_tells_nothing_is_an_item() {
        let email = row(Vec::new(), Vec::new());
        assert_eq!((email.date, email.from, email.sent), (i64::MIN, None, None));
        let email = row(vec![text(0x0e04, "Al; b@x.org;")], Vec::new());
        assert_eq!(email.to, [address("Al", ""), address("b@x.org", "b@x.org")]);
    }

    proptest! {
        #[test]
        fn any_properties_make_a_row(
            props in proptest::collection::vec((
                prop_oneof![Just(0x1au16), Just(0x37), Just(0x39), Just(0x42), Just(0x64), Just(0x65), Just(0x71), Just(0x7d),
                    Just(0x0c1a), Just(0x0c1f), Just(0x0e04), Just(0x0e06), Just(0x0e07), Just(0x1035), Just(0x1039), Just(0x3ffd)],
                prop_oneof![Just(0x1eu16), Just(0x1f), Just(0x40), Just(3), Just(0x102)],
                any::<Vec<u8>>(),
            ), 0..12),
        ) {
            let props = props.into_iter().map(|(id, kind, value)| RawProp { id, kind, name: None, value }).collect();
            let _ = row(props, Vec::new());
        }
    }
}
