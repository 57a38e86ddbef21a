//! The canonical list of raw properties that an item's id is made from (SPEC.md, "Identity").
//!
//! Nothing here is decoded: the bytes are the source's. Mail and reports are known by what makes a message what it is;
//! every other item by all of its properties but those that a store makes up.

use super::attachment::AttachmentData;
use super::item::{Contents, Recipient, RecipientKind};
use super::prop::{Props, RawProp};
use super::tag;
use postlode_format::id::{Field, Id, IdBuilder};
use postlode_format::row::ItemKind;

/// What an attachment adds to its item's id.
pub(super) struct AttachmentIdentity<'a> {
    pub(super) props: &'a Props,
    pub(super) data: AttachmentData,
    /// SHA-256 of its bytes, or the content id of the message it holds.
    pub(super) content: &'a [u8],
}

/// The canonical list of an item.
pub(super) fn list(kind: ItemKind, contents: &Contents, attachments: &[AttachmentIdentity<'_>]) -> IdBuilder {
    let props = &contents.props;
    let mail = matches!(kind, ItemKind::Mail | ItemKind::Report);
    let list = if mail { IdBuilder::mail() } else { IdBuilder::item() };
    let mut list = list.for_custody(mail);
    add(&mut list, Field::Class, props, tag::MESSAGE_CLASS);
    if mail {
        add(&mut list, Field::MessageId, props, tag::INTERNET_MESSAGE_ID);
        let sender = [tag::SENDER_ADDRESS_TYPE, tag::SENDER_EMAIL_ADDRESS, tag::SENDER_NAME];
        let representing = [
            tag::SENT_REPRESENTING_ADDRESS_TYPE,
            tag::SENT_REPRESENTING_EMAIL_ADDRESS,
            tag::SENT_REPRESENTING_NAME,
        ];
        let known = sender.iter().any(|id| props.get(*id).is_some());
        let [kind, address, name] = if known { sender } else { representing };
        add(&mut list, Field::SenderType, props, kind);
        add(&mut list, Field::SenderAddress, props, address);
        add(&mut list, Field::SenderName, props, name);
        add(&mut list, Field::SentTime, props, tag::CLIENT_SUBMIT_TIME);
        add(&mut list, Field::Subject, props, tag::SUBJECT);
    }
    recipients(&mut list, &contents.recipients);
    if mail {
        add(&mut list, Field::PlainBody, props, tag::BODY);
        add(&mut list, Field::HtmlBody, props, tag::HTML);
        add(&mut list, Field::RtfBody, props, tag::RTF_COMPRESSED);
    }
    for attachment in attachments {
        let [name, path] = attachment_names(attachment.props);
        match attachment.data {
            // A reference has no bytes: where it points is what it is.
            AttachmentData::Reference => list.parts(Field::Attachment, 0, &[name, attachment.content, path]),
            _ => list.parts(Field::Attachment, 0, &[name, attachment.content]),
        };
    }
    if !mail {
        let mut named: Vec<(Vec<u8>, &RawProp)> =
            props.0.iter().filter(|p| !made_up(p)).map(|p| (name_bytes(p), p)).collect();
        // Ids of named properties differ from archive to archive, and with them the order of the source.
        named.sort_by(|(a, p), (b, q)| a.cmp(b).then(p.kind.cmp(&q.kind)));
        for (name, prop) in &named {
            list.parts(Field::Property, prop.kind, &[name, &prop.value]);
        }
    }
    list
}

/// An item's id, whole or bound to its place because it could only be read in part.
pub(super) fn finish(list: &IdBuilder, whole: bool, archive: &Id, node: u64) -> Id {
    if whole { list.finish() } else { list.finish_partial(archive, node) }
}

fn add(list: &mut IdBuilder, field: Field, props: &Props, id: u16) {
    if let Some(prop) = props.get(id) {
        list.field(field, prop.kind, &prop.value);
    }
}

fn recipients(list: &mut IdBuilder, recipients: &[Recipient]) {
    for field in [Field::To, Field::Cc, Field::Bcc, Field::OtherRecipient] {
        for recipient in recipients {
            let of = match recipient.kind() {
                RecipientKind::To => Field::To,
                RecipientKind::Cc => Field::Cc,
                RecipientKind::Bcc => Field::Bcc,
                RecipientKind::Originator | RecipientKind::Other(_) => Field::OtherRecipient,
            };
            if of == field {
                list.parts(field, 0, &recipient.raw_identity());
            }
        }
    }
}

/// Raw file name and path of an attachment.
fn attachment_names(props: &Props) -> [&[u8]; 2] {
    let first = |ids: &[u16]| -> &[u8] {
        let found = ids.iter().filter_map(|id| props.get(*id)).find(|p| !p.value.is_empty());
        found.map_or(&[], |p| p.value.as_slice())
    };
    [
        first(&[tag::ATTACH_LONG_FILENAME, tag::ATTACH_FILENAME, tag::DISPLAY_NAME]),
        first(&[tag::ATTACH_LONG_PATHNAME, tag::ATTACH_PATHNAME]),
    ]
}

/// What a property is called wherever it is: its id, or its set and name.
fn name_bytes(prop: &RawProp) -> Vec<u8> {
    match prop.name.as_deref() {
        None => prop.id.to_le_bytes().to_vec(),
        Some(name) => {
            let mut bytes = name.guid.to_vec();
            match name.lid {
                Some(number) => bytes.extend_from_slice(&number.to_le_bytes()),
                None => bytes.extend_from_slice(name.name.as_bytes()),
            }
            bytes
        }
    }
}

/// Properties that a store makes up or changes by itself: copying an item or reading it must not make it another.
///
/// The ranges are those that [MS-OXCDATA] and MAPI call non-transmittable or internal to a provider.
fn made_up(prop: &RawProp) -> bool {
    matches!(prop.id,
        0x0e00..=0x0fff // envelope and table properties that the store computes
        | 0x3007 | 0x3008 // creation and modification time
        | 0x300b // search key
        | 0x3010 | 0x3013..=0x3016 // conversation ids and their tracking
        | 0x3400..=0x35ff // of message stores
        | 0x3ff8..=0x3ffb // creator and last modifier
        | 0x65e0..=0x65e4 // source key, change keys
        | 0x6600..=0x67ff // internal to the provider
        | 0x7c00..=0x7fff // non-transmittable of the class
    )
}

#[cfg(test)]
mod tests {
    use super::super::prop::kind;
    use super::*;
    use postlode_format::row::PropName;
    use std::rc::Rc;

    fn text(id: u16, value: &str) -> RawProp {
        let value = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
        RawProp { id, kind: kind::UNICODE, name: None, value }
    }

    fn id(kind: ItemKind, props: Vec<RawProp>) -> Id {
        let contents = Contents { props: Props(props), ..Contents::default() };
        list(kind, &contents, &[]).finish()
    }

    #[test]
    fn an_id_does_not_depend_on_what_a_store_makes_up() {
        let mail = |more: RawProp| id(ItemKind::Mail, vec![text(tag::SUBJECT, "a"), more]);
        assert_eq!(mail(text(tag::MESSAGE_DELIVERY_TIME, "1")), mail(text(0x3008, "2")));
        let contact = |more: RawProp| id(ItemKind::Contact, vec![text(tag::SUBJECT, "a"), more]);
        assert_eq!(contact(text(0x3008, "1")), contact(text(0x65e2, "2")));
        assert_ne!(contact(text(0x3a08, "1")), contact(text(0x3a08, "2")));
    }

    #[test]
    fn a_named_property_is_known_by_its_name() {
        let named = |id, lid| {
            let name = Some(Rc::new(PropName { guid: [1; 16], lid: Some(lid), name: String::new() }));
            RawProp { id, kind: kind::I32, name, value: vec![1, 0, 0, 0] }
        };
        let contact = |a: RawProp, b: RawProp| id(ItemKind::Contact, vec![a, b]);
        assert_eq!(contact(named(0x8001, 7), named(0x8002, 9)), contact(named(0x8005, 9), named(0x8009, 7)));
        assert_ne!(contact(named(0x8001, 7), named(0x8002, 9)), contact(named(0x8001, 7), named(0x8002, 8)));
    }

    #[test]
    fn an_attachment_is_part_of_its_mail() {
        let contents = Contents::default();
        let props = Props(vec![text(tag::ATTACH_LONG_FILENAME, "a.txt")]);
        let with = |content: &[u8]| {
            let attachment = AttachmentIdentity { props: &props, data: AttachmentData::Bytes(1), content };
            list(ItemKind::Mail, &contents, &[attachment]).finish()
        };
        assert_ne!(with(&[1; 32]), with(&[2; 32]));
        assert_ne!(with(&[1; 32]), id(ItemKind::Mail, vec![]));
    }
}
