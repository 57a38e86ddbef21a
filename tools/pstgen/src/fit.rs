//! Items as an ANSI archive can keep them, so that the truth about it is told of what is really in it.

use postlode_pst_writer::{Address, Attachment, Message, Payload, Properties, Value, fit_ansi};

/// Makes all text of `message`, and of messages in it, fit into code page 1252.
pub(crate) fn message(message: &mut Message) {
    for party in message.sender.iter_mut().chain(&mut message.representing).chain(&mut message.reply_to) {
        address(party);
    }
    for recipient in &mut message.recipients {
        address(&mut recipient.address);
    }
    for one in [&mut message.class, &mut message.subject] {
        text(one);
    }
    let optional = [
        &mut message.message_id,
        &mut message.in_reply_to,
        &mut message.references,
        &mut message.headers,
        &mut message.body_text,
    ];
    for one in optional.into_iter().flatten() {
        text(one);
    }
    if let Some(body) = &mut message.body_html {
        *body = html(&String::from_utf8_lossy(body)).into_bytes();
    }
    message.properties = properties(&message.properties);
    for one in &mut message.attachments {
        attachment(one);
    }
}

fn attachment(attachment: &mut Attachment) {
    text(&mut attachment.name);
    for one in [&mut attachment.mime_type, &mut attachment.content_id].into_iter().flatten() {
        text(one);
    }
    attachment.properties = properties(&attachment.properties);
    if let Payload::Message(inner) = &mut attachment.payload {
        message(inner);
    }
}

fn address(address: &mut Address) {
    text(&mut address.name);
    text(&mut address.address);
}

fn text(text: &mut String) {
    if !text.is_ascii() {
        *text = fit_ansi(text).into_owned();
    }
}

/// HTML loses nothing: what is not ASCII is written by its number.
fn html(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    for c in html.replace("charset=utf-8", "charset=windows-1252").chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            out.push_str(&format!("&#{};", u32::from(c)));
        }
    }
    out
}

fn properties(properties: &Properties) -> Properties {
    let mut out = Properties::new();
    for (id, value) in properties.iter() {
        let value = match value {
            Value::Str(text) => Value::Str(fit_ansi(text).into_owned()),
            Value::MvStr(all) => Value::MvStr(all.iter().map(|text| fit_ansi(text).into_owned()).collect()),
            other => other.clone(),
        };
        out.set(id, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_everywhere_is_made_to_fit() {
        let named = |name: &str| Message {
            subject: format!("Grüße {name}"),
            sender: Some(Address::new(name, "a@x")),
            body_text: Some(name.into()),
            body_html: Some(format!("<p>ü{name}</p>").into_bytes()),
            ..Message::default()
        };
        let mut outer = named("北山");
        outer.properties.set(0x8001, Value::MvStr(vec!["東北".into()]));
        outer.attachments.push(Attachment::new("メモ.txt", Payload::Message(Box::new(named("丽")))));
        message(&mut outer);
        assert_eq!(outer.subject, "Grüße ??");
        assert_eq!(outer.sender.unwrap().name, "??");
        assert_eq!(outer.body_html.unwrap(), "<p>&#252;&#21271;&#23665;</p>".as_bytes());
        assert_eq!(outer.properties.get(0x8001), Some(&Value::MvStr(vec!["??".into()])));
        assert_eq!(outer.attachments[0].name, "??.txt");
        let Payload::Message(inner) = &outer.attachments[0].payload else { panic!("no message") };
        assert_eq!(inner.body_text.as_deref(), Some("?"));
    }
}
