//! Archives that the tests make.

use std::io::Cursor;

use postlode_pst_writer::{
    Address, Attachment, Encoding, FileTime, Format, Message, Options, Payload, PstWriter, Recipient,
    RecipientKind,
};

use super::Permutation;

pub type Pst<'a> = PstWriter<&'a mut Cursor<Vec<u8>>>;

/// What `fill` makes of an archive.
pub fn written(format: Format, encoding: Encoding, fill: impl FnOnce(&mut Pst<'_>)) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let options = Options { format, encoding, ..Options::new([9; 16]) };
    let mut pst = PstWriter::new(&mut file, options).unwrap();
    fill(&mut pst);
    let (_, len) = pst.finish().unwrap();
    assert_eq!(len, file.get_ref().len() as u64);
    file.into_inner()
}

pub fn mail(number: usize) -> Message {
    let person = |name: &str| Address::new(name, format!("{}@example.com", name.to_lowercase()));
    Message {
        subject: format!("Re: Contract {number} – Größe"),
        sender: Some(person("Ada")),
        recipients: vec![Recipient::new(RecipientKind::To, person("Grace"))],
        delivered: Some(FileTime::from_unix(1_500_000_000 + number as i64)),
        message_id: Some(format!("<{number}@example.com>")),
        body_text: Some("Signed.\r\n".repeat(1 + number % 600)),
        read: !number.is_multiple_of(3),
        ..Message::default()
    }
}

/// The inverse permutation, learnt from an attachment that holds every byte once in order.
pub fn permutation() -> Permutation {
    let all: Vec<u8> = (0..=255).cycle().take(8176).collect();
    let with = |encoding| {
        let all = all.clone();
        written(Format::Unicode, encoding, move |pst| {
            let mut message = mail(0);
            message.attachments.push(Attachment::new("all", Payload::Bytes(all)));
            pst.add_message(pst.top(), message).unwrap();
        })
    };
    let (plain, permuted) = (with(Encoding::None), with(Encoding::Permute));
    let at = plain.windows(256).position(|window| window == &all[..256]).unwrap();
    let mut decode = [0; 256];
    for (index, byte) in permuted[at..at + 256].iter().enumerate() {
        decode[usize::from(*byte)] = index as u8;
    }
    decode
}
