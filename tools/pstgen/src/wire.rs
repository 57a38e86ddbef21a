//! Mail as it looks on the wire: header blocks with RFC 2047 words, and base64.

use postlode_pst_writer::{Address, Message, RecipientKind};

use crate::civil::Civil;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `bytes` in base64, without line breaks.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            out.push(if place <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    out
}

/// `text` as a header's value: encoded words when it is not ASCII, each short enough for its line.
pub(crate) fn encode_words(text: &str) -> String {
    const BYTES_PER_WORD: usize = 42;
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(BYTES_PER_WORD);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        words.push(format!("=?utf-8?B?{}?=", base64(&rest.as_bytes()[..end])));
        rest = &rest[end..];
    }
    words.join("\r\n ")
}

fn mailbox(address: &Address) -> String {
    if address.name.is_empty() {
        address.address.clone()
    } else if address.name.is_ascii() && address.name.bytes().any(|byte| b",.()<>@\"".contains(&byte)) {
        format!("\"{}\" <{}>", address.name.replace(['"', '\\'], ""), address.address)
    } else {
        format!("{} <{}>", encode_words(&address.name), address.address)
    }
}

/// The header block of `message`, sent and received at those seconds since 1970.
pub(crate) fn headers(message: &Message, sent: i64, received: i64, via: &str) -> String {
    let received = Civil::from_unix(received).mail();
    let mut out = format!("Received: from {via} by mx.postlode.example with ESMTPS; {received}\r\n");
    let mut add = |name: &str, value: &str| {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
        out.push_str("\r\n");
    };
    if let Some(sender) = &message.sender {
        add("From", &mailbox(sender));
    }
    if !message.reply_to.is_empty() {
        add("Reply-To", &message.reply_to.iter().map(mailbox).collect::<Vec<_>>().join(",\r\n "));
    }
    for (name, kind) in [("To", RecipientKind::To), ("Cc", RecipientKind::Cc)] {
        let boxes: Vec<String> = message
            .recipients
            .iter()
            .filter(|recipient| recipient.kind == kind)
            .map(|recipient| mailbox(&recipient.address))
            .collect();
        if !boxes.is_empty() {
            add(name, &boxes.join(",\r\n "));
        }
    }
    // A line break in a subject must not begin another header.
    add("Subject", &encode_words(&message.subject.replace(|c: char| c.is_ascii_control(), " ")));
    add("Date", &Civil::from_unix(sent).mail());
    for (name, value) in [
        ("Message-ID", &message.message_id),
        ("In-Reply-To", &message.in_reply_to),
        ("References", &message.references),
    ] {
        if let Some(value) = value {
            add(name, &value.replace(' ', "\r\n "));
        }
    }
    add("MIME-Version", "1.0");
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn words_are_cut_between_characters() {
        assert_eq!(encode_words("plain"), "plain");
        assert_eq!(encode_words("Grüße"), "=?utf-8?B?R3LDvMOfZQ==?=");
        assert!(encode_words(&"納期について".repeat(9)).lines().all(|line| line.len() <= 76));
    }
}
